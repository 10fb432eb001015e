"""What a provider of nodes is: something that makes machines with an engine each.

A provider knows nothing of swarms, labs' steps or workstations: it makes nodes, tells where
their engines answer, and takes them away again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Protocol

from swarmlab.errors import MachineUnknown
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

    `ports` maps a port of the node to host and port that lead to it, where the node's own address
    cannot be reached or another port is meant. `engine_port` is where its engine answers, over
    TLS; `api` is the version that it is spoken to in, empty: the usual one.
    """

    name: str
    address: str
    state: NodeState
    reach: Reach = Reach.DIRECT
    ports: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    detail: str = ""
    engine_port: int = ENGINE_PORT
    api: str = ""


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
    """Makes nodes for one lab, or is given them. Raises EnvironmentProblem when it cannot.

    The lab's network and its workstation are on the lab's own engine whoever provides the nodes.
    """

    instance: str
    """Of the lab, once `prepare` or `adopt` has been called; new each time a lab is made."""
    reach: Reach
    publish: str
    """An address other than 127.0.0.1 at which the nodes' ports are open; else empty."""
    subnet: IPv4Network | None
    """Of the lab's network, once `prepare` or `adopt` has been called."""
    borrowed: bool
    """Whether the nodes are machines that are given back as they were found."""
    overlays: tuple[str, ...]
    """The ranges for the swarm's overlay networks; none: Docker's own."""
    report: Callable[[str], None]
    """Told, in words, what is being done while nodes are made."""
    remember: Mapping[str, str]
    """Labels of others than the provider, which are to be found again with the lab, too."""
    check: Callable[[], None]
    """Raises when the work is called off; for what takes long to ask now and then."""

    @property
    def name(self) -> str:
        """The provider's name (`dind`)."""

    @property
    def contained(self) -> bool:
        """Whether its nodes are containers on the lab's own engine.

        Such nodes have their images from the start and addresses known before they are made. All
        others are brought the images, and what is to be seen inside them is seen through a
        container on their own engine.
        """

    @property
    def marks(self) -> Mapping[str, str]:
        """The labels by which the provider and its settings are found again with the lab."""

    def prepare(self, reach: str = "auto", publish: str = "") -> None:
        """Make what the lab has as a whole: its network. Raises UsageError for a way it lacks."""

    def adopt(self) -> None:
        """Take what the lab has as a whole from what is there."""

    def create(self, node: str) -> None:
        """Make the machine of a node, started or not."""

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        """Put `files` (absolute path to content, readable by root alone) in place and start.

        The files are what a node needs of the lab's own certificates; a provider that has
        certificates of its own (`certs`) needs none of them.
        """

    def stop(self, node: str) -> None:
        """Stop the machine, keeping its disk."""

    def pause(self, node: str) -> None:
        """Freeze the machine until `start`. Raises UsageError where that cannot be done."""

    def remove(self, node: str) -> tuple[str, ...]:
        """Take away all that the lab has there; content when there is nothing.

        What is then not as it was before the lab, in words; nothing where nothing was before it.
        """

    def left(self) -> tuple[str, ...]:
        """The nodes elsewhere than on the lab's engine of which `remove` would take something.

        In order of their numbers; always none for a provider whose nodes are containers.
        """

    def unknown(self) -> Mapping[str, MachineUnknown]:
        """The nodes elsewhere of which it cannot be told what became of them, each with why."""

    def info(self) -> Info:
        """What there is now, in one look."""

    def address(self, node: str) -> str:
        """The node's address; known after `create` at the latest."""

    def place(self, node: str) -> Node:
        """The node, taken to be running, as its engine is to be reached."""

    def certs(self, node: str) -> Path | None:
        """The folder with ca.pem, cert.pem and key.pem for a client of the node's engine.

        None: the engine has the lab's own certificates.
        """

    def last_words(self, node: str) -> str | None:
        """What the machine said last if it has ended by itself; None while it runs."""

    def check_kernel(self, node: str) -> None:
        """Look whether the started node's kernel can carry a lab, as far as can be told so early.

        Raises EnvironmentProblem when it cannot.
        """
