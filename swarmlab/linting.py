"""Everything that can be found wrong in a lab's folder without running it, at once.

The lab file, the texts in every language, the pages and pictures of the handout, the diagrams.
Reads files and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmlab import loader
from swarmlab.errors import LabFileError, Problem
from swarmlab.handout import pages
from swarmlab.handout.diagrams import load as diagrams
from swarmlab.loading import nodes
from swarmlab.loading.fields import Fields, Notes
from swarmlab.loading.file import content, there
from swarmlab.model import Lab
from swarmlab.words import say

LINT_VERSION = 1


@dataclass(frozen=True)
class Linted:
    """What was found in `folder`; `lab` is None when `lab.yaml` or a text is not sound."""

    folder: Path
    lab: Lab | None
    problems: tuple[Problem, ...]

    @property
    def steps(self) -> int:
        return len(self.lab.steps) if self.lab else 0

    @property
    def checks(self) -> int:
        """All checks and observers, those of commands among them."""
        if self.lab is None:
            return 0
        return sum(
            len(step.checks) + sum(len(c.checks) + len(c.during) for c in step.commands)
            for step in self.lab.steps
        )

    @property
    def mistakes(self) -> int:
        return sum(len(step.mistakes) for step in self.lab.steps) if self.lab else 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": LINT_VERSION,
            "folder": str(self.folder),
            "lab": self.lab.id if self.lab else None,
            "sound": not self.problems,
            "steps": self.steps,
            "checks": self.checks,
            "mistakes": self.mistakes,
            "problems": [
                {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
                for one in self.problems
            ],
        }


def lint(folder: Path, *, images: Mapping[str, str]) -> Linted:
    """Look through the lab in `folder`; whatever the files hold, problems and no exception."""
    lab: Lab | None = None
    problems: list[Problem] = []
    try:
        lab = loader.load(folder, images=images)
    except LabFileError as error:
        problems += error.problems
    known: set[str] = set()
    if there(folder / diagrams.FILE):
        try:
            library = diagrams.read(folder / diagrams.FILE)
            known = {one.name for one in library.diagrams}
        except LabFileError as error:
            problems += error.problems
    try:
        around = pages.load(folder)
    except LabFileError as error:
        problems += error.problems
    else:
        if lab is not None and around.pictures:
            problems += _pictures(lab, around, known)
    return Linted(folder, lab, tuple(dict.fromkeys(problems)))


def _pictures(lab: Lab, around: pages.Pages, known: set[str]) -> list[Problem]:
    """Whether each picture of the handout is drawn, and has its place in a step."""
    notes = Notes(pages.PAGES_FILE)
    data = content(lab.folder / pages.PAGES_FILE, nodes.MAX_BYTES)
    root = nodes.parse(data, Notes("").at)
    if root is None:
        return []
    entries = Fields(Notes(""), root, "", pages.PAGES).items("pictures")
    for node, place in zip(entries, around.pictures, strict=True):
        fields = Fields(notes, node, say("picture {name!r}", name=place.name), pages.PLACE)
        if place.name not in known:
            told = notes.none_of(place.name, known)
            fields.wrong("name", say("{file} draws no {text}{near}", file=diagrams.FILE, **told))
        step = lab.find(place.step)
        if step is None or step.id != place.step:
            told = notes.none_of(place.step, [one.id for one in lab.steps])
            fields.wrong("step", say("{text} is no step{near}", **told))
            continue
        commands = [command.id for command in step.commands]
        if place.after and place.after not in commands:
            told = notes.none_of(place.after, commands)
            fields.wrong(
                "after",
                say("step {number} has no command {text}{near}", number=step.number, **told),
            )
    return notes.problems
