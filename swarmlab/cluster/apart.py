"""Nodes that are machines apart: what may stand between them, and between them and us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from swarmlab.errors import EnvironmentProblem
from swarmlab.providers.base import Provider
from swarmlab.words import say

SWARM = (("TCP", 2377), ("TCP", 7946), ("UDP", 4789), ("UDP", 7946))
"""What the engines of one swarm need of one another."""
_PAGES = {"hosts": "`Machines of your own`", "docker-machine": "`Nodes made by docker-machine`"}


@contextmanager
def ways(
    provider: Provider,
    to: str,
    ports: Sequence[tuple[str, int]],
    only: type[EnvironmentProblem] = EnvironmentProblem,
) -> Iterator[None]:
    """For what goes from machine to machine: a failure also names the ports that it takes.

    Between containers of one engine there is no firewall to think of. `to` is the address that is
    to be reached at `ports`; `only` failures of that kind are meant. Raises what is raised within.
    """
    try:
        yield
    except only as problem:
        if not provider.contained:
            advice = say(
                "Is a firewall in between? It must let {ports} through to {address}; the page "
                "{page} of the documents lists all ports.",
                ports=say(", ").join(f"{kind} {port}" for kind, port in ports),
                address=to,
                page=_PAGES.get(provider.name, provider.name),
            )
            problem.hint = " ".join(filter(None, (advice, problem.hint)))
        raise
