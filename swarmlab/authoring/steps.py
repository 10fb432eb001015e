"""Proves a step: it fails before, passes after, can be undone, and gives the same again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from swarmlab import words
from swarmlab.authoring.bench import Bench, Unproven, faults_of_the_lab, sound, tried, worked
from swarmlab.authoring.proofs import Part, Proof
from swarmlab.authoring.snapshot import Snapshot, differences
from swarmlab.inspection import claims
from swarmlab.model import CheckSpec, Lab, Step
from swarmlab.results import CheckResult, StepResult, Verdict
from swarmlab.words import say


def prove(bench: Bench, step: Step) -> Proof:
    """All claims about the step, on a cluster that is first brought to just before it.

    Where one does not hold, the claims that build on it are left out. Raises nothing of the lab's.
    """
    parts: list[Part] = []
    for part in _Proving(bench, step).parts():
        parts.append(part)
        if part.verdict not in (Verdict.PASSED, Verdict.SKIPPED):
            break
    return Proof(step, tuple(parts))


class _Proving:
    def __init__(self, bench: Bench, step: Step) -> None:
        self._bench = bench
        self._step = step
        self._before = Snapshot({})
        self._after = Snapshot({})
        self._first: StepResult | None = None
        # A step that changes nothing has nothing that could fail before it.
        self._only_looks = False

    def parts(self) -> Iterator[Part]:
        yield tried(say("fails before"), self._fails_before)
        yield tried(say("passes after"), self._passes_after)
        if self._step.removes_lab:
            reason = say("it takes the lab away: nothing is left to undo")
            yield Part(say("undone by its reset"), Verdict.SKIPPED, (reason,))
            yield tried(say("the same again"), self._nothing_again)
            return
        # Undone before it is done again: twice the step then proves both.
        yield tried(say("undone by its reset"), self._undone)
        yield tried(say("the same again"), self._the_same)

    def _fails_before(self) -> Iterator[str]:
        self._before = self._bench.ready(self._step)
        (result,) = self._bench.runner().verify([self._step.number]).steps
        checks = [*result.checks, *self._looked_at_alone(result)]
        errored = [check for check in checks if check.verdict is Verdict.ERRORED]
        worked(say("looking at step {number}", number=self._step.number), (), errored)
        specs = {spec.id: spec for spec in self._step.checks}
        wrong = [line for check in checks if (line := _unfit(specs[check.id], check))]
        failing = [check.id for check in checks if check.verdict is Verdict.FAILED]
        self._only_looks = not failing
        wrong += self._never_seen_failing(failing)
        if self._step is self._bench.lab.steps[0]:
            wrong += self._untouched()
        if wrong:
            raise Unproven(wrong)
        if failing:
            yield say("failing for the expected reason: {failing}", failing=", ".join(failing))
        else:
            yield say(
                "no check fails: each is seen failing by a mistake, and the step changes nothing"
            )
        holding = [check.id for check in checks if check.verdict is Verdict.PASSED]
        if holding:
            yield say("holding already: {holding}", holding=", ".join(holding))

    def _looked_at_alone(self, result: StepResult) -> list[CheckResult]:
        """Checks with a `before` that were left out because of what they need.

        A student is told of what they need only; that they can fail is to be seen all the same.
        """
        blocked = {check.id for check in result.checks if check.blocked_by}
        alone = [replace(s, needs=()) for s in self._step.checks if s.before and s.id in blocked]
        asked = claims(self._step.number, alone)
        return list(self._bench.inspector().inspect(self._bench.world, asked, once=True).values())

    def _untouched(self) -> list[str]:
        """Before the first step nothing was done: the checks that say otherwise of themselves."""
        wrong = []
        for result in self._bench.runner().survey().steps:
            step = self._bench.lab.find(result.id)
            specs = {spec.id: spec for spec in step.checks} if step else {}
            for check in result.checks:
                names = {"number": result.number, "id": check.id}
                if check.verdict is Verdict.PASSED and specs[check.id].telling:
                    wrong.append(
                        say(
                            "check {id} of step {number} holds where nothing was done: mark it "
                            "`untouched`, so that it earns nothing by itself",
                            **names,
                        )
                    )
                if check.verdict is Verdict.FAILED and specs[check.id].untouched:
                    wrong.append(
                        say(
                            "check {id} of step {number} is marked `untouched`, and does not hold "
                            "where nothing was done",
                            **names,
                        )
                    )
        return wrong

    def _never_seen_failing(self, failing: list[str]) -> list[str]:
        """The step's checks that neither fail before it nor because of a mistake of the lab.

        Those of its commands cannot be looked at before it, so a mistake must show them.
        """
        if self._only_looks and not self._step.checks:
            return [say("the step has no check that lasts")]
        shown = shown_failing(self._bench.lab)
        return [
            say(
                "check {id} does not fail before the step, and no mistake shows that it can",
                id=check.id,
            )
            for check in self._step.all_checks
            if check.id not in failing and (self._step.id, check.id) not in shown
        ]

    def _passes_after(self) -> Iterator[str]:
        self._first = self._run()
        if not self._step.removes_lab:
            self._after = self._bench.picture()
        if self._only_looks and (changed := differences(self._before, self._after)):
            raise Unproven(
                say("no check fails before the step, yet it changes: {what}", what=c)
                for c in changed
            )
        yield say("{count} checks passed", count=len(self._first.checks))

    def _undone(self) -> Iterator[str]:
        self._bench.reset(self._step)
        self._bench.compare(self._before, say("after the reset"))
        yield say("{count} facts are as before", count=len(self._before.facts))

    def _the_same(self) -> Iterator[str]:
        self._bench.fresh()
        again = self._run()
        assert self._first is not None
        was, now = _verdicts(self._first), _verdicts(again)
        if was != now:
            raise Unproven(
                say("{name}: was {was}, is {now}", name=name, was=was.get(name), now=now[name])
                for name in now
            )
        self._bench.compare(self._after, say("after the second time"))
        yield say("{count} facts are as after the first time", count=len(self._after.facts))

    def _nothing_again(self) -> Iterator[str]:
        result = self._bench.runner().step(self._step.number)
        sound(result)
        if result.steps or self._bench.workspace.present():
            raise Unproven([say("done again, it found something left to remove")])
        yield say("nothing was left to do")

    def _run(self) -> StepResult:
        with faults_of_the_lab():
            result = self._bench.runner().step(self._step.number)
        sound(result)
        last = result.steps[-1]
        left = [c.id for c in last.checks if c.verdict is not Verdict.PASSED]
        if left:
            raise Unproven([say("not looked at: {left}", left=", ".join(left))])
        return last


def shown_failing(lab: Lab) -> set[tuple[str, str]]:
    """The checks that the lab's mistakes make fail, as ids of step and check."""
    return {
        step.place(name)
        for step in lab.steps
        for one in step.mistakes
        for name in (one.caught_by, *one.also)
    }


def _unfit(spec: CheckSpec, check: CheckResult) -> str:
    """What is wrong with how the check ended before its step; empty when that is right.

    A check may hold already, and one that needs a failing one is looked at for its `before` only.
    One that fails must see what that says: anything else may be a fault of its own that no student
    made.
    """
    if check.verdict is Verdict.FAILED:
        seen = words.english(check.actual)
        if not spec.before:
            return say(
                "check {id} saw {seen!r}, and nothing says that it should: give `before`",
                id=spec.id,
                seen=seen,
            )
        if not re.search(spec.before, seen):
            return say(
                "check {id} saw {seen!r}, not {before!r}", id=spec.id, seen=seen, before=spec.before
            )
    elif check.verdict is Verdict.PASSED and spec.before:
        return say(
            "check {id} holds already, although it is to see {before!r}",
            id=spec.id,
            before=spec.before,
        )
    return ""


def _verdicts(result: StepResult) -> dict[str, str]:
    commands = {say("command {id}", id=one.id): one.verdict.value for one in result.commands}
    return commands | {say("check {id}", id=one.id): one.verdict.value for one in result.checks}
