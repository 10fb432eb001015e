"""`grade`: many students' results in one table, or a live lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.cli.options import (
    DEFAULT_LAB,
    DEFAULT_LANGUAGE,
    DEFAULT_NAME,
    Json,
    LabName,
    Language,
    Name,
    speak,
)
from swarmlab.cli.outcome import Student
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.grading.sheet import Sheet
    from swarmlab.model import Lab
    from swarmlab.results import RunResult

PANEL = "For teachers"
MANY = 100
"""Files that take a moment to read, so that it is said."""


def grade(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files that `verify --json` or `run --json` wrote, or their folders."),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Look at a running lab instead, at every step of it."),
    ] = False,
    lab_id: LabName = DEFAULT_LAB,
    name: Name = DEFAULT_NAME,
    student: Student = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write the table to this file, as CSV.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write the table to this file, as HTML.")
    ] = None,
    as_json: Json = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Collect students' results into one table, and refuse files that do not count.

    Refused, with the reason: what was changed, what is about another lab or version, what is not a
    result, two students' results of one cluster, what is named like no result, and all but a
    student's newest; without your key also files of several clusters that bear one student's name,
    with it files that bear none. Points are counted anew from each
    check's verdict. With your key in SWARMLAB_GRADE_KEY, or in a file that SWARMLAB_GRADE_KEY_FILE
    names, only what is signed with it counts. Exit code 1 when a file was refused; with --live, as
    `swarmlab verify`.
    """
    from swarmlab import loader
    from swarmlab.cli import outcome
    from swarmlab.cluster import memory
    from swarmlab.errors import EXIT_FAILED, EXIT_PASSED, UsageError

    speak(language)
    if bool(paths) == live:
        raise UsageError(
            say("Name files to grade, or --live: one of the two."),
            hint=say("`swarmlab grade results/` grades a folder, `swarmlab grade --live` a lab."),
        )
    for path in (csv, html):
        if path is not None:
            outcome.writable(path)
    lab = loader.find(lab_id, sources=memory.images(name) if live else None)
    if live:
        result = replace(_looked_at(lab, name), student=outcome.checked(student))
        sheet, code = _live(lab, result, name), result.exit_code
    else:
        sheet = _collected(lab, paths or [], [path for path in (csv, html) if path])
        code = EXIT_FAILED if sheet.refused else EXIT_PASSED
    _show(sheet, csv, html, as_json)
    if live and not as_json:
        _uncounted(lab, result, name)
    raise typer.Exit(code)


def _looked_at(lab: Lab, name: str) -> RunResult:
    from swarmlab.cluster.workspace import LabWorkspace
    from swarmlab.console import ConsoleProgress
    from swarmlab.listener import SilentListener
    from swarmlab.runner import Runner
    from swarmlab.student import ProgressStore

    with LabWorkspace(name, lab, ConsoleProgress()) as workspace:
        runner = Runner(
            lab,
            workspace=workspace,
            progress=ProgressStore(name, lab=lab.id),
            listener=SilentListener(),
        )
        return runner.survey()


def _live(lab: Lab, result: RunResult, name: str) -> Sheet:
    from swarmlab.grading import paper, sheet

    return sheet.live(paper.of(lab, result), lab, name)


def _uncounted(lab: Lab, result: RunResult, name: str) -> None:
    from swarmlab.console import out
    from swarmlab.report import runs
    from swarmlab.student import ProgressStore

    runs.uncounted(out(), lab, result, ProgressStore(name, lab=lab.id).done())


def _collected(lab: Lab, paths: list[Path], but: list[Path]) -> Sheet:
    import os
    from contextlib import nullcontext

    from swarmlab import seal
    from swarmlab.console import ConsoleProgress
    from swarmlab.grading import folder, sheet

    key = seal.key(os.environ)
    found = folder.files(paths, but)
    many = len(found) > MANY
    with (
        ConsoleProgress().stage(say("Reading {count} files", count=len(found)))
        if many
        else nullcontext()
    ):
        return sheet.collect(found, lab, key)


def _show(sheet: Sheet, csv: Path | None, html: Path | None, as_json: bool) -> None:
    from swarmlab.cli import outcome
    from swarmlab.grading import spreadsheet
    from swarmlab.report import grades

    if csv:
        outcome.write(csv, spreadsheet.render(sheet))
    if html:
        outcome.write(html, grades.render(sheet))
    if as_json:
        typer.echo(json.dumps(sheet.to_dict(), indent=2))
    else:
        grades.table(sheet)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(rich_help_panel=PANEL)(grade)
