"""Steps that a student typed by hand: when they count as done, and how they show beforehand."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
        if step is None or step.id in done or not result.checks or not proven(result):
            continue
        missing = lab.steps[first_missing(lab.steps, done)]
        if missing is step:
            progress.finish(cluster, step.id)
            listener.note(notes.recorded(step))
        else:
            listener.note(notes.holds_early(step.number, missing.number))


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
