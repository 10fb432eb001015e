"""Whose the lab and the swarm are that are on a machine: this lab's, or somebody else's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError

from swarmlab import labels
from swarmlab.providers.hosts.snapshot import membership
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.words import say

_ON_MACHINE = (labels.ROLE_GATE, labels.ROLE_LOOKOUT)


@dataclass(frozen=True)
class Whose:
    """One lab: its name, and which of all that have had it, on whatever computer.

    An empty `instance` is not known: each of that name is then taken for it.
    """

    lab: str
    instance: str = ""

    @property
    def marks(self) -> dict[str, str]:
        """The labels by which what it has on a machine is known for its own."""
        return {labels.LAB: self.lab, labels.INSTANCE: self.instance}

    def has(self, container: Mapping[str, Any]) -> bool:
        """Whether it is one of the containers by which this lab makes a machine a node."""
        return _role(container) in _ON_MACHINE and self._named(container)

    def opened(self, container: Mapping[str, Any]) -> bool:
        """Whether somebody in this lab's workstation has opened it as a shell on the machine.

        Those of older workstations do not say in which lab; a machine is in one only.
        """
        told = container.get("Labels") or {}
        return _role(container) == labels.ROLE_SHELL and (
            labels.LAB not in told or self._named(container)
        )

    def others(self, containers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """The names of other labs that have, or are just making, a node of the machine."""
        return on_machine(one for one in containers if not self.has(one))

    def _named(self, container: Mapping[str, Any]) -> bool:
        told = container.get("Labels") or {}
        instances = {self.instance, str(told.get(labels.INSTANCE, ""))} - {""}
        return told.get(labels.LAB) == self.lab and len(instances) < 2


def on_machine(containers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of all labs that have, or are just making, a node of the machine."""
    found = {
        str((one.get("Labels") or {}).get(labels.LAB, ""))
        for one in containers
        if _role(one) in _ON_MACHINE
    }
    return tuple(sorted(found - {""}))


def occupied(node: str, lab: str) -> Trouble:
    """What is said of a machine that is a node of another lab, if only by its instance."""
    return Trouble(
        node,
        say(
            "it is a node of another lab, or just becomes one: {lab}, of another computer, or "
            "lost by this one",
            lab=lab,
        ),
        say(
            "Type `swarmlab down --name {lab}` where that lab was made, or wait until it is gone. "
            "If nobody needs it: `swarmlab down --name {lab} --hosts FILE` takes it off here.",
            lab=lab,
        ),
    )


def of_others(api: Any, info: Mapping[str, Any], addresses: Collection[str]) -> bool:
    """Whether the engine is in a swarm that is not of the lab on the machines at `addresses`.

    The lab's swarm has no managers but the lab's machines, and is never locked. One of a single
    machine may be a lab that was only begun: somebody else's has services. Raises what docker-py
    raises.
    """
    if not membership(info):
        return False
    swarm = info["Swarm"]
    there = managers(swarm)
    if swarm.get("LocalNodeState") == "locked" or there - set(addresses):
        return True
    if len(addresses) < 2 or there != {str(swarm.get("NodeAddr"))}:
        return False
    try:
        return bool(api.services())
    except APIError:
        return False  # no quorum: it is not alone, as a single manager would be


def managers(swarm: Mapping[str, Any]) -> set[str]:
    """The addresses of the managers that the engine knows of, itself included if it is one."""
    told = swarm.get("RemoteManagers") or ()
    return {str(one.get("Addr", "")).rpartition(":")[0] for one in told}


def _role(container: Mapping[str, Any]) -> str:
    return str((container.get("Labels") or {}).get(labels.ROLE, ""))
