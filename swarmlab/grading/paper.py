"""One student's result as it is graded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmlab.model import Lab
from swarmlab.points import Points, total
from swarmlab.results import RunResult, StepResult


@dataclass(frozen=True)
class Paper:
    """What one result earned: `steps` has points by the step's number, for those looked at.

    `file` is where it was read from, empty for a live lab; `signed` says whether the teacher's key
    vouches for it. `started` is UTC in ISO 8601, `worth` the points of the whole lab.
    """

    student: str
    file: str
    cluster: str
    started: str
    command: str
    verdict: str
    signed: bool
    worth: float
    steps: Mapping[int, Points]

    @property
    def points(self) -> Points:
        """Of the whole lab: what was not looked at earns nothing."""
        found = total(self.steps.values())
        return Points(found.earned, self.worth, found.recorded, found.unknown)

    @property
    def who(self) -> str:
        """The student's name, as two spellings of one name are compared."""
        return same_name(self.student)

    def to_dict(self) -> dict[str, Any]:
        return {
            "student": self.student,
            "file": self.file,
            "cluster": self.cluster,
            "started": self.started,
            "command": self.command,
            "verdict": self.verdict,
            "signed": self.signed,
            "points": self.points.to_dict(),
            "steps": [
                {"number": number, "points": points.to_dict()}
                for number, points in sorted(self.steps.items())
            ],
        }


def of(lab: Lab, result: RunResult, *, file: str = "", signed: bool = False) -> Paper:
    """The paper of a result of that lab."""
    return Paper(
        student=result.student,
        file=file,
        cluster=result.cluster,
        started=result.started,
        command=result.command,
        verdict=result.verdict.value,
        signed=signed,
        worth=lab.worth,
        steps=_points(result.steps),
    )


def same_name(name: str) -> str:
    """The name without what two spellings of it differ in: case, spaces, width of letters."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def shown(path: Path) -> str:
    """A file's name for a terminal, with a sign in place of what would command it."""
    return "".join(one if one.isprintable() else "?" for one in str(path))


def _points(steps: Iterable[StepResult]) -> dict[int, Points]:
    return {step.number: step.points for step in steps if step.points.of}
