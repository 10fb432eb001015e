"""What a check is, and what it may look at.

A check is a plain function: it gets the `World` and its own typed keyword parameters, looks once,
and returns a `Finding`. It never waits (the runner polls it), never changes the cluster, and
never trusts what a command printed. When it cannot look (an engine is gone, say) it lets the
error out: the runner turns that into ERRORED, which is not the student's fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from docker import DockerClient

    from swarmlab.lookout import Lookout


@dataclass(frozen=True)
class Finding:
    """One look: what should be, what is, and how it was looked up.

    `source` is a command that a student can type to see the same, where there is one.
    """

    passed: bool
    expected: str
    actual: str
    source: str


class World(Protocol):
    """The live lab as checks see it: engines, addresses, ports. Nothing here changes it."""

    silent: set[str]
    """Nodes whose engines did not answer in time, as looks find out: others are asked first."""

    @property
    def name(self) -> str:
        """The lab's name (`default`)."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Node names in order: `swarm-1`, `swarm-2`, ..."""

    @property
    def managers(self) -> tuple[str, ...]:
        """The names of those nodes that the lab has as managers; the others are workers."""

    def address(self, node: str) -> str:
        """The node's address on the lab's network, as `docker-machine ip` prints it."""

    def endpoint(self, node: str, port: int) -> tuple[str, int]:
        """Host and port by which this machine reaches that TCP port of the node.

        The same as `(address(node), port)` on Linux, a port on 127.0.0.1 elsewhere. Raises
        EnvironmentProblem for a port that is not reachable from here.
        """

    def engine(self, node: str) -> DockerClient:
        """A client of the node's engine over TLS, kept open; raises EnvironmentProblem."""

    def image(self, name: str) -> str:
        """What the lab's nodes call the image of that name in its catalog (`util`)."""

    def host_engine(self) -> DockerClient:
        """A client of the lab's own engine; raises EngineUnreachable."""

    def lookout(self, node: str) -> Lookout:
        """From where the node is seen from inside; raises EnvironmentProblem."""

    def elsewhere(self) -> tuple[str, ...]:
        """The nodes that the lab has now elsewhere than on its own engine."""


Check = Callable[..., Finding]
"""A check: `def nodes(world: World, *, ready: int, ...) -> Finding`."""


class Observer(Protocol):
    """A check that watches while a command runs (`during`)."""

    def start(self) -> None:
        """Begin to watch, in a thread of its own; returns once the first look was made."""

    def finish(self) -> Finding:
        """Stop watching and say what was seen."""


ObserverFactory = Callable[..., Observer]
"""An observer: `Steady(world, *, path: str, ...)`."""
