"""A lab at one moment, as values: what a look brought, and what is drawn of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from string import ascii_uppercase

from swarmlab.size import Quorum
from swarmlab.watching.counting import Answered

MANAGING = ("leader", "manager", "manager-lost")
"""The roles of nodes that have a vote."""
PROXY = "proxy"
"""The service whose instances hold a configuration to compare."""


@dataclass(frozen=True)
class Task:
    """A task on a node. For a proxy: the hash and routes of its configuration, None: unread.

    `answered` is what a proxy has answered so far, None where its counters cannot be read.
    """

    name: str
    service: str
    running: bool = True
    configuration: str | None = None
    routes: tuple[str, ...] = ()
    container: str = ""
    answered: tuple[Answered, ...] | None = None


@dataclass(frozen=True)
class Consul:
    """The Consul of a node: `server` or `agent`; alive as the members see it, or silent itself."""

    role: str
    alive: bool = True
    answers: bool = True


@dataclass(frozen=True)
class Node:
    """A node: `role` is leader, manager, manager-lost, worker, stranger (not in the swarm), or
    untold where no manager can tell.
    """

    name: str
    address: str
    answers: bool
    role: str = "stranger"
    state: str = ""
    availability: str = ""
    consul: Consul | None = None
    tasks: tuple[Task, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topology:
    """The lab at one moment. `swarm` is False when no manager could speak for the swarm.

    `managers` are the nodes that were made to be managers, told where the swarm cannot tell.
    """

    name: str
    seen: str
    swarm: bool
    nodes: tuple[Node, ...]
    services: tuple[tuple[str, int, int], ...] = ()  # name, tasks that run, tasks wanted
    published: tuple[tuple[str, tuple[int, ...]], ...] = ()  # name, ports on every node
    managers: tuple[str, ...] = ()

    def quorum(self) -> Quorum:
        """How many managers there are and can be reached now."""
        if not self.swarm:
            left = [node for node in self.nodes if node.name in self.managers and node.answers]
            return Quorum(len(self.managers), len(left))
        managers = [node for node in self.nodes if node.role in MANAGING]
        well = [node for node in managers if node.answers and node.role != "manager-lost"]
        return Quorum(len(managers), len(well))

    def proxies(self) -> tuple[Task, ...]:
        """The proxy's running instances."""
        found = (task for node in self.nodes for task in node.tasks)
        return tuple(task for task in found if task.service == PROXY and task.running)

    def hashes(self) -> tuple[str, ...]:
        """The different configurations, in the order of the instances' names."""
        ordered = sorted(self.proxies(), key=lambda task: task.name)
        return tuple(dict.fromkeys(task.configuration for task in ordered if task.configuration))

    def letters(self) -> dict[str, str]:
        """A letter for each of the hashes, two letters from the 27th on."""
        pairs = ("".join(pair) for pair in product(ascii_uppercase, repeat=2))
        return dict(zip(self.hashes(), chain(ascii_uppercase, pairs), strict=False))
