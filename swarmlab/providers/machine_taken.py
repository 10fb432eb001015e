"""Machines that docker-machine takes over and does not make: they were there before, and stay.

`docker-machine rm` forgets such a one and leaves it as it is, in the lab's swarm and with all that
runs there. So the lab is taken off its engine first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, SwarmlabError
from swarmlab.providers import machine_store as stores
from swarmlab.providers.hosts import belonging, cleaning
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.pictures import Pictures
from swarmlab.providers.hosts.snapshot import membership, take
from swarmlab.providers.machine_api import reached
from swarmlab.providers.machine_env import Way
from swarmlab.providers.problems import explained
from swarmlab.words import say

DRIVERS = ("generic",)
"""The drivers that take machines over."""


def vacant(node: str, way: Way) -> None:
    """Raises EnvironmentProblem for an engine that is in a swarm: it cannot join the lab's."""
    engine = reached(way)
    try:
        with explained(say("looking for the swarm of {node}", node=node)):
            if not membership(engine.client.api.info()):
                return
    finally:
        engine.client.close()
    raise EnvironmentProblem(
        say("The machine of {node} ({place}) is in a swarm already.", node=node, place=way.address),
        hint=say(
            "If nobody needs that swarm, there: `docker swarm leave --force`. Then run the command"
            " again."
        ),
    )


def clear(
    found: stores.Machine,
    store: Path,
    tell: Callable[[str], None],
    turn: AbstractContextManager[Any],
) -> tuple[str, ...]:
    """Take the lab that it was made for off the machine; what stays there of it, in words.

    A machine that was never whole has nothing. `turn` is held while it leaves the swarm.
    """
    folder = stores.folder(store, found.name)
    if not (folder / "server.pem").exists():
        return ()
    try:
        left = _cleaned(reached(Way(found.address, found.port, folder)), found, tell, turn)
    except SwarmlabError as error:
        return (_stays(found, error.message),)
    return (_stays(found, "; ".join(left)),) if left else ()


def _cleaned(
    engine: Engine,
    found: stores.Machine,
    tell: Callable[[str], None],
    turn: AbstractContextManager[Any],
) -> list[str]:
    api: Any = engine.client.api
    whose, pictures = Whose(found.lab), Pictures()
    try:
        with explained(say("looking for the lab on {node}", node=found.name)):
            if not cleaning.holds(api, whose):
                return []
            # It was in none when it was taken over, so the swarm that it is in is the lab's.
            addresses = belonging.managers(api.info()["Swarm"])
            now = take(engine, found.lab)
            before = cleaning.nothing_of_ours(now, api, foreign=False, pictures=pictures)
        return cleaning.clean(engine, whose, before, tell, turn, addresses, pictures)
    finally:
        engine.client.close()


def _stays(found: stores.Machine, why: str) -> str:
    return say(
        "{node} was there before the lab and stays ({place}), and the lab is still on it: {why}"
        " There, `docker swarm leave --force` ends its services, and `docker ps -aq --filter"
        " label={label}` lists what else runs.",
        node=found.name,
        place=found.address,
        why=why,
        label=f"{labels.LAB}={found.lab}",
    )
