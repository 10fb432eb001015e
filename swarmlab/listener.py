"""Who is told what the runner does, while it does it."""

from __future__ import annotations

from typing import Protocol

from swarmlab.model import CheckSpec, Command, Step
from swarmlab.results import CheckResult, CommandResult, StepResult


class Listener(Protocol):
    """Told everything in order, always from the thread that called the runner."""

    def note(self, text: str) -> None:
        """A line that the student should know: what is brought along, reset or left out."""

    def reset_started(self, step: Step) -> None:
        """The step's reset begins; its commands are not told one by one."""

    def reset_ended(self, step: Step, seconds: float) -> None:
        """The step's reset is over and worked."""

    def step_started(self, step: Step) -> None:
        """A step begins to run."""

    def command_started(self, command: Command) -> None:
        """A command is being typed."""

    def output(self, text: str) -> None:
        """A piece of the running command's output, secrets removed; mostly whole lines."""

    def command_ended(self, result: CommandResult) -> None:
        """The command is over, or was not run (skipped, without `command_started`)."""

    def check_waiting(self, spec: CheckSpec, seen: str) -> None:
        """A check does not pass yet; `seen` is what was last seen."""

    def check_ended(self, result: CheckResult) -> None:
        """A check has its verdict."""

    def step_ended(self, result: StepResult) -> None:
        """The step is over."""

    def step_verified(self, result: StepResult) -> None:
        """A step was looked at without running it; no other event came for it."""


class SilentListener:
    """Hears everything and says nothing; also a base for those who want a few events only."""

    def note(self, text: str) -> None:
        return None

    def reset_started(self, step: Step) -> None:
        return None

    def reset_ended(self, step: Step, seconds: float) -> None:
        return None

    def step_started(self, step: Step) -> None:
        return None

    def command_started(self, command: Command) -> None:
        return None

    def output(self, text: str) -> None:
        return None

    def command_ended(self, result: CommandResult) -> None:
        return None

    def check_waiting(self, spec: CheckSpec, seen: str) -> None:
        return None

    def check_ended(self, result: CheckResult) -> None:
        return None

    def step_ended(self, result: StepResult) -> None:
        return None

    def step_verified(self, result: StepResult) -> None:
        return None
