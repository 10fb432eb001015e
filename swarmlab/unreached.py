"""What a library says of an engine that cannot be asked, in words that name the node."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swarmlab.errors import EnvironmentProblem, SwarmlabError
from swarmlab.words import later, say

if TYPE_CHECKING:
    from swarmlab.checks.base import World

ENGINE_PORT = 2376

# By the names of the errors of `requests`, which is not loaded for this.
_WHY = {
    "SSLError": later("its certificate is not trusted, or ours is not"),
    "ConnectTimeout": later("no connection"),
    "ReadTimeout": later("no answer in time"),
    "ConnectionError": later("connection refused or lost"),
}


def explained(error: Exception, world: World) -> Exception:
    """The error, or one in its place that names the node whose engine did not answer."""
    why = _WHY.get(type(error).__name__)
    url = getattr(getattr(error, "request", None), "url", None)
    if why is None or not isinstance(url, str):
        return error
    node = _node(url, world)
    if node is None:
        return error
    told = EnvironmentProblem(
        say("The engine of {node} cannot be asked: {why}.", node=node, why=say(why)),
        hint=say("`swarmlab status` shows how its node is, and `swarmlab up` mends the lab."),
    )
    told.__cause__ = error
    return told


def _node(url: str, world: World) -> str | None:
    """The node whose engine has that address."""
    parts = urlsplit(url)
    for node in world.nodes:
        try:
            if (parts.hostname, parts.port) == world.endpoint(node, ENGINE_PORT):
                return node
        except SwarmlabError:
            continue
    return None
