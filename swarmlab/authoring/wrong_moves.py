"""Proves a typical mistake: made on a real cluster, caught by its check, told, and undone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from swarmlab.authoring.bench import Bench, Unproven, tried, worked
from swarmlab.authoring.proofs import Part, Proof
from swarmlab.authoring.snapshot import Snapshot
from swarmlab.errors import EnvironmentProblem
from swarmlab.inspection import claims
from swarmlab.model import CheckSpec, Command, Mistake, Step
from swarmlab.process import redact
from swarmlab.results import CheckResult, Verdict
from swarmlab.stepping import Clock
from swarmlab.wait import Observation, poll
from swarmlab.words import say

CAUGHT_SECONDS = 60.0
"""So long a mistake may take to show: a task must start, fail, and be seen to have failed."""
STAYS_SECONDS = 5.0
"""So long the check must go on failing: what is only late would have become true meanwhile."""
GO_ON_SECONDS = 10.0
"""So long a check of a later command is waited for; after a mistake it may never pass."""
SHOWN_SECONDS = 60.0
"""So long what the evidence tells to type may take."""
SHOWN_LINES, SHOWN_WIDTH = 12, 160
"""So much of what it printed is kept."""
OF_THE_HOST = frozenset({"host.clean"})
"""Checks whose evidence is typed on the student's own machine, not in the workstation."""

# What a shell ends with that could not run what was typed: no right to, no such program.
_NOT_RUN = (126, 127)


def prove(bench: Bench, step: Step, mistake: Mistake, before: Snapshot) -> Proof:
    """All claims about the mistake, on a cluster that stands, as `before`, just before the step.

    Afterwards the cluster stands there again, unless the proof says otherwise. Raises
    SwarmlabError only when not even that can be tried.
    """
    made = _Making(bench, step, mistake)
    parts: list[Part] = [tried("typed", made.typed)]
    if parts[0].verdict is Verdict.PASSED:
        parts.append(tried(say("caught, and its hint shown"), made.caught))
    if parts[-1].verdict is Verdict.PASSED and len(parts) > 1:
        parts.append(tried(say("fails what it is to"), made.failing))
        parts.append(shown(bench, made.result))
    parts.append(tried("undone", lambda: undone(bench, step, before)))
    return Proof(step, tuple(parts), mistake.id)


def undone(bench: Bench, step: Step, before: Snapshot) -> Iterator[str]:
    """Bring the cluster back as a student would: reset the step, else go to it anew.

    Raises Unproven when it is not as before then.
    """
    if _by_reset(bench, step, before):
        yield say("by the step's reset: {count} facts are as before", count=len(before.facts))
        return
    # What the mistake broke belongs to an earlier step. `goto` sees that and mends it.
    bench.ready(step)
    bench.compare(before, say("after `swarmlab goto {number}`", number=step.number))
    yield say(
        "by `swarmlab goto {number}`: {count} facts are as before",
        number=step.number,
        count=len(before.facts),
    )


def _by_reset(bench: Bench, step: Step, before: Snapshot) -> bool:
    try:
        # Also where it types nothing: a step on record ends what earlier ones claim.
        bench.reset(step)
        if not step.reset:
            return False
        # No reset of this step brings back what an earlier one has lost.
        bench.compare(before, say("after the reset"), lost=bench.broken)
    except Unproven:
        return False
    return True


def shown(bench: Bench, result: CheckResult) -> Part:
    """What the evidence tells to type is typed, in a shell of its own, and shows something."""
    claim = say("its evidence can be typed")
    if result.check in OF_THE_HOST:
        return Part(claim, Verdict.SKIPPED, (say("it is typed on one's own machine"),))
    return tried(claim, lambda: _typed(bench, result.source))


def _typed(bench: Bench, source: str) -> Iterator[str]:
    # As in the shell of a student who has pointed it at a manager.
    point = f"eval $(docker-machine env {bench.world.managers[0]})"
    line = Command("evidence", f"{point}\n{source}", exit_codes=(), timeout=SHOWN_SECONDS)
    bench.fresh()
    done = bench.stepper().typed(line)
    bench.fresh()
    if done.verdict is Verdict.ERRORED:
        hint = say("`swarmlab status` shows the state of the lab; then run the command again.")
        raise EnvironmentProblem(done.reason, evidence=done.output, hint=hint)
    said = [redact(text)[:SHOWN_WIDTH] for text in done.output.splitlines() if text.strip()]
    if done.exit_code is None or done.exit_code in _NOT_RUN or not said:
        how = done.reason or say("exit code {code}", code=done.exit_code)
        raise Unproven([say("{source}: {how}", source=source, how=how), *said[:SHOWN_LINES]])
    yield from said[:SHOWN_LINES]


class _Making:
    """One mistake while it is being made."""

    def __init__(self, bench: Bench, step: Step, mistake: Mistake) -> None:
        self._bench = bench
        self._step = step
        self._mistake = mistake
        self._where, self._check = step.catcher(mistake)
        self._named = {step.place(name) for name in (mistake.caught_by, *mistake.also)}
        # Checks of commands hold only at their moment, and are looked at there.
        self._moments: dict[str, CheckResult] = {}
        self._caught: CheckResult | None = None

    @property
    def result(self) -> CheckResult:
        """What the named check saw; to be asked for when it has caught the mistake."""
        assert self._caught is not None
        return self._caught

    def typed(self) -> Iterator[str]:
        """The step up to the mistake as printed, the mistake, and the rest if it goes on."""
        bench, step, mistake = self._bench, self._step, self._mistake
        bench.fresh()
        bench.progress.begin(bench.workspace.cluster_id, step.id)
        at, skip = self._place()
        self._as_printed(step.commands[:at])
        self._wrong_move(step.commands[: at + skip])
        if mistake.go_on:
            for command in step.commands[at + skip :]:
                self._rest(command)
        yield say("after {at} of {count} commands", at=at, count=len(step.commands))

    def caught(self) -> Iterator[str]:
        """The named check fails and goes on failing, and gives the mistake's hint."""
        at_once = self._moments.get(self._check) if self._where == self._step.id else None
        if at_once is not None:
            self._fits(at_once)
            yield say("saw {actual}", actual=at_once.actual)
            return
        looks: list[CheckResult] = []

        def look() -> Observation[str]:
            looks.append(self._look())
            wrong = self._misfit(looks[-1])
            return Observation(not wrong, wrong, wrong)

        def look_away() -> Observation[str]:
            found = look()
            return Observation(not found.done, found.seen, found.value)

        first = poll(look, within=CAUGHT_SECONDS, every=0.5)
        if first.done:
            # Another look that does not fit ends this wait; then it was not caught for good.
            poll(look_away, within=STAYS_SECONDS, every=1.0)
        self._fits(looks[-1])
        yield say("saw {actual}", actual=looks[-1].actual)

    def failing(self) -> Iterator[str]:
        """Every check that fails now, or failed at its moment; those that are named do."""
        found: set[tuple[str, str]] = set()

        def look() -> Observation[None]:
            found.clear()
            found.update(self._failing())
            missing = ", ".join(sorted("/".join(one) for one in self._named - found))
            return Observation(not missing, missing)

        ended = poll(look, within=CAUGHT_SECONDS, every=0.5)
        if not ended.done:
            raise Unproven([say("not failing: {missing}", missing=ended.last.seen)])
        yield ", ".join(sorted("/".join(one) for one in found))

    def _failing(self) -> Iterator[tuple[str, str]]:
        """The ids of step and check of all that fails, the step's own moments included."""
        steps = [one.number for one in self._bench.lab.steps if one.number <= self._step.number]
        for result in self._bench.runner().verify(steps).steps:
            for check in result.checks:
                if check.verdict is Verdict.ERRORED and (result.id, check.id) in self._named:
                    worked(say("looking"), (), [check])
                if check.verdict is Verdict.FAILED:
                    yield result.id, check.id
        for check in self._moments.values():
            if check.verdict is Verdict.FAILED:
                yield self._step.id, check.id

    def _place(self) -> tuple[int, int]:
        """How many commands are typed before the mistake, and how many it replaces."""
        ids = [command.id for command in self._step.commands]
        if self._mistake.instead:
            return ids.index(self._mistake.instead), 1
        if self._mistake.after:
            return ids.index(self._mistake.after) + 1, 0
        return len(ids), 0

    def _as_printed(self, commands: Sequence[Command]) -> None:
        """Type commands and wait for their checks; after all of them the step must be proven."""
        whole = len(commands) == len(self._step.commands)
        part = replace(
            self._step, commands=tuple(commands), checks=self._step.checks if whole else ()
        )
        bench = self._bench
        result = bench.stepper().run(bench.world, part, bench.inspector(), Clock())
        worked(say("what is typed before the mistake"), result.commands, result.checks)

    def _wrong_move(self, so_far: Sequence[Command]) -> None:
        """Type the mistake, under the eyes of the checks that are to fail.

        `so_far` are the commands of which the last is that in whose place it is typed, or after
        which.
        """
        during = self._of(so_far[-1].during) if so_far else ()
        checks = self._of([check for command in so_far for check in command.checks])
        if during:
            # What an observer watches lasts until its command's checks are over.
            checks = so_far[-1].checks
        self._under_eyes(self._mistake.command, checks, during)

    def _rest(self, command: Command) -> None:
        """Type a later command, and give its checks a moment as a reader does."""
        self._under_eyes(replace(command, exit_codes=()), command.checks, self._of(command.during))

    def _under_eyes(
        self, command: Command, checks: Sequence[CheckSpec], during: Sequence[CheckSpec]
    ) -> None:
        bench, number = self._bench, self._step.number
        inspector = bench.inspector()
        watches = inspector.watch(bench.world, during)
        try:
            result = bench.stepper().typed(command)
            if result.verdict is Verdict.ERRORED:
                worked("typing", [result], ())
            # What an observer is to see may come with what its command's checks wait for.
            most = math.inf if during else GO_ON_SECONDS
            soon = [replace(one, within=min(one.within, most), needs=()) for one in checks]
            found = inspector.inspect(bench.world, claims(number, soon), once=False)
            results = [*found.values(), *inspector.unwatch(number, watches)]
        except BaseException:
            for watch in watches:
                watch.drop()
            raise
        self._moments |= {one.id: one for one in results if (self._step.id, one.id) in self._named}

    def _of(self, specs: Sequence[CheckSpec]) -> tuple[CheckSpec, ...]:
        """Those of the step's checks which are to fail."""
        return tuple(one for one in specs if (self._step.id, one.id) in self._named)

    def _look(self) -> CheckResult:
        """The named check as `swarmlab verify` shows it."""
        found = self._bench.lab.find(self._where)
        assert found is not None
        (result,) = self._bench.runner().verify([found.number]).steps
        return next(check for check in result.checks if check.id == self._check)

    def _fits(self, result: CheckResult) -> None:
        if result.verdict is Verdict.ERRORED:
            worked(say("looking"), (), [result])
        wrong = self._misfit(result)
        if wrong:
            raise Unproven([wrong])
        self._caught = result

    def _misfit(self, result: CheckResult) -> str:
        """Why this result does not show the mistake; empty when it does."""
        name = f"{self._step.id}/{self._mistake.id}"
        if result.verdict is not Verdict.FAILED:
            why = (
                f": {result.reason}"
                if result.reason
                else say(", saw {actual}", actual=result.actual)
            )
            return say(
                "check {id} is {value}{why}", id=result.id, value=result.verdict.value, why=why
            )
        if name not in result.mistakes or self._mistake.hint not in result.hint:
            others = ", ".join(result.mistakes) or say("its own")
            return say(
                "check {id} failed with another hint ({others}); it saw {actual}",
                id=result.id,
                others=others,
                actual=result.actual,
            )
        return ""
