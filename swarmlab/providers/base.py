"""What a provider of nodes is: something that makes machines with an engine each.

A provider knows nothing of swarms, labs' steps or workstations: it makes nodes, tells where
their engines answer, and takes them away again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from swarmlab.size import UNKNOWN, Size

ENGINE_PORT = 2376
"""Where each node's engine answers, over TLS only."""

LAB_PORTS = (ENGINE_PORT, 8500, 80, 443, 8080)
"""The TCP ports of a node that a lab looks at: engine, Consul, proxy, its controller."""


class NodeState(Enum):
    """What became of a node's machine. STOPPED can be started; MISSING is not there at all."""

    RUNNING = "running"
    STOPPED = "stopped"
    MISSING = "missing"


class Reach(Enum):
    """How this machine reaches the nodes: by their addresses, or by ports on 127.0.0.1.

    PUBLISHED ports are the engine's and stay; those of RELAY are this process's own and lead
    through the engine's API.
    """

    DIRECT = "direct"
    PUBLISHED = "published"
    RELAY = "relay"

    @classmethod
    def told(cls, label: str) -> Reach:
        """What a node's label says; a word of another swarmlab's is taken for `direct`.

        Such a lab may not be reached from here, but it can be seen, listed and removed.
        """
        return cls(label) if label in {one.value for one in cls} else cls.DIRECT


@dataclass(frozen=True)
class Node:
    """One node as the provider sees it; `detail` is its state in the provider's own words.

    `ports` maps a port of the node to host and port on this machine, where the node's own
    address cannot be reached.
    """

    name: str
    address: str
    state: NodeState
    reach: Reach = Reach.DIRECT
    ports: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True)
class Info:
    """What there is of a lab: its nodes in order, the instance that they belong to.

    `instance` changes each time the lab is made anew; it is empty when there are no nodes.
    `size` is what the lab was made with.
    """

    nodes: tuple[Node, ...]
    instance: str = ""
    size: Size = UNKNOWN

    @property
    def expected(self) -> int:
        """How many nodes the lab was made with."""
        return self.size.count

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)

    def node(self, name: str) -> Node | None:
        """The node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)


class Provider(Protocol):
    """Makes nodes for one lab. Every method raises EnvironmentProblem when it cannot."""

    @property
    def name(self) -> str:
        """The provider's name (`dind`)."""

    def create(self, node: str) -> None:
        """Make the machine of a node, not started."""

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        """Put `files` (absolute path to content, readable by root alone) in place and start."""

    def stop(self, node: str) -> None:
        """Stop the machine, keeping its disk."""

    def remove(self, node: str) -> None:
        """Take the machine and its disk away; content when it is not there."""

    def info(self) -> Info:
        """What there is now, in one look."""

    def last_words(self, node: str) -> str | None:
        """What the machine said last if it has ended by itself; None while it runs."""
