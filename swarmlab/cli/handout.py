"""`record` and `handout`: the lab on paper, from a run that really happened."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.cli import options
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.handout.document import Document

PANEL = "On paper"


class Format(StrEnum):
    """What kind of file is made."""

    MARKDOWN = "md"
    HTML = "html"
    PDF = "pdf"


class Audience(StrEnum):
    """Whom a handout is for."""

    STUDENT = "student"
    TEACHER = "teacher"


class Paper(StrEnum):
    """The size of the paper."""

    A4 = "A4"
    LETTER = "Letter"


def record(
    name: Annotated[
        str,
        typer.Option(
            "--name", help="The lab to record on; it is made, and removed.", callback=options._name
        ),
    ] = "recording",
    lab_id: options.LabName = options.DEFAULT_LAB,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write; default: the lab's own recording."),
    ] = None,
    language: options.Language = options.DEFAULT_LANGUAGE,
) -> None:
    """Run the whole chapter on a live lab and keep what was printed, for handouts and --replay.

    The lab of that name is begun anew and removed by the last step. Nothing is written unless
    every step passed.
    """
    from swarmlab import loader, recorder, recording
    from swarmlab.cluster import lifecycle
    from swarmlab.cluster.workspace import LabWorkspace
    from swarmlab.console import ConsoleProgress
    from swarmlab.report.live import QuietListener
    from swarmlab.student import ProgressStore

    options.speak(language)
    lab = loader.find(lab_id)
    path = out or recording.file(lab, "local")
    with lifecycle.lock(name), LabWorkspace(name, lab, ConsoleProgress()) as workspace:
        made = recorder.record(
            lab,
            workspace=workspace,
            progress=ProgressStore(name, lab=lab.id),
            listener=QuietListener(),
        )
    before = recording.load(lab) if out is None else None
    if before is not None and not recording.differences(before, made):
        typer.echo(say("The words are those of the recording before."))
    recording.save(made, path)
    count = sum(len(step.commands) for step in made.steps)
    typer.echo(
        say(
            "Recorded {count} commands of {steps} steps in {path}",
            count=count,
            steps=len(made.steps),
            path=path,
        )
    )


def handout(
    lab_id: options.LabName = options.DEFAULT_LAB,
    language: Annotated[
        str,
        typer.Option(
            "--lang",
            envvar="SWARMLAB_LANG",
            help="The language of the handout: en or zh.",
            callback=options._language,
            is_eager=True,
        ),
    ] = options.DEFAULT_LANGUAGE,
    form: Annotated[
        Format, typer.Option("--format", help="Markdown, a web page, or PDF for printing.")
    ] = Format.HTML,
    audience: Annotated[
        Audience,
        typer.Option("--for", help="Teachers get answers, mistakes, times and weights as well."),
    ] = Audience.STUDENT,
    paper: Annotated[Paper, typer.Option("--paper", help="Size of the paper.")] = Paper.A4,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path(),
) -> None:
    """Make the handout of a lab, for students or teachers, with the results of a recorded run.

    Nothing is run and no lab is needed. The web page is one file that needs nothing else; PDF
    needs the extra `swarmlab[pdf]` and the fonts of fonts-noto-cjk.
    """
    from swarmlab import loader, recording
    from swarmlab.errors import EnvironmentProblem
    from swarmlab.handout import compose, markdown
    from swarmlab.loading.languages import localized

    lab = loader.find(lab_id)
    recorded = recording.load(lab)
    old = recording.stale(recorded, lab) if recorded else ()
    if old:
        typer.echo(
            say(
                "Not as in the recording, so without results: {commands}. `swarmlab record` makes"
                " a new one.",
                commands=say(", ").join(old),
            ),
            err=True,
        )
    document = compose.handout(
        localized(lab, language),
        recorded,
        language=language,
        teacher=audience is Audience.TEACHER,
    )
    name = f"{lab.id}-{language}-{audience.value}"
    size = "-letter" if form is Format.PDF and paper is Paper.LETTER else ""
    files: dict[str, bytes] = {}
    if form is Format.MARKDOWN:
        files = {path: text.encode() for path, text in markdown.files(document).items()}
    files[f"{name}{size}.{form.value}"] = _rendered(document, form, paper)
    try:
        for path, data in files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(data)
    except OSError as error:
        raise EnvironmentProblem(
            say("The handout cannot be written: {why}.", why=error),
            hint=say("Choose a folder that you may write to with --out."),
        ) from error
    typer.echo(str(out / f"{name}{size}.{form.value}"))


def _rendered(document: Document, form: Format, paper: Paper) -> bytes:
    from swarmlab.handout import html, markdown, pdf

    if form is Format.MARKDOWN:
        return markdown.render(document).encode()
    page = html.render(document, paper=paper.value)
    return pdf.render(page) if form is Format.PDF else page.encode()


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (handout, record):
        app.command(rich_help_panel=PANEL)(command)
