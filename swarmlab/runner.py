"""Walks a lab's steps: brings the cluster to a step, types its commands, looks at its checks.

The cluster is always in the state after some number of steps, as far as swarmlab knows: before a
step runs, it and everything after it that was begun is reset, last first, and everything before
it that is missing is run. What is done is written down only when it is proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from swarmlab import byhand, moments, notes
from swarmlab.advice import Advice
from swarmlab.checks.base import Check, ObserverFactory, World
from swarmlab.digest import digest
from swarmlab.inspection import Inspector
from swarmlab.listener import Listener, SilentListener
from swarmlab.model import Lab, Step
from swarmlab.progress import late
from swarmlab.results import RunResult, StepResult, Verdict
from swarmlab.sightings import Sightings
from swarmlab.stepping import Clock, Stepper, survey
from swarmlab.student import ProgressStore, StudentProgress
from swarmlab.undoing import Undoer
from swarmlab.words import say
from swarmlab.workspace import Workspace


class Runner:
    """Runs `lab` in `workspace`, remembers in `progress`, tells `listener`.

    `checks` and `observers` default to those of `swarmlab.checks`. One call at a time.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        workspace: Workspace,
        progress: ProgressStore,
        listener: Listener,
        checks: Mapping[str, Check] | None = None,
        observers: Mapping[str, ObserverFactory] | None = None,
    ) -> None:
        if checks is None or observers is None:
            from swarmlab.checks import CHECKS, OBSERVERS

            checks = CHECKS if checks is None else checks
            observers = OBSERVERS if observers is None else observers
        self._lab = lab
        self._workspace = workspace
        self._progress = progress
        self._listener = listener
        self._checks = checks
        self._observers = observers
        self._advice = Advice(lab.steps)
        self._start()

    def run(self, first: int | None = None, last: int | None = None) -> RunResult:
        """Run the steps `first` to `last` (default: to the end), and stop at one that fails.

        With `first` given, that step and those after it are reset and run anew. Without, the
        run goes on: steps that are done are looked at instead of run, and done again from the
        first that no longer holds. Missing earlier steps are run along. Raises SwarmlabError.
        """
        end = self._index(last) if last is not None else len(self._lab.steps) - 1
        if first is not None and self._index(first) > end:
            raise notes.nothing_between(first, last)
        self._start()
        world = self._up()
        results: list[StepResult] = []
        if first is not None:
            start = self._cleared(world, self._index(first))
        else:
            start = self._floor(end + 1)
            results = self._still(world, start, end)
            if any(result.verdict is Verdict.ERRORED for result in results):
                return self._result("run", results)
            wrong = next((i for i, r in enumerate(results) if r.verdict is Verdict.FAILED), None)
            if wrong is not None:
                self._listener.note(notes.no_longer_holds(results[wrong].number))
                start, results = wrong, results[:wrong]
        if start <= end:
            self._undone |= self._undoer().recorded(start)
            results += self._forward(world, start, end)
        return self._result("run", results)

    def step(self, number: int) -> RunResult:
        """Run one step, anew when it was done; see the module's words. Raises SwarmlabError."""
        target = self._index(number)
        self._start()
        if self._lab.steps[target].removes_lab and not self._workspace.present():
            self._progress.clear()
            self._listener.note(notes.nothing_to_clean_up())
            return self._result("step", [])
        world = self._up()
        start = self._cleared(world, target)
        return self._result("step", self._forward(world, start, target))

    def goto(self, number: int) -> RunResult:
        """Bring the cluster to the state just before a step. Raises SwarmlabError."""
        target = self._index(number)
        self._start()
        world = self._up()
        # Where all before it holds, what is left of the step itself can have been typed by hand.
        start = self._cleared(world, target, typed=True)
        return self._result("goto", self._forward(world, start, target - 1))

    def reset(self, number: int) -> RunResult:
        """Undo a step and all after it, last first; brings nothing up. Raises SwarmlabError.

        Begins nothing while a node does not answer. See `Undoer.wanted` for what is undone.
        """
        target = self._index(number)
        self._start()
        self._present(awake=True)
        self._undoer().wanted(target)
        return self._result("reset", [])

    def verify(self, numbers: Sequence[int] | None = None, *, patient: bool = False) -> RunResult:
        """Look once at what should hold now, and change nothing on the cluster.

        `patient` gives each check the time that it has after a command: the lab is just coming up.

        Without numbers: the checks of all steps that are done. With numbers: those steps' checks,
        done or not; one that passes whole is from then on recorded as done, because students may
        type by hand, provided that all before it are done. Raises LabAbsent when there is no lab.
        """
        indexes = None if numbers is None else sorted({self._index(n) for n in numbers})
        self._start()
        world = self._present()
        progress = self._known()
        if indexes is None:
            indexes = [i for i, s in enumerate(self._lab.steps) if s.id in progress.done]
            if not indexes:
                self._listener.note(notes.nothing_done())
        results = self._look(world, indexes, progress, patient=patient)
        ahead = byhand.typed_ahead(self._lab, results, progress.done)
        if ahead is not None and all(map(byhand.proven, self._look(world, [ahead], progress))):
            self._listener.note(notes.typed_ahead(self._lab.steps[ahead].number))
        if numbers is not None:
            byhand.accept(self._lab, self._cluster, results, self._progress, self._listener)
            done = self._known().done
            results = [replace(result, done=result.id in done) for result in results]
            return self._result("verify", results, byhand.withheld(results))
        if patient or any(result.verdict is Verdict.ERRORED for result in results):
            return self._result("verify", results)
        rest = self._rest(world, progress)
        return self._result("verify", results, byhand.uncounted(rest, progress.done))

    def survey(self) -> RunResult:
        """Look once at all steps that leave the lab standing; record nothing. Raises LabAbsent."""
        self._start()
        world = self._present()
        indexes = [i for i, step in enumerate(self._lab.steps) if not step.removes_lab]
        progress = self._known()
        results = self._look(world, indexes, progress)
        return self._result("verify", results, byhand.unpaid(results, progress.done))

    # Where things stand.

    def _start(self) -> None:
        self._clock = Clock()
        self._started = moments.now()
        self._cluster = self._data_plane = ""
        self._undone: frozenset[str] = frozenset()

    def _up(self) -> World:
        with self._clock.lab():
            world = self._workspace.world()
            self._cluster = self._workspace.cluster_id
            self._data_plane = self._workspace.data_plane
        return world

    def _present(self, *, awake: bool = False) -> World:
        with self._clock.lab():
            present = self._workspace.present()
        if not present:
            raise notes.no_lab(self._workspace.name)
        if awake:
            self._workspace.awake()
        return self._up()

    def _known(self) -> StudentProgress:
        return self._progress.load(self._cluster)

    def _index(self, number: int) -> int:
        numbers = [step.number for step in self._lab.steps]
        if number in numbers:
            return numbers.index(number)
        raise notes.no_step(number, self._lab.id, min(numbers), max(numbers))

    def _floor(self, target: int) -> int:
        """The first step that is missing before `target`, or `target`."""
        return byhand.first_missing(self._lab.steps[:target], self._known().done)

    def _sound(self, world: World, target: int) -> int:
        """The first step before `target` that is missing or no longer holds, or `target`.

        What is on record may have been undone by hand since. What cannot be looked at is taken
        as recorded: the steps that need it will say so.
        """
        start = self._floor(target)
        for index, result in enumerate(self._look(world, range(start), self._known())):
            if result.verdict is Verdict.FAILED:
                self._listener.note(notes.no_longer_holds(result.number))
                return index
        return start

    def _cleared(self, world: World, target: int, *, typed: bool = False) -> int:
        """Reset from the first step that does not hold, or from `target`; see `Undoer.back_to`."""
        start, undone = self._undoer().back_to(lambda: self._sound(world, target), target, typed)
        self._undone |= undone
        if start < target:
            missing = self._lab.steps[start:target]
            self._listener.note(notes.along(missing[0].number, missing[-1].number))
        return start

    # Looking.

    def _still(self, world: World, start: int, end: int) -> list[StepResult]:
        """Look at the steps before `start`, which are done; `run` goes on after them."""
        indexes = list(range(min(start, end + 1)))
        if indexes:
            first, last = self._lab.steps[0].number, self._lab.steps[indexes[-1]].number
            self._listener.note(notes.looking(first, last))
        return self._look(world, indexes, self._known())

    def _look(
        self,
        world: World,
        indexes: Sequence[int],
        progress: StudentProgress,
        *,
        patient: bool = False,
    ) -> list[StepResult]:
        """Look at the checks of those steps, all side by side: once, or for a lab that has just
        been started until they pass or their time is over."""
        steps = [self._lab.steps[index] for index in indexes]
        inspector = self._inspector(SilentListener())
        with self._clock.checks(), late(self._workspace.told, say("Looking at the lab")):
            once = not (patient or self._workspace.settling)
            results = survey(world, self._lab, steps, inspector, progress, once=once)
        self._clock.waited(check for result in results for check in result.checks)
        for result in results:
            self._listener.step_verified(result)
        return results

    def _inspector(self, listener: Listener) -> Inspector:
        about = self._cluster and f"{self._lab.id} {self._cluster}"
        sightings = Sightings(self._progress.path.parent, about)
        return Inspector(self._checks, self._observers, listener, self._advice, sightings)

    def _rest(self, world: World, progress: StudentProgress) -> list[StepResult]:
        """Glance at the steps that are not done; nobody is told, and no sighting is kept."""
        left = [s for s in self._lab.steps if s.id not in progress.done and not s.removes_lab]
        inspector = Inspector(self._checks, self._observers, SilentListener())
        with self._clock.checks():
            return survey(world, self._lab, left, inspector, progress, once=True)

    # Changing.

    def _undoer(self) -> Undoer:
        return Undoer(
            self._lab,
            self._cluster,
            workspace=self._workspace,
            progress=self._progress,
            listener=self._listener,
            clock=self._clock,
        )

    def _forward(self, world: World, start: int, end: int) -> list[StepResult]:
        """Run the steps from `start` to `end`, which are reset; stop at one that fails.

        What is not on record may all the same be there, typed by hand, and in the way. So a step
        that fails is run once more, after all from the last step back to it was undone, on
        record or not; unless that was done already.
        """
        results: list[StepResult] = []
        for index in range(start, end + 1):
            step = self._lab.steps[index]
            result = self._run(world, step)
            unsure = {s.id for s in self._lab.steps[index:] if s.reset} - self._undone
            again = result.verdict is Verdict.FAILED and unsure and self._undoer().again(index)
            if again:
                self._undone |= again
                result = self._run(world, step)
            results.append(result)
            if not byhand.proven(result):
                break
        return results

    def _run(self, world: World, step: Step) -> StepResult:
        """Run one step, and write down how that went."""
        self._progress.begin(self._cluster, step.id)
        inspector = self._inspector(self._listener)
        inspector.sightings.begin(step.number)
        stepper = Stepper(self._workspace, self._listener)
        result = stepper.run(world, step, inspector, self._clock)
        # The last step takes the lab away, and with it all that was done.
        if step.removes_lab and not self._workspace.present():
            self._progress.clear()
        elif byhand.proven(result):
            self._progress.finish(self._cluster, step.id)
            result = replace(result, done=True)
        self._listener.step_ended(result)
        return result

    def _result(
        self, command: str, steps: Sequence[StepResult], uncounted: tuple[int, ...] = ()
    ) -> RunResult:
        seconds = self._clock.total()
        return RunResult(
            lab=self._lab.id,
            lab_version=self._lab.version,
            name=self._workspace.name,
            command=command,
            cluster=self._cluster,
            data_plane=self._data_plane,
            started=self._started,
            seconds=seconds,
            steps=tuple(steps),
            timing=self._clock.timing(seconds),
            lab_digest=digest(self._lab),
            worth=self._lab.worth,
            uncounted=uncounted,
        )
