"""What was found: verdicts with their evidence, as data that reports render.

`to_dict` is the public, versioned form; times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from swarmlab import __version__
from swarmlab.errors import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_PASSED
from swarmlab.points import Points, total

RESULT_VERSION = 1
KIND = "swarmlab-result"


class Verdict(Enum):
    """How a check or a command ended.

    FAILED is the learner's: the cluster was looked at and is not as it should be. ERRORED is
    ours: the cluster could not be looked at. SKIPPED: not looked at, for the reason given.
    """

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    SKIPPED = "skipped"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole from its parts: errored before failed before passed.

    Of only skipped parts (or none) the whole is skipped.
    """
    seen = set(verdicts)
    for verdict in (Verdict.ERRORED, Verdict.FAILED, Verdict.PASSED):
        if verdict in seen:
            return verdict
    return Verdict.SKIPPED


@dataclass(frozen=True)
class Since:
    """Since when a claim fails, as far as anybody looked; times are UTC in ISO 8601.

    Every look from `failing` on has seen it fail. `held` is when it was last seen to hold, empty
    when it never was on this cluster.
    """

    failing: str
    held: str = ""

    def to_dict(self) -> dict[str, str]:
        return {"failing": self.failing, "held": self.held}


@dataclass(frozen=True)
class CheckResult:
    """One check's verdict and evidence.

    `source` is how it was looked up, as a command that the student can type where there is one.
    `reason` says why it was skipped or errored; of a skipped one `blocked_by` is the id of the
    check that did not pass before it, `ended_by` that of the later step that ended the claim.
    `mistakes` are the typical mistakes whose hints make up `hint`, as `STEP/MISTAKE`. `weight` is
    what it is worth in points: nothing for a claim that held at its moment only. `telling` says
    that the claim cannot hold unless something of its step was done.
    """

    id: str
    title: str
    check: str
    verdict: Verdict
    expected: str = ""
    actual: str = ""
    source: str = ""
    hint: str = ""
    reason: str = ""
    seconds: float = 0.0
    waited: float = 0.0
    mistakes: tuple[str, ...] = ()
    weight: float = 0.0
    blocked_by: str = ""
    ended_by: str = ""
    since: Since | None = None
    telling: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "check": self.check,
            "verdict": self.verdict.value,
            "expected": self.expected,
            "actual": self.actual,
            "source": self.source,
            "hint": self.hint,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "waited": round(self.waited, 3),
            "mistakes": list(self.mistakes),
            "weight": self.weight,
            "blocked_by": self.blocked_by,
            "ended_by": self.ended_by,
            "since": self.since.to_dict() if self.since else None,
            "telling": self.telling,
        }


@dataclass(frozen=True)
class CommandResult:
    """One command that was run: what it printed (secrets removed) and how it ended.

    `exit_code` is None when the command was ended at its time limit.
    """

    id: str
    run: str
    where: str
    verdict: Verdict
    exit_code: int | None
    output: str
    seconds: float
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "run": self.run,
            "where": self.where,
            "verdict": self.verdict.value,
            "exit_code": self.exit_code,
            "output": self.output,
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class StepResult:
    """One step: the commands that were run (none for `verify`) and the checks.

    `done` says whether the student's record has the step as done, once all this was looked at.
    """

    number: int
    id: str
    title: str
    commands: tuple[CommandResult, ...]
    checks: tuple[CheckResult, ...]
    seconds: float
    done: bool = False

    @property
    def verdict(self) -> Verdict:
        return worst(
            [c.verdict for c in self.checks]
            + [c.verdict for c in self.commands if c.verdict is not Verdict.PASSED]
        )

    def count(self, verdict: Verdict) -> int:
        """How many of the checks ended so."""
        return sum(1 for check in self.checks if check.verdict is verdict)

    @property
    def points(self) -> Points:
        """What the step's claims earn, each by itself.

        Many claims hold already before anything is typed. So they earn only in a step that is on
        record as done, or of which a claim holds that cannot hold by itself.
        """
        begun = self.done or any(
            check.telling and check.verdict is Verdict.PASSED for check in self.checks
        )
        return total(self._points(check, begun) for check in self.checks)

    def _points(self, check: CheckResult, begun: bool) -> Points:
        if check.verdict is Verdict.PASSED:
            return Points(check.weight if begun else 0.0, check.weight)
        if check.ended_by:
            earned = check.weight if self.done else 0.0
            return Points(earned, check.weight, recorded=earned)
        return Points(0.0, check.weight, unknown=check.weight if self._unseen(check) else 0.0)

    def _unseen(self, check: CheckResult) -> bool:
        """Whether it could not be looked at, itself or one that it needs."""
        by_id = {one.id: one for one in self.checks}
        while check.verdict is Verdict.SKIPPED and check.blocked_by in by_id:
            check = by_id.pop(check.blocked_by)
        return check.verdict is Verdict.ERRORED

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "id": self.id,
            "title": self.title,
            "verdict": self.verdict.value,
            "done": self.done,
            "points": self.points.to_dict(),
            "seconds": round(self.seconds, 3),
            "commands": [command.to_dict() for command in self.commands],
            "checks": [check.to_dict() for check in self.checks],
        }


@dataclass(frozen=True)
class Timing:
    """What a run's seconds were spent on.

    `lab` is bringing the lab up, `commands` the students' commands and those of resets, `waiting`
    is until the cluster was as the checks want it, `checks` is looking at it, `own` all the rest.
    So `checks` and `own` together are what swarmlab adds to what a student would do by hand.
    """

    lab: float = 0.0
    commands: float = 0.0
    waiting: float = 0.0
    checks: float = 0.0
    own: float = 0.0

    def to_dict(self) -> dict[str, float]:
        return {
            "lab": round(self.lab, 3),
            "commands": round(self.commands, 3),
            "waiting": round(self.waiting, 3),
            "checks": round(self.checks, 3),
            "own": round(self.own, 3),
        }


@dataclass(frozen=True)
class RunResult:
    """What one `run`, `step` or `verify` found.

    `cluster` identifies the swarm (its cluster id; empty when there was none); `started` is
    UTC in ISO 8601. `data_plane` is `ipvs` or `nftables`. `lab_digest` tells one content of a lab
    from another, `worth` is what all its steps are worth in points, and `student` is who did it,
    where that was said. `uncounted` are the numbers of steps that seem to have been typed by hand
    and are on no record, so that `steps` lacks them or their points: news for whoever sits there,
    and no part of the public form.
    """

    lab: str
    lab_version: str
    name: str
    command: str
    cluster: str
    data_plane: str
    started: str
    seconds: float
    steps: tuple[StepResult, ...] = field(default_factory=tuple)
    timing: Timing = field(default_factory=Timing)
    lab_digest: str = ""
    worth: float = 0.0
    student: str = ""
    uncounted: tuple[int, ...] = ()

    @property
    def points(self) -> Points:
        """What the steps looked at have earned, of what these steps are worth."""
        return total(step.points for step in self.steps)

    @property
    def verdict(self) -> Verdict:
        """The worst of the steps; what was reached without running any is reached."""
        if not self.steps and self.command != "verify":
            return Verdict.PASSED
        return worst(step.verdict for step in self.steps)

    @property
    def exit_code(self) -> int:
        """0 when all passed (or nothing was to be looked at), 1 failed, 3 errored."""
        return {
            Verdict.FAILED: EXIT_FAILED,
            Verdict.ERRORED: EXIT_ENVIRONMENT,
        }.get(self.verdict, EXIT_PASSED)

    def count(self, verdict: Verdict) -> int:
        """How many checks over all steps ended so."""
        return sum(step.count(verdict) for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": RESULT_VERSION,
            "kind": KIND,
            "made_by": f"swarmlab {__version__}",
            "lab": self.lab,
            "lab_version": self.lab_version,
            "lab_digest": self.lab_digest,
            "student": self.student,
            "name": self.name,
            "command": self.command,
            "cluster": self.cluster,
            "data_plane": self.data_plane,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "timing": self.timing.to_dict(),
            "verdict": self.verdict.value,
            "points": self.points.to_dict(),
            "worth": round(self.worth, 3),
            "steps": [step.to_dict() for step in self.steps],
        }
