"""Steps that a student typed by hand: when they count as done, and how they show beforehand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from swarmlab import notes
from swarmlab.listener import Listener
from swarmlab.model import Lab, Step
from swarmlab.results import StepResult, Verdict
from swarmlab.student import ProgressStore


def proven(result: StepResult) -> bool:
    """Whether the step is proven: every command worked and every check passed."""
    verdicts = [part.verdict for part in result.commands] + [c.verdict for c in result.checks]
    return all(verdict is Verdict.PASSED for verdict in verdicts)


def first_missing(steps: Sequence[Step], done: Collection[str]) -> int:
    """The index of the first step that is not done; how many there are when all are."""
    return next((i for i, step in enumerate(steps) if step.id not in done), len(steps))


def accept(
    lab: Lab,
    cluster: str,
    results: Sequence[StepResult],
    progress: ProgressStore,
    listener: Listener,
) -> None:
    """Record as done what holds whole and was not on record.

    Only on top of what is done: some steps end as they begin, so that on a fresh lab, where
    nobody typed anything, their checks pass.
    """
    for result in results:
        done = progress.load(cluster).done
        step = lab.find(result.id)
        if step is None or step.id in done or not _whole(result):
            continue
        missing = lab.steps[first_missing(lab.steps, done)]
        if missing is step:
            progress.finish(cluster, step.id)
            listener.note(notes.recorded(step))
        else:
            listener.note(notes.holds_early(step.number, missing.number))


def uncounted(results: Iterable[StepResult], done: Collection[str]) -> tuple[int, ...]:
    """The numbers of the steps that are on no record and seem to have been typed by hand.

    They reach to the last of which a claim holds that cannot hold by itself. A step without such
    a claim, that only looks or ends as it began, may have been typed when it is the next one and
    holds whole.
    """
    left = [result for result in results if result.id not in done]
    begun = [
        index
        for index, result in enumerate(left)
        if any(check.telling and check.verdict is Verdict.PASSED for check in result.checks)
    ]
    if begun:
        return tuple(result.number for result in left[: begun[-1] + 1])
    return tuple(
        result.number
        for result in left[:1]
        # On a lab where nothing is done, what looks alike was there before.
        if done and _whole(result) and not any(check.telling for check in result.checks)
    )


def withheld(results: Iterable[StepResult]) -> tuple[int, ...]:
    """The numbers of the steps that hold whole, and earn nothing for want of a record."""
    return tuple(
        result.number
        for result in results
        if not result.done and _whole(result) and result.points.earned < result.points.of
    )


def unpaid(results: Sequence[StepResult], done: Collection[str]) -> tuple[int, ...]:
    """Those of both: they hold, earn nothing, and not because nobody came so far."""
    typed = uncounted(results, done)
    return tuple(number for number in withheld(results) if number in typed)


def _whole(result: StepResult) -> bool:
    return bool(result.checks) and proven(result)


def typed_ahead(lab: Lab, results: Sequence[StepResult], done: Collection[str]) -> int | None:
    """The index of the step that may have been typed by hand and ended what does not hold.

    That is the first one that is not done, when a check that failed holds only until it.
    """
    index = first_missing(lab.steps, done)
    if index == len(lab.steps):
        return None
    step = lab.steps[index]
    ended = {(s.id, c.id) for s in lab.steps for c in s.checks if c.until == step.id}
    failed = {(r.id, c.id) for r in results for c in r.checks if c.verdict is Verdict.FAILED}
    return index if ended & failed else None
