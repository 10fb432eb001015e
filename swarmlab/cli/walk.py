"""`walk`: the chapter as a guided tour."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from swarmlab.cli import chapter
from swarmlab.cli.options import (
    DEFAULT_LAB,
    DEFAULT_LANGUAGE,
    DEFAULT_NAME,
    Catalog,
    LabName,
    Language,
    Name,
)

PANEL = chapter.PANEL

# Terminals on which nothing can be drawn twice.
_DUMB = ("", "dumb", "unknown")


def walk(
    first: Annotated[
        str | None, typer.Option("--from", help="Begin at this step instead of where you left.")
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Redraw nothing and use no colour: for screen readers."),
    ] = False,
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    catalog: Catalog = "",
    lang: Language = DEFAULT_LANGUAGE,
) -> None:
    """Be led through the chapter: read a step, run it or type it, see it proven, go on.

    Between steps you choose: go on, repeat, type the commands yourself while swarmlab looks on, a
    hint, a shell, back, leave. The next `walk` goes on where you left. Without a terminal this is
    `run`.
    """
    from swarmlab import console, terminal

    if not terminal.ours():
        chapter.run(first=first, last=None, name=name, lab_id=lab_id, catalog=catalog, lang=lang)
        return
    plain = plain or os.environ.get("TERM", "") in _DUMB
    if plain:
        console.plain()
    from swarmlab.cluster.hands import LabHands
    from swarmlab.report.tour import TerminalGuide
    from swarmlab.tour import Tour

    lab = chapter.in_language(lang, lab_id, name, catalog)
    begin = chapter.find(lab, first).number if first else None
    hands = LabHands(lab, name, console.ConsoleProgress())
    Tour(lab, hands, TerminalGuide(plain=plain)).walk(begin)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(rich_help_panel=PANEL)(walk)
