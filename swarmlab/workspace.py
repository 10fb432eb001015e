"""What the runner needs of a live lab: a world to look at and a shell to type in.

`swarmlab.cluster` has the real one; tests have their own. Nothing here knows a provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from swarmlab.checks.base import World
    from swarmlab.model import Command
    from swarmlab.progress import Progress
    from swarmlab.results import CommandResult


@dataclass(frozen=True)
class Outcome:
    """How a typed command ended.

    `output` is what it printed on both streams in order, secrets removed; `exit_code` is None
    when the command was ended at its time limit; `seconds` is its duration.
    """

    output: str
    exit_code: int | None
    seconds: float


class Shell(Protocol):
    """A shell in the workstation that lives through all commands of a step."""

    def run(
        self, command: str, on_output: Callable[[str], None] | None = None, timeout: float = 120.0
    ) -> Outcome:
        """Type one command and wait for its end, at most `timeout` seconds.

        `on_output` gets the output piece by piece as it comes. Raises EnvironmentProblem when
        the workstation cannot be reached or goes away meanwhile.
        """

    def close(self) -> None:
        """End the shell and all that runs in it; may be called twice."""


class Workspace(Protocol):
    """A lab as the runner uses it."""

    @property
    def name(self) -> str:
        """The lab's name (`default`)."""

    @property
    def cluster_id(self) -> str:
        """The swarm's cluster id; empty when the lab is not up."""

    @property
    def data_plane(self) -> str:
        """`ipvs` or `nftables`; empty when the lab is not up."""

    @property
    def told(self) -> Progress:
        """Where work that takes long is shown."""

    @property
    def settling(self) -> bool:
        """Whether `world` had to start some of the lab, so that it may need a moment yet."""

    def present(self) -> bool:
        """Whether the lab is up now. Asks the engine; changes nothing."""

    def world(self) -> World:
        """The live lab, brought up first when it is missing."""

    def awake(self) -> None:
        """Raises EnvironmentProblem unless all nodes answer: what is typed for one would hang."""

    def session(self) -> Shell:
        """The shell in the workstation, opened on first use."""

    def host(self, command: Command) -> CommandResult:
        """Run a command of the student's own machine; only swarmlab's own are known."""
