"""Proves a step: it fails before, passes after, can be undone, and gives the same again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swarmlab import words
from swarmlab.authoring.bench import Bench, Unproven, faults_of_the_lab, sound, tried, worked
from swarmlab.authoring.proofs import Part, Proof
from swarmlab.authoring.snapshot import Snapshot, differences
from swarmlab.model import CheckSpec, Step
from swarmlab.results import CheckResult, StepResult, Verdict


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
        yield tried("fails before", self._fails_before)
        yield tried("passes after", self._passes_after)
        if self._step.removes_lab:
            reason = "it takes the lab away: nothing is left to undo"
            yield Part("undone by its reset", Verdict.SKIPPED, (reason,))
            yield tried("the same again", self._nothing_again)
            return
        # Undone before it is done again: twice the step then proves both.
        yield tried("undone by its reset", self._undone)
        yield tried("the same again", self._the_same)

    def _fails_before(self) -> Iterator[str]:
        self._before = self._bench.ready(self._step)
        (result,) = self._bench.runner().verify([self._step.number]).steps
        errored = [check for check in result.checks if check.verdict is Verdict.ERRORED]
        worked(f"looking at step {self._step.number}", (), errored)
        specs = {spec.id: spec for spec in self._step.checks}
        wrong = [line for check in result.checks if (line := _unfit(specs[check.id], check))]
        failing = [check.id for check in result.checks if check.verdict is Verdict.FAILED]
        self._only_looks = not failing
        if self._only_looks:
            wrong += self._never_seen_failing()
        if wrong:
            raise Unproven(wrong)
        if failing:
            yield f"failing for the expected reason: {', '.join(failing)}"
        else:
            yield "no check fails: each is seen failing by a mistake, and the step changes nothing"
        holding = [check.id for check in result.checks if check.verdict is Verdict.PASSED]
        if holding:
            yield f"holding already: {', '.join(holding)}"

    def _never_seen_failing(self) -> list[str]:
        """Of a step that only looks: its checks that no mistake of the lab is caught by."""
        caught = {step.catcher(one) for step in self._bench.lab.steps for one in step.mistakes}
        return [
            f"check {check.id} holds before the step, and no mistake shows that it can fail"
            for check in self._step.checks
            if (self._step.id, check.id) not in caught
        ] or ([] if self._step.checks else ["the step has no check that lasts"])

    def _passes_after(self) -> Iterator[str]:
        self._first = self._run()
        if not self._step.removes_lab:
            self._after = self._bench.picture()
        if self._only_looks and (changed := differences(self._before, self._after)):
            raise Unproven(f"no check fails before the step, yet it changes: {c}" for c in changed)
        yield f"{len(self._first.checks)} checks passed"

    def _undone(self) -> Iterator[str]:
        self._bench.reset(self._step)
        self._bench.compare(self._before, "after the reset")
        yield f"{len(self._before.facts)} facts are as before"

    def _the_same(self) -> Iterator[str]:
        self._bench.fresh()
        again = self._run()
        assert self._first is not None
        was, now = _verdicts(self._first), _verdicts(again)
        if was != now:
            raise Unproven(f"{name}: was {was.get(name)}, is {now[name]}" for name in now)
        self._bench.compare(self._after, "after the second time")
        yield f"{len(self._after.facts)} facts are as after the first time"

    def _nothing_again(self) -> Iterator[str]:
        result = self._bench.runner().step(self._step.number)
        sound(result)
        if result.steps or self._bench.workspace.present():
            raise Unproven(["done again, it found something left to remove"])
        yield "nothing was left to do"

    def _run(self) -> StepResult:
        with faults_of_the_lab():
            result = self._bench.runner().step(self._step.number)
        sound(result)
        last = result.steps[-1]
        left = [c.id for c in last.checks if c.verdict is not Verdict.PASSED]
        if left:
            raise Unproven([f"not looked at: {', '.join(left)}"])
        return last


def _unfit(spec: CheckSpec, check: CheckResult) -> str:
    """What is wrong with how the check ended before its step; empty when that is right.

    A check may hold already, and one that needs a failing one is not looked at. One that fails
    must see what `before` says: anything else may be a fault of its own that no student made.
    """
    if check.verdict is Verdict.FAILED:
        seen = words.english(check.actual)
        if not spec.before:
            return f"check {spec.id} saw {seen!r}, and nothing says that it should: give `before`"
        if not re.search(spec.before, seen):
            return f"check {spec.id} saw {seen!r}, not {spec.before!r}"
    elif check.verdict is Verdict.PASSED and spec.before:
        return f"check {spec.id} holds already, although it is to see {spec.before!r}"
    return ""


def _verdicts(result: StepResult) -> dict[str, str]:
    commands = {f"command {one.id}": one.verdict.value for one in result.commands}
    return commands | {f"check {one.id}": one.verdict.value for one in result.checks}
