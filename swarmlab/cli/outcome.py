"""What becomes of a result: JSON on standard output, files, and an exit code."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from swarmlab.errors import SwarmlabError
    from swarmlab.results import RunResult

MOST_LETTERS = 100


Student = Annotated[
    str,
    typer.Option(
        "--student",
        envvar="SWARMLAB_STUDENT",
        help="Who did it: goes into the result, for the teacher.",
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option("--junit", help="Also write the result to this file, as JUnit XML."),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", help="Also write a report with the evidence to this file, as HTML."),
]


@dataclass(frozen=True)
class Outcome:
    """Where a result goes to. Made before anything is run, so that what cannot work fails early."""

    command: str
    as_json: bool
    junit: Path | None
    html: Path | None
    student: str
    key: bytes | None

    def begin(self) -> None:
        """Have its files say that nothing is proven, in the place of what an earlier run left."""
        _begun[:] = [self]
        self.break_off(None)

    def break_off(self, cause: SwarmlabError | None) -> None:
        """Have its files say why nothing is proven, if that is known."""
        if self.junit:
            from swarmlab.report import junit

            write(self.junit, junit.unended(self.command, cause))
        if self.html:
            from swarmlab.report import page

            write(self.html, page.unended(self.command, cause))

    def end(self, result: RunResult) -> NoReturn:
        """Write all that was asked for and end with the result's exit code."""
        from swarmlab import seal

        result = replace(result, student=self.student)
        _begun.clear()
        if self.junit:
            from swarmlab.report import junit

            write(self.junit, junit.render(result))
        if self.html:
            from swarmlab.report import page

            write(self.html, page.render(result))
        if self.as_json:
            typer.echo(json.dumps(seal.sealed(result.to_dict(), self.key), indent=2))
        raise typer.Exit(result.exit_code)


_begun: list[Outcome] = []
"""That of the command that is running, as long as it has no result."""


def outcome(
    command: str,
    as_json: bool,
    junit: Path | None = None,
    html: Path | None = None,
    student: str | None = None,
) -> Outcome:
    """Where the result of `command` goes to.

    Until it is there, the files say that nothing is proven. `student` is None where a command has
    no such option, because its results are not graded.

    Raises UsageError for a file that cannot be written, a key that is no key, and no name.
    """
    from swarmlab import seal
    from swarmlab.console import ConsoleProgress
    from swarmlab.words import say

    for path in (junit, html):
        if path is not None:
            writable(path)
    # Only a result that others will read is signed.
    key = seal.key(os.environ) if as_json else None
    name = checked(student or "")
    if key and student is not None and not name:
        ConsoleProgress().note(
            say("It will be signed without a name, and not be graded so: say whose with --student.")
        )
    made = Outcome(f"swarmlab {command}", as_json, junit, html, name, key)
    made.begin()
    return made


def broken_off(cause: SwarmlabError) -> None:
    """What was begun will have no result: its files say why."""
    from swarmlab.errors import SwarmlabError

    while _begun:
        with suppress(SwarmlabError):
            _begun.pop().break_off(cause)


def checked(student: str) -> str:
    """The name in one line. Raises UsageError for what is none."""
    from swarmlab.errors import UsageError
    from swarmlab.words import say

    name = " ".join(student.split())
    if len(name) > MOST_LETTERS or not name.isprintable():
        raise UsageError(
            say("That cannot be a student's name."),
            hint=say("Use up to {most} letters, on one line.", most=MOST_LETTERS),
        )
    return name


def writable(path: Path) -> None:
    """Raises UsageError unless a file of that name can probably be written."""
    from swarmlab.errors import UsageError
    from swarmlab.words import say

    there = path if path.exists() else path.parent
    if path.is_dir() or not there.exists() or not os.access(there, os.W_OK):
        raise UsageError(
            say("{path} cannot be written.", path=str(path)),
            hint=say("Name a file in a folder that is there and yours."),
        )


def write(path: Path, data: bytes) -> None:
    """Raises EnvironmentProblem."""
    from swarmlab.errors import EnvironmentProblem
    from swarmlab.words import say

    try:
        path.write_bytes(data)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise EnvironmentProblem(
            say("{path} could not be written: {reason}.", path=str(path), reason=reason),
            hint=say("Name a file in a folder that is there and yours."),
        ) from error
