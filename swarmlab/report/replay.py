"""A recorded step, shown as if it ran and clearly marked: for a laptop that cannot run the lab."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from swarmlab.console import out
from swarmlab.errors import UsageError
from swarmlab.model import Command, Lab, Step
from swarmlab.recording import RecordedStep, Recording
from swarmlab.report import pieces
from swarmlab.report.live import LiveListener
from swarmlab.results import CheckResult, CommandResult, RunResult, StepResult, Verdict
from swarmlab.words import language, say

KIND = "swarmlab-replay"


class ReplayListener(LiveListener):
    """As while a step runs, with a mark before everything that was printed elsewhere."""

    def __init__(self, step: Step, recording: Recording, console: Console | None = None) -> None:
        super().__init__(step.number, console or out())
        self._recording = recording

    def mark(self) -> None:
        """Say that nothing is run, and when it was."""
        words = say(
            "RECORDED on {date}: nothing is run here, and no lab is looked at.",
            date=self._recording.recorded[:10],
        )
        pieces.show(self._console, Text(words, style="bold reverse"))

    def output(self, text: str) -> None:
        words = say("recorded")
        for line in text.splitlines():
            row = Text(f"  {words} | ", style="dim") + Text(line)
            pieces.show(self._console, row, wrap=False)


def result(lab: Lab, step: Step, recording: Recording) -> RunResult:
    """What the recording says of one step. Raises UsageError when it does not know it."""
    recorded = recording.step(step)
    found = recorded and [recorded.command(command) for command in step.commands]
    if recorded is None or not found or any(one is None for one in found):
        raise UsageError(
            say("Step {number} is not recorded as it is now.", number=step.number),
            hint=say("`swarmlab record` runs the lab and records it."),
        )
    one = StepResult(
        step.number,
        step.id,
        step.title,
        tuple(_command(command, recorded) for command in step.commands),
        _checks(step, recorded),
        recorded.seconds,
    )
    return RunResult(
        lab=lab.id,
        lab_version=recording.lab_version,
        name="",
        command="replay",
        cluster="",
        data_plane=recording.data_plane,
        started=recording.recorded,
        seconds=recorded.seconds,
        steps=(one,),
    )


def to_dict(lab: Lab, step: Step, recording: Recording) -> dict[str, Any]:
    """The recorded step as data; its kind keeps it from being taken for a student's result."""
    return {**result(lab, step, recording).to_dict(), "kind": KIND, "recorded": True}


def show(lab: Lab, step: Step, recording: Recording, console: Console | None = None) -> None:
    """Show the recorded step with its text. Raises UsageError when it is not recorded."""
    whole = result(lab, step, recording)
    found = whole.steps[0]
    checks = {check.id: check for check in found.checks}
    listener = ReplayListener(step, recording, console)
    listener.mark()
    listener.step_started(step)
    for command, seen in zip(step.commands, found.commands, strict=True):
        listener.command_started(command)
        listener.output(seen.output)
        listener.command_ended(seen)
        for spec in (*command.checks, *command.during):
            if spec.id in checks:
                listener.check_ended(checks[spec.id])
    for spec in step.checks:
        if spec.id in checks:
            listener.check_ended(checks[spec.id])
    listener.step_ended(found)
    listener.mark()


def _command(command: Command, recorded: RecordedStep) -> CommandResult:
    seen = recorded.command(command)
    if seen is None:
        raise ValueError(f"the command {command.id!r} is not in the recording")
    return CommandResult(
        command.id,
        command.run,
        command.where.value,
        Verdict.PASSED,
        seen.exit_code,
        seen.output,
        seen.seconds,
    )


def _checks(step: Step, recorded: RecordedStep) -> tuple[CheckResult, ...]:
    specs = [c for command in step.commands for c in (*command.checks, *command.during)]
    specs += step.checks
    seen = {check.id: check for check in recorded.checks}
    return tuple(
        CheckResult(
            id=spec.id,
            title=spec.title,
            check=spec.check,
            verdict=Verdict(seen[spec.id].verdict),
            actual=seen[spec.id].seen(language()),
            waited=seen[spec.id].waited,
        )
        for spec in specs
        if spec.id in seen
    )
