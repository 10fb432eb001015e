"""A lab on a real cluster, put on the bench: brought to a step, typed at, looked at, undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from swarmlab.advice import Advice
from swarmlab.authoring import snapshot
from swarmlab.authoring.proofs import Part
from swarmlab.authoring.snapshot import Camera, Snapshot
from swarmlab.checks.base import Check, ObserverFactory, World
from swarmlab.errors import ClusterProblem, EnvironmentProblem, SwarmlabError
from swarmlab.inspection import Inspector
from swarmlab.listener import SilentListener
from swarmlab.model import Lab, Step
from swarmlab.results import CheckResult, CommandResult, RunResult, Verdict
from swarmlab.runner import Runner
from swarmlab.stepping import Stepper
from swarmlab.student import ProgressStore
from swarmlab.words import say
from swarmlab.workspace import Workspace


class Unproven(Exception):
    """A claim about the lab does not hold; the texts say what was seen instead."""

    def __init__(self, seen: Iterable[str]) -> None:
        self.seen = tuple(seen)
        super().__init__("; ".join(self.seen))


class Bench:
    """The lab, its cluster, and what its author's proofs are made with.

    `camera`, `checks` and `observers` default to the real ones. `restore_seconds` is how long
    the cluster may take to be as before.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        workspace: Workspace,
        progress: ProgressStore,
        camera: Camera = snapshot.take,
        checks: Mapping[str, Check] | None = None,
        observers: Mapping[str, ObserverFactory] | None = None,
        restore_seconds: float = 90.0,
    ) -> None:
        from swarmlab.checks import CHECKS, OBSERVERS

        self.lab = lab
        self.workspace = workspace
        self.progress = progress
        self._camera = camera
        self._checks = CHECKS if checks is None else checks
        self._observers = OBSERVERS if observers is None else observers
        self._restore_seconds = restore_seconds
        self._advice = Advice(lab.steps)

    @property
    def world(self) -> World:
        return self.workspace.world()

    def runner(self) -> Runner:
        return Runner(
            self.lab,
            workspace=self.workspace,
            progress=self.progress,
            listener=SilentListener(),
            checks=self._checks,
            observers=self._observers,
        )

    def inspector(self) -> Inspector:
        return Inspector(self._checks, self._observers, SilentListener(), self._advice)

    def stepper(self) -> Stepper:
        """Types in a shell; see `fresh`."""
        return Stepper(self.workspace, SilentListener())

    def fresh(self) -> None:
        """Let the next command begin in a new shell, which nothing typed before has touched."""
        self.workspace.session().close()

    def ready(self, step: Step) -> Snapshot:
        """Bring the cluster to the state just before the step; what it looks like.

        Raises Unproven when a step before does not work, SwarmlabError.
        """
        self.fresh()
        with faults_of_the_lab():
            result = self.runner().goto(step.number)
        sound(result)
        self.fresh()
        return self.picture()

    def reset(self, step: Step) -> None:
        """Undo the step and what follows, in a new shell. Raises Unproven, SwarmlabError."""
        self.fresh()
        with faults_of_the_lab():
            self.runner().reset(step.number)

    def broken(self) -> bool:
        """Whether a step that is on record no longer holds."""
        return any(one.verdict is Verdict.FAILED for one in self.runner().verify().steps)

    def picture(self) -> Snapshot:
        """What the cluster looks like, once it has what it was asked for."""
        return snapshot.calm(self._camera, self.world)

    def compare(
        self, before: Snapshot, after: str, *, lost: Callable[[], bool] = lambda: False
    ) -> None:
        """Raises Unproven unless the cluster becomes as it was `before`.

        `lost` may say early that it cannot; see `snapshot.restored`.
        """
        within = self._restore_seconds
        found = snapshot.restored(self._camera, self.world, before, within, lost)
        if found:
            raise Unproven(say("{what}: {why}", what=after, why=one) for one in found)


def tried(claim: str, proof: Callable[[], Iterable[str]]) -> Part:
    """Try to prove a claim; `proof` returns what was seen, or raises Unproven."""
    begun = time.monotonic()
    try:
        verdict, seen = Verdict.PASSED, tuple(proof())
    except Unproven as error:
        verdict, seen = Verdict.FAILED, error.seen
    except SwarmlabError as error:
        verdict, seen = Verdict.ERRORED, (error.message, *error.evidence.splitlines())
    return Part(claim, verdict, seen, time.monotonic() - begun)


@contextmanager
def faults_of_the_lab() -> Iterator[None]:
    """A reset that does not work is the fault of the lab that is proven, not of the machine."""
    try:
        yield
    except ClusterProblem as error:
        raise Unproven((error.message, *error.evidence.splitlines())) from error


def sound(result: RunResult) -> None:
    """Raises Unproven, or EnvironmentProblem, unless all that was run is proven."""
    for step in result.steps:
        worked(say("step {number}", number=step.number), step.commands, step.checks)


def worked(what: str, commands: Sequence[CommandResult], checks: Sequence[CheckResult]) -> None:
    """Raises Unproven when something failed, EnvironmentProblem when it could not be tried."""
    lines = [say("{what} did not work", what=what), *_troubles(commands, checks)]
    verdicts = {one.verdict for one in commands} | {one.verdict for one in checks}
    if Verdict.ERRORED in verdicts:
        raise EnvironmentProblem(
            lines[0],
            evidence="\n".join(lines[1:]),
            hint=say("Look with `swarmlab doctor`, then run the command again."),
        )
    if Verdict.FAILED in verdicts:
        raise Unproven(lines)


def _troubles(commands: Sequence[CommandResult], checks: Sequence[CheckResult]) -> list[str]:
    """What did not pass, a line each; what was skipped because of that is left out."""
    lines = [
        say("command {id}: {reason}", id=one.id, reason=one.reason)
        for one in commands
        if one.verdict in (Verdict.FAILED, Verdict.ERRORED)
    ]
    for one in checks:
        if one.verdict is Verdict.FAILED:
            lines.append(say("check {id}: saw {actual}", id=one.id, actual=one.actual))
        elif one.verdict is Verdict.ERRORED:
            lines.append(say("check {id} could not look: {reason}", id=one.id, reason=one.reason))
    return lines
