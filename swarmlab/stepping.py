"""Runs one step: types its commands, looks at its checks, and says what was found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from swarmlab import notes
from swarmlab.checks.base import World
from swarmlab.errors import SwarmlabError
from swarmlab.inspection import Inspector, Watch, cause, claims, skipped
from swarmlab.listener import Listener
from swarmlab.model import CheckSpec, Command, Lab, Step, Where
from swarmlab.results import CheckResult, CommandResult, StepResult, Timing, Verdict
from swarmlab.student import StudentProgress
from swarmlab.wait import PATIENCE, patient
from swarmlab.words import say
from swarmlab.workspace import Workspace


class Clock:
    """Adds up what a run's time is spent on; the parts never overlap."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._spent = {"lab": 0.0, "commands": 0.0, "waiting": 0.0, "checks": 0.0}

    @contextmanager
    def _on(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self._spent[what] += time.monotonic() - start

    def lab(self) -> AbstractContextManager[None]:
        return self._on("lab")

    def commands(self) -> AbstractContextManager[None]:
        return self._on("commands")

    def checks(self) -> AbstractContextManager[None]:
        return self._on("checks")

    def waited(self, results: Iterable[CheckResult]) -> None:
        """Of the last time for checks, that until the slowest of these saw what it waited for.

        The last look of a check that passed would have been needed anyway.
        """
        waiting = max((max(0.0, r.waited - r.seconds) for r in results), default=0.0)
        self._spent["waiting"] += waiting
        self._spent["checks"] -= waiting

    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def timing(self, total: float) -> Timing:
        """The shares of `total` seconds."""
        return Timing(own=max(0.0, total - sum(self._spent.values())), **self._spent)


def survey(
    world: World,
    lab: Lab,
    steps: Sequence[Step],
    inspector: Inspector,
    progress: StudentProgress,
    *,
    once: bool,
) -> list[StepResult]:
    """Look at what those steps of the lab claim, all side by side, and type nothing.

    Not at claims that a later step has ended, by the student's record. `once` looks a single time;
    else each check has the time that it has after a command.
    """

    def over(spec: CheckSpec) -> str:
        return notes.over(lab, spec, progress.touched)

    asked = [claim for step in steps for claim in claims(step.number, step.checks, over)]
    ended = {claim.key: claim.spec.until or "" for claim in asked if claim.skip}
    found = {
        key: replace(result, ended_by=ended.get(key, ""))
        for key, result in inspector.inspect(world, asked, once=once).items()
    }
    results = []
    for step in steps:
        checks = tuple(found[(step.number, spec.id)] for spec in step.checks)
        # All steps are looked at together; one step's time is that of its slowest look.
        slowest = max((check.seconds for check in checks), default=0.0)
        recorded = step.id in progress.done
        results.append(StepResult(step.number, step.id, step.title, (), checks, slowest, recorded))
    return results


class Stepper:
    """Types commands in `workspace` and tells `listener`."""

    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        self._workspace = workspace
        self._listener = listener

    def run(self, world: World, step: Step, inspector: Inspector, clock: Clock) -> StepResult:
        """Run the step's commands, then look at its checks.

        After a command that failed, or whose own checks did not pass, the rest is not typed;
        the step's checks are then looked at once, so that the student sees where things stand.
        """
        begun = time.monotonic()
        self._listener.step_started(step)
        commands: list[CommandResult] = []
        checks: list[CheckResult] = []
        stopped = ""
        for command in step.commands:
            if stopped:
                commands.append(self._left_out(command, stopped))
                checks += self._unseen(command, stopped)
                continue
            result, seen = self._command(world, step, command, inspector, clock)
            commands.append(result)
            checks += seen
            if result.verdict is not Verdict.PASSED:
                stopped = say("the command {id!r} before it failed", id=command.id)
            elif any(check.verdict is not Verdict.PASSED for check in seen):
                stopped = say("a check of the command {id!r} before it did not pass", id=command.id)
        with clock.checks():
            asked = claims(step.number, step.checks)
            found = inspector.inspect(world, asked, once=bool(stopped))
        clock.waited(found.values())
        checks += found.values()
        return StepResult(
            step.number,
            step.id,
            step.title,
            tuple(commands),
            tuple(checks),
            time.monotonic() - begun,
        )

    def typed(self, command: Command) -> CommandResult:
        """Run one command where it belongs; what goes wrong is in the result."""
        if command.where is Where.HOST:
            result = self._workspace.host(command)
            self._listener.output(result.output)
            return result
        begun = time.monotonic()
        try:
            outcome = self._workspace.session().run(
                command.run, self._listener.output, command.timeout
            )
        except SwarmlabError as error:
            return CommandResult(
                command.id,
                command.run,
                command.where.value,
                Verdict.ERRORED,
                None,
                error.evidence,
                time.monotonic() - begun,
                cause(error),
            )
        reason = ""
        if outcome.exit_code is None:
            # Whether it would never have ended, or only late, its output and the machine tell: a
            # step that hangs is to be mended, so it counts as failed, with what to try else.
            reason = say(
                "it was ended at its time limit of {seconds} s; if it was only slow, {patience}=3"
                " gives it more",
                seconds=f"{patient(command.timeout):g}",
                patience=PATIENCE,
            )
        elif command.exit_codes and outcome.exit_code not in command.exit_codes:
            reason = say(
                "it ended with exit code {code} instead of {wanted}",
                code=outcome.exit_code,
                wanted=say(" or ").join(map(str, command.exit_codes)),
            )
        return CommandResult(
            command.id,
            command.run,
            command.where.value,
            Verdict.FAILED if reason else Verdict.PASSED,
            outcome.exit_code,
            outcome.output,
            outcome.seconds,
            reason,
        )

    def _command(
        self, world: World, step: Step, command: Command, inspector: Inspector, clock: Clock
    ) -> tuple[CommandResult, list[CheckResult]]:
        """One command, its own checks, and the observers that watch both."""
        watches: list[Watch] = []
        try:
            with clock.checks():
                watches = inspector.watch(world, command.during)
            self._listener.command_started(command)
            with clock.commands():
                result = self.typed(command)
            self._listener.command_ended(result)
            with clock.checks():
                asked = claims(step.number, command.checks)
                failed = result.verdict is not Verdict.PASSED
                found = inspector.inspect(world, asked, once=failed)
                seen = list(found.values()) + inspector.unwatch(step.number, watches)
            clock.waited(found.values())
        except BaseException:
            for watch in watches:
                watch.drop()
            raise
        # What holds only at its moment cannot be looked at again, and so earns no points.
        return result, [replace(one, weight=0.0) for one in seen]

    def _left_out(self, command: Command, reason: str) -> CommandResult:
        result = CommandResult(
            command.id, command.run, command.where.value, Verdict.SKIPPED, None, "", 0.0, reason
        )
        self._listener.command_ended(result)
        return result

    def _unseen(self, command: Command, reason: str) -> list[CheckResult]:
        specs: tuple[CheckSpec, ...] = (*command.checks, *command.during)
        results = [replace(skipped(spec, reason), weight=0.0) for spec in specs]
        for result in results:
            self._listener.check_ended(result)
        return results
