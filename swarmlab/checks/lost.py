"""Whether the lab's nodes are all there: without one of them, nothing that fails is a mistake.

A node that was drained, paused, demoted, or that left the swarm is there: a student did that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swarmlab.checks.base import Finding, World
from swarmlab.checks.looking import Unfit, over
from swarmlab.checks.tasks import from_swarm
from swarmlab.errors import EnvironmentProblem, SwarmlabError
from swarmlab.unreached import explained
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.api import APIClient

# What an engine calls itself that nobody made leave the swarm; pending after it was started anew.
_MEMBER = ("active", "pending")
_UNHEARD = ("down", "unreachable")


class RollCall:
    """Calls the nodes by name once something fails; those that fail together share a call."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._guard = threading.Lock()
        self._called = float("-inf")
        self._found: EnvironmentProblem | None = None

    def excuse(self, check: str, finding: Finding | None) -> EnvironmentProblem | None:
        """What is wrong with a node, so that a check which has just failed proves nothing.

        None when it passed, and when all nodes are there. What is looked for on the student's own
        machine is there or not, whatever became of the nodes.
        """
        if finding is None or finding.passed or check.startswith("host."):
            return None
        return self._missing(time.monotonic())

    def _missing(self, since: float) -> EnvironmentProblem | None:
        with self._guard:
            # Once a node was lost, what fails later may come of that too.
            if self._found is None and self._called < since:
                self._called = time.monotonic()
                self._found = lost(self._world)
            return self._found


def lost(world: World) -> EnvironmentProblem | None:
    """What is wrong with a node of the lab that no student did; None when nothing is."""
    import requests
    from docker.errors import DockerException

    error: Exception | None = None
    try:
        for silent in over(world.nodes, lambda node: unanswered(world, node)).values():
            if silent is not None:
                raise silent
        why = _amiss(world)
    except (SwarmlabError, requests.RequestException, DockerException, OSError) as found:
        error = explained(found, world)
        why = error.message if isinstance(error, SwarmlabError) else str(error)
    if not why:
        return None
    told = EnvironmentProblem(
        say("{why} While that is so, nothing is judged as failed.", why=why),
        hint=say("`swarmlab status` shows how its node is, and `swarmlab up` mends the lab."),
    )
    told.__cause__ = error
    return told


def unanswered(world: World, node: str) -> Exception | None:
    """Why the node's engine does not answer; None when it does."""
    import requests
    from docker.errors import DockerException

    try:
        world.engine(node).ping()
    except (SwarmlabError, requests.RequestException, DockerException, OSError) as error:
        return error
    return None


def _amiss(world: World) -> str:
    """Which node the swarm has lost, although its engine answers; empty when none."""
    try:
        strays = from_swarm(world, _strays)
    except Unfit as found:
        # Nobody has left the swarm, and yet nobody speaks for it.
        alone = _members(world, world.nodes) == list(world.nodes)
        return say("The managers have no leader: {found}.", found=found) if alone else ""
    for node in _members(world, [node for node in world.nodes if node in strays]):
        return say("The swarm has lost {node} ({state}).", node=node, state=strays[node])
    return ""


def _strays(api: APIClient) -> dict[str, str]:
    """The nodes that a manager does not hear, and what it calls that."""
    found: dict[str, str] = {}
    heard = set()
    for node in api.nodes():
        name = str(node["Description"]["Hostname"])
        standing = str((node.get("ManagerStatus") or {}).get("Reachability", ""))
        unheard = [one for one in (str(node["Status"]["State"]), standing) if one in _UNHEARD]
        if unheard:
            found[name] = unheard[0]
        else:
            heard.add(name)
    # One that left and joined again stands there twice, once as down.
    return {name: state for name, state in found.items() if name not in heard}


def _members(world: World, nodes: Sequence[str]) -> list[str]:
    """Those of the nodes that nobody made leave the swarm, as they say themselves."""

    def state(node: str) -> str:
        told: dict[str, Any] = world.engine(node).api.info()
        return str(told["Swarm"]["LocalNodeState"])

    return [node for node, told in over(nodes, state).items() if told in _MEMBER]
