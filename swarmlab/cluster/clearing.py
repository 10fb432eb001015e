"""All of a lab taken away: what there is of it anywhere, and its files on this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from swarmlab import state
from swarmlab.cluster import history
from swarmlab.cluster import remains as remaining
from swarmlab.cluster.remains import Remains
from swarmlab.engine import Engine
from swarmlab.errors import SwarmlabError
from swarmlab.progress import Progress
from swarmlab.providers import registry
from swarmlab.providers.registry import Choice
from swarmlab.words import say


@dataclass(frozen=True)
class Removed:
    """What `down` took away; names as Docker shows them. `files`: something on this machine.

    `machines` are nodes that were no containers beside the others.
    """

    name: str
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    files: bool = False
    seconds: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to remove."""
        docker = self.containers or self.volumes or self.networks
        return not (docker or self.machines or self.files)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "containers": list(self.containers),
            "volumes": list(self.volumes),
            "networks": list(self.networks),
            "machines": list(self.machines),
            "files": self.files,
            "seconds": round(self.seconds, 3),
        }


def settled(name: str, engine: Engine, told: Progress) -> Remains:
    """What there is of the lab once nobody is making anything of it any more, for whoever holds
    its lock. Raises EnvironmentProblem."""
    there = remaining.look(engine, name)
    left = registry.forsaken(there.choice, engine, name, told.note)
    for words in left.values():
        for line in words:
            told.note(line)
    return remaining.look(engine, name) if left else there


def clear(
    name: str,
    engine: Engine,
    told: Progress,
    title: str,
    choice: Choice | None = None,
    *,
    lost: bool = False,
) -> tuple[bool, tuple[str, ...]]:
    """Remove all of the lab; whether there were files of it on this machine, and what is not as
    it was before the lab on machines that are not swarmlab's."""
    there = remaining.look(engine, name, choice)
    changed: tuple[str, ...] = ()
    if not there.nothing:
        history.keep(engine.client, name, told)
        with told.stage(title) as stage:
            changed = remaining.clear(engine, name, there, stage.say, lost=lost)
    return _forget(name), changed


def take_back(name: str, engine: Engine, told: Progress) -> None:
    """Remove what was begun. What hinders that must not hide why it had to be."""
    try:
        changes = clear(name, engine, told, say("Removing what was begun"))[1]
    except SwarmlabError as error:
        lines = str(error).splitlines()
        changes = tuple(say("Not taken back: {line}", line=line) for line in lines)
    for change in changes:
        told.note(change)


def _forget(name: str) -> bool:
    """Remove the lab's files from this machine; whether there were any."""
    folder = state.lab_folder(name)
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return there
