"""What a guided tour does to a real lab; implements `swarmlab.tour.Hands`.

Each action opens the lab anew and holds its lock only as long as it lasts: between them the
student types in other terminals, or may change the lab with other commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from swarmlab.advice import Advice
from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.cluster import lifecycle, shells
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.errors import EnvironmentProblem, LabBusy, SwarmlabError
from swarmlab.listener import Listener, SilentListener
from swarmlab.model import Lab, Step
from swarmlab.onlooker import Onlooker
from swarmlab.progress import Progress
from swarmlab.results import RunResult, StepResult
from swarmlab.runner import Runner
from swarmlab.student import ProgressStore, StudentProgress
from swarmlab.wait import Observation, poll
from swarmlab.words import say

# A `verify` or `down` in another terminal is over soon; longer ones are named to the student.
BUSY_SECONDS = 5.0


class LabHands:
    """The hands on the lab of that name, for one student's tour."""

    def __init__(self, lab: Lab, name: str, told: Progress) -> None:
        self._lab = lab
        self._name = name
        self._told = told
        self._store = ProgressStore(name, lab=lab.id)
        # Which swarm the progress is about; None: to be asked again.
        self._cluster: str | None = None
        self._silence: SwarmlabError | None = None
        # A lab that was just started needs a moment yet when it is next looked at.
        self._settling = False

    def silence(self) -> SwarmlabError | None:
        self._asked()
        return self._silence

    def wake(self) -> None:
        self._cluster = None
        if self.silence() is not None and self._known().touched:
            # Not `up`: what cannot come back would be made anew, and nobody asked for that.
            lifecycle.start(self._name, self._told).close()
            self._cluster = None
            self._settling = True

    def place(self) -> str:
        return self._known().place

    def stay(self, step: Step) -> None:
        cluster = self._asked()
        # Where there is no lab, the step that takes it away is nothing to come back to.
        if cluster or not step.removes_lab:
            self._store.stay(cluster, step.id)

    def done(self) -> frozenset[str]:
        return self._known().done

    def begun(self) -> frozenset[str]:
        return self._known().begun

    def run(self, step: Step, listener: Listener) -> RunResult:
        with self._runner(listener) as (runner, _):
            return runner.step(step.number)

    def prepare(self, step: Step, listener: Listener, *, anew: bool) -> bool:
        with self._runner(listener) as (runner, workspace):
            if anew or step.id not in self.begun():
                if runner.goto(step.number).exit_code:
                    return False
            else:
                words = say("Step {number} was begun: what is there stays.", number=step.number)
                listener.note(words)
                workspace.world()
            # Whoever types may stop half-way; what is there then must be known to be undone.
            self._store.begin(workspace.cluster_id, step.id)
            return True

    @contextmanager
    def watching(self, step: Step) -> Iterator[Onlooker]:
        advice = Advice(self._lab.steps)
        with (
            LabWorkspace(self._name, self._lab, self._told) as workspace,
            Onlooker(
                step, workspace.world(), checks=CHECKS, observers=OBSERVERS, advice=advice
            ) as onlooker,
        ):
            yield onlooker

    def prove(self, onlooker: Onlooker, listener: Listener) -> RunResult:
        step = onlooker.step
        kept = _Kept()
        with self._runner(kept) as (runner, workspace):
            if not (step.removes_lab and not workspace.present()):
                return self._verified(runner, step, kept, listener)
            # The lab is gone, as it should be: what was seen last is all that can be seen.
            self._store.clear()
            own = tuple(r.result for r in onlooker.rows if not r.moment and r.result is not None)
            seen = StepResult(step.number, step.id, step.title, (), own, 0.0)
            return RunResult(
                self._lab.id, self._lab.version, self._name, "verify", "", "", "", 0.0, (seen,)
            )

    def _verified(self, runner: Runner, step: Step, kept: _Kept, listener: Listener) -> RunResult:
        """Prove the step; what is noted counts only when it is not recorded.

        That it is, and which moments were seen, a tour shows itself.
        """
        result = runner.verify([step.number])
        if step.id not in self._store.load(result.cluster).done:
            for text in kept.notes:
                listener.note(text)
        return result

    def shell(self) -> None:
        shells.workstation(self._name)

    def _known(self) -> StudentProgress:
        return self._store.load(self._asked())

    def _asked(self) -> str:
        if self._cluster is None:
            self._silence = None
            with LabWorkspace(self._name, self._lab, self._told) as workspace:
                if not workspace.present():
                    self._cluster = ""
                    return ""
                try:
                    self._cluster = workspace.cluster_id
                except EnvironmentProblem as error:
                    # It is stopped, or no manager answers. It is not empty for that: until it
                    # answers, the record is all that tells what is done on it.
                    self._silence = error
                    self._cluster = self._store.cluster
        return self._cluster

    @contextmanager
    def _runner(self, listener: Listener) -> Iterator[tuple[Runner, LabWorkspace]]:
        try:
            with ExitStack() as stack:
                self._lock(stack)
                workspace = stack.enter_context(LabWorkspace(self._name, self._lab, self._told))
                workspace.settling, self._settling = self._settling, False
                runner = Runner(
                    self._lab, workspace=workspace, progress=self._store, listener=listener
                )
                yield runner, workspace
        finally:
            self._cluster = None

    def _lock(self, stack: ExitStack) -> None:
        """Take the lab's lock; what another terminal is just finishing is waited for."""

        def take() -> Observation[LabBusy]:
            try:
                stack.enter_context(lifecycle.lock(self._name))
            except LabBusy as busy:
                return Observation(False, busy.message, busy)
            return Observation(True, say("it is ours"))

        taken = poll(take, within=BUSY_SECONDS)
        if taken.last.value is not None:
            raise taken.last.value


class _Kept(SilentListener):
    """Keeps the notes for later."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
