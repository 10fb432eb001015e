"""Undoes steps: their reset commands, last step first, each put on record as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from swarmlab import notes
from swarmlab.errors import ClusterProblem
from swarmlab.listener import Listener, SilentListener
from swarmlab.model import Lab, Step
from swarmlab.results import Verdict
from swarmlab.stepping import Clock, Stepper
from swarmlab.student import ProgressStore
from swarmlab.workspace import Workspace


class Undoer:
    """Resets steps of `lab` on the live `cluster`, and keeps the record true while it does."""

    def __init__(
        self,
        lab: Lab,
        cluster: str,
        *,
        workspace: Workspace,
        progress: ProgressStore,
        listener: Listener,
        clock: Clock,
    ) -> None:
        self._lab = lab
        self._cluster = cluster
        self._workspace = workspace
        self._progress = progress
        self._listener = listener
        self._clock = clock

    def recorded(self, start: int, *, also: Collection[int] = ()) -> frozenset[str]:
        """Reset what was begun or done from `start` on; and the steps `also`, on record or not.

        Returns the ids of the steps that were reset. Raises ClusterProblem when a reset fails.
        """
        touched = self._progress.load(self._cluster).touched
        steps = list(enumerate(self._lab.steps))[start:]
        return self._undo([s for index, s in steps if s.id in touched or index in also])

    def wanted(self, target: int) -> frozenset[str]:
        """Reset the step `target` on demand, and what was begun or done after it.

        It is reset also when it is not on record, because it may have been typed by hand. So are
        those before it that are not done: its reset alone would leave the cluster as they leave
        it. Returns the ids of the steps that were reset. Raises ClusterProblem when one fails.
        """
        done = self._progress.load(self._cluster).done
        missing = (index for index, step in enumerate(self._lab.steps) if step.id not in done)
        first = min(target, next(missing, target))
        return self.recorded(first, also=range(first, target + 1))

    def back_to(
        self, sound: Callable[[], int], target: int, typed: bool
    ) -> tuple[int, frozenset[str]]:
        """Reset from the step that `sound` names on, the first that does not hold up to `target`.

        Returns its index and the ids of the steps that were reset; `typed` resets `target` also
        when it is not on record. Raises ClusterProblem when a reset fails.
        """
        start = sound()
        undone = self.recorded(start, also=[target] if typed and start == target else ())
        if any(step.removes_lab and step.id in undone for step in self._lab.steps):
            # What such a step took away no reset brings back, and until now its claims were over.
            start = sound()
            undone |= self.recorded(start)
        return start, undone

    def everything(self, start: int) -> frozenset[str]:
        """Reset all steps from `start` on, on record or not: whatever was typed by hand goes.

        Returns their ids. Raises ClusterProblem when a reset fails.
        """
        touched = self._progress.load(self._cluster).touched
        return self._undo([s for s in self._lab.steps[start:] if s.reset or s.id in touched])

    def again(self, start: int) -> frozenset[str]:
        """Undo everything from a step on that failed, for it to be run once more.

        Returns the ids of the steps that were reset, none when a reset fails: the listener hears of
        both, and what the step was found to be stands.
        """
        self._listener.note(notes.once_more(self._lab.steps[start].number))
        try:
            return self.everything(start)
        except ClusterProblem as problem:
            self._listener.note(f"{problem.message} {problem.hint}")
            return frozenset()

    def _undo(self, steps: list[Step]) -> frozenset[str]:
        """Reset those steps, last first.

        A step that an earlier one's reset undoes along is left to that. Until then it is on
        record as begun, so that an interruption in between loses nothing.
        """
        own: set[str] = set()
        for step in steps:
            # Only a reset that is itself carried out can cover another.
            if not own & set(step.reset_covered_by):
                own.add(step.id)
        covered = [step for step in reversed(steps) if step.id not in own]
        for step in reversed(steps):
            if step in covered:
                self._progress.begin(self._cluster, step.id)
            else:
                self._reset(step)
        for step in covered:
            self._progress.undo(self._cluster, step.id)
        return frozenset(step.id for step in steps)

    def _reset(self, step: Step) -> None:
        begun = time.monotonic()
        self._listener.reset_started(step)
        self._progress.begin(self._cluster, step.id)
        for command in step.reset:
            with self._clock.commands():
                result = Stepper(self._workspace, SilentListener()).typed(command)
            if result.verdict is not Verdict.PASSED:
                message, hint = notes.reset_failed(step.number, result.reason)
                evidence = "\n".join([*command.run.splitlines(), *_last_lines(result.output)])
                raise ClusterProblem(message, evidence=evidence, hint=hint)
        self._progress.undo(self._cluster, step.id)
        self._listener.reset_ended(step, time.monotonic() - begun)


def _last_lines(text: str, count: int = 10) -> list[str]:
    return text.rstrip().splitlines()[-count:]
