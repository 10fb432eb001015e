"""The text of a step on a terminal: Markdown, with the commands where they belong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.constrain import Constrain
from rich.markdown import Heading, Markdown, Paragraph
from rich.text import Text

from swarmlab.console import is_plain
from swarmlab.loader import COMMAND_LINE, MAIN_LANGUAGE
from swarmlab.model import Command, Step
from swarmlab.report.pieces import show, to_type
from swarmlab.report.wrapping import flowing
from swarmlab.words import language as spoken
from swarmlab.words import say

# Longer lines of prose are hard to read, however wide the window is.
PROSE_COLUMNS = 88

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_FENCE = re.compile(
    r"^(```+|~~~+)(?:picture:([^\n`]*)|[^\n`]*)\n(.*?)^\1[ \t]*$\n?", re.MULTILINE | re.DOTALL
)


class _LeftHeading(Heading):
    """A heading at the left margin; Rich centres it and draws a box."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text
        text.justify = "left"
        text.stylize("bold")
        yield text


class _Paragraph(Paragraph):
    """A paragraph whose lines end where Chinese may be broken."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = self.justify
        yield flowing(self.text)


class _Prose(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "paragraph_open": _Paragraph,
    }


class Picture(NamedTuple):
    """Lines that must stay as they are, and what they show for whoever does not see them."""

    lines: str
    words: str = ""


Part = str | Command | Picture
"""Prose, a command, or a picture."""


def parts(step: Step, language: str | None = None) -> Iterator[Part]:
    """The step's text in the order of reading; commands without a place come last.

    The language is that which is spoken, unless another one is asked for.
    """
    text = step.text.get(language or spoken()) or step.text.get(MAIN_LANGUAGE, "")
    commands = {command.id: command for command in step.commands}
    at = 0
    for found in COMMAND_LINE.finditer(text):
        yield from _pictures(text[at : found.start()])
        at = found.end()
        command = commands.pop(found.group(1), None)
        if command is not None:
            yield command
    yield from _pictures(text[at:])
    yield from commands.values()


def _pictures(text: str) -> Iterator[Part]:
    at = 0
    for found in _FENCE.finditer(text):
        if text[at : found.start()].strip():
            yield text[at : found.start()].strip()
        at = found.end()
        yield Picture(found.group(3), (found.group(2) or "").strip())
    if text[at:].strip():
        yield text[at:].strip()


def heading(console: Console, step: Step) -> None:
    """Number and title of a step, and the section of the chapter that it belongs to."""
    head = say("Step {number}: {title}", number=step.number, title=step.title)
    show(console, Text(head, style="bold"))
    if step.section:
        section = say("Chapter section: {section}", section=step.section)
        show(console, Text(section, style="dim"))


def prose(console: Console, text: str) -> None:
    """Markdown without commands or pictures."""
    width = min(console.width, PROSE_COLUMNS)
    # Where colour alone would set code off from the words around it, a pasted sentence would
    # lose it: the backquotes stay.
    text = _CODE.sub(r"`` `\1` ``", text)
    show(console, Constrain(_Prose(text), width), trim=True)


def step_text(console: Console, step: Step, language: str | None = None) -> None:
    """The whole step as a student reads it."""
    heading(console, step)
    for part in parts(step, language):
        show(console, Text(""))
        if isinstance(part, Command):
            to_type(console, part)
        else:
            passage(console, part)


def passage(console: Console, part: str | Picture) -> None:
    """One part that is no command: prose, or a picture line by line.

    Where nothing is drawn, the picture's words stand in its place: read out line by line, it
    would be bars and arrows whose places are what they mean.
    """
    if isinstance(part, Picture) and part.words and is_plain():
        prose(console, say("Picture: {words}", words=part.words))
    elif isinstance(part, Picture):
        for line in part.lines.splitlines():
            show(console, Text(line), wrap=False)
    else:
        prose(console, part)
