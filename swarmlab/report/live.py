"""What a student sees while steps run: text, commands with their output, checks, as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from swarmlab.console import err, out
from swarmlab.listener import SilentListener
from swarmlab.model import CheckSpec, Command, Step
from swarmlab.naming import named
from swarmlab.report import pieces, text
from swarmlab.results import CheckResult, CommandResult, StepResult, Verdict
from swarmlab.words import say

# `run` shows so many lines of a command's output; `step` and the JSON result have all of it.
BRIEF_LINES = 12
# Without a terminal, a check that waits is mentioned no more often than this, in seconds.
PLAIN_SECONDS = 2.0


class QuietListener(SilentListener):
    """One line a step on standard error: for `--json`, whose result has the rest."""

    def note(self, text: str) -> None:
        err().print(f"· {escape(named(text))}", soft_wrap=True)

    def reset_started(self, step: Step) -> None:
        self.note(say("Resetting step {number}: {title}", number=step.number, title=step.title))

    def step_started(self, step: Step) -> None:
        self.note(say("Step {number}: {title}", number=step.number, title=step.title))

    def step_ended(self, result: StepResult) -> None:
        pieces.step_end(err(), result)


class LiveListener(SilentListener):
    """Everything, as it happens, on standard output.

    `full` names the step whose whole text is shown (by number); the others, and all when it is
    None, show their commands and checks with the outputs cut short.
    """

    def __init__(self, full: int | None = None, console: Console | None = None) -> None:
        self._console = console or out()
        self._full_step = full
        self._full = False
        self._step: Step | None = None
        self._parts: Iterator[text.Part] = iter(())
        self._own: frozenset[str] = frozenset()
        self._lines = 0
        self._status: Status | None = None
        self._told: dict[str, float] = {}

    def note(self, text: str) -> None:
        self._quiet()
        pieces.show(self._console, Text(f"· {named(text)}", style="dim"))

    def reset_started(self, step: Step) -> None:
        words = say("Resetting step {number}: {title}", number=step.number, title=step.title)
        if self._console.is_terminal:
            self._spin(words)
        else:
            self.note(f"{words} ...")

    def reset_ended(self, step: Step, seconds: float) -> None:
        self._quiet()
        took = pieces.seconds(seconds)
        self.note(say("Step {number} is reset ({seconds})", number=step.number, seconds=took))

    def step_started(self, step: Step) -> None:
        self._quiet()
        self._step = step
        self._full = step.number == self._full_step
        self._own = frozenset(check.id for check in step.checks)
        self._parts = text.parts(step) if self._full else iter(())
        pieces.show(self._console, Text(""))
        text.heading(self._console, step)

    def command_started(self, command: Command) -> None:
        self._quiet()
        self._prose_until(command)
        pieces.show(self._console, Text(""))
        pieces.typed(self._console, command)
        self._lines = 0
        self._spin(say("running: {command}", command=pieces.first_line(command.run)))

    def output(self, text: str) -> None:
        lines = text.splitlines()
        room = len(lines) if self._full else max(0, BRIEF_LINES - self._lines)
        self._lines += len(lines)
        if lines[:room]:
            pieces.output(self._console, "\n".join(lines[:room]))

    def command_ended(self, result: CommandResult) -> None:
        self._quiet()
        hidden = 0 if self._full else self._lines - BRIEF_LINES
        if hidden > 0:
            number = self._step.number if self._step else ""
            more = say(
                "... ({count} lines more; `swarmlab step {number}` shows all)",
                count=hidden,
                number=number,
            )
            pieces.show(self._console, Text(f"  {named(more)}", style="dim"))
        self._lines = 0
        if result.verdict is not Verdict.PASSED:
            # The rest of the text tells what would be seen had the command worked.
            self._parts = iter(())
        pieces.command_end(self._console, result)

    def check_waiting(self, spec: CheckSpec, seen: str) -> None:
        saw = " ".join(seen.split())
        words = say("waiting: {title} (seen: {seen})", title=spec.title, seen=saw)
        if self._console.is_terminal:
            self._spin(words)
            return
        now = time.monotonic()
        if now - self._told.setdefault(spec.id, now) >= PLAIN_SECONDS:
            self._told[spec.id] = now
            pieces.show(self._console, Text(f"  {words}", style="dim"))

    def check_ended(self, result: CheckResult) -> None:
        self._quiet()
        self._told.pop(result.id, None)
        if result.id in self._own:
            self._prose_until(None)
        elif result.verdict is not Verdict.PASSED:
            self._parts = iter(())
        pieces.check_line(self._console, result)
        if self._full:
            pieces.seen(self._console, result)

    def step_ended(self, result: StepResult) -> None:
        self._quiet()
        self._prose_until(None)
        pieces.step_end(self._console, result)

    def _prose_until(self, command: Command | None) -> None:
        """Show the text up to the place of `command`; to its end without one."""
        for part in self._parts:
            if isinstance(part, Command):
                if part is command:
                    return
                continue
            pieces.show(self._console, Text(""))
            text.passage(self._console, part)
        if command is None:
            self._parts = iter(())

    def _spin(self, words: str) -> None:
        if not self._console.is_terminal:
            return
        width = max(20, self._console.width - 4)
        line = Text(words)
        line.truncate(width, overflow="ellipsis")
        shown = escape(line.plain)
        if self._status is None:
            self._status = self._console.status(shown)
            self._status.start()
        else:
            self._status.update(shown)

    def _quiet(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
