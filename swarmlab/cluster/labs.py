"""All labs of an engine, told apart by their label: no file says what there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from swarmlab import labels
from swarmlab.cluster import remains
from swarmlab.cluster.remains import Remains
from swarmlab.engine import Engine
from swarmlab.errors import SwarmlabError
from swarmlab.providers import registry, subnets
from swarmlab.providers.base import NodeState
from swarmlab.providers.problems import explained
from swarmlab.words import say

LIST_VERSION = 1


@dataclass(frozen=True)
class Lab:
    """One lab as the engine lists it. `made` is a UTC time, empty when nothing of it tells.

    `problem` says in words why its nodes elsewhere cannot be told of.
    """

    name: str
    there: Remains
    subnet: str = ""
    made: str = ""
    problem: str = ""

    @property
    def running(self) -> int:
        """How many of its nodes run."""
        return sum(node.state is NodeState.RUNNING for node in self.there.info.nodes)

    @property
    def state(self) -> str:
        """`up`, `stopped` (all its containers are), `broken` (some are, or are missing)."""
        if self.there.complete:
            return "up"
        stopped = self.there.workstation is not NodeState.RUNNING and not self.running
        whole = len(self.there.info.nodes) == self.there.info.expected > 0
        return "stopped" if stopped and whole else "broken"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "running": self.running,
            "nodes": self.there.info.expected,
            "managers": self.there.info.size.managers,
            "workers": self.there.info.size.workers,
            "subnet": self.subnet,
            "made": self.made,
            "containers": len(self.there.containers),
            "volumes": len(self.there.volumes),
            "networks": len(self.there.networks),
            "problem": self.problem,
        }


def everything(engine: Engine) -> list[Lab]:
    """All labs, by name. Raises EnvironmentProblem when the engine fails."""
    api = engine.client.api
    of = {"label": [labels.LAB]}
    with explained(say("looking for labs")):
        containers = api.containers(all=True, filters=of)
        volumes = api.volumes(filters=of).get("Volumes") or []
        networks = api.networks(filters=of)
    found = read(containers, volumes, networks, registry.strays())
    return [_elsewhere(engine, lab) for lab in found]


def _elsewhere(engine: Engine, lab: Lab) -> Lab:
    """The lab with its nodes elsewhere. A provider that fails, or that only another swarmlab
    knows, hides no other lab: of its own there is what the engine tells, and why no more."""
    try:
        there = remains.elsewhere(engine, lab.name, lab.there)
    except SwarmlabError as error:
        return replace(lab, problem=error.message)
    lost = next(iter(there.unknown.values()), None)
    return replace(lab, there=there, problem=lost.message if lost else "")


def read(
    containers: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
    networks: list[dict[str, Any]],
    also: Iterable[str] = (),
) -> list[Lab]:
    """The same from what the engine listed; `also` are labs that it may not know."""
    found = {_lab(one) for one in (*containers, *volumes, *networks)} - {""} | set(also)
    labs = []
    for name in sorted(found):
        boxes, nets = _of(containers, name), _of(networks, name)
        made = min((int(one["Created"]) for one in boxes if one.get("Created")), default=0)
        labs.append(
            Lab(
                name,
                remains.read(boxes, _of(volumes, name), nets),
                next((str(net) for net in subnets.of_engine(nets)), ""),
                datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if made else "",
            )
        )
    return labs


def _lab(one: dict[str, Any]) -> str:
    return str((one.get("Labels") or {}).get(labels.LAB) or "")


def _of(listed: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [one for one in listed if _lab(one) == name]
