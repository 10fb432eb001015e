"""What a lab's handout says beside the steps: aims, glossary, troubles.

Read from `handout.yaml` in the lab's folder (English) and `text/<language>/handout.yaml`
(other languages). A lab without the file has empty pages. Reads files and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarmlab.errors import LabFileError
from swarmlab.loader import MAIN_LANGUAGE
from swarmlab.loading import nodes
from swarmlab.loading.fields import Fields, Notes
from swarmlab.loading.file import content
from swarmlab.words import say

PAGES_FILE = "handout.yaml"

PAGES = ("learn", "glossary", "troubles", "card", "pictures")
TERM = ("term", "meaning")
TROUBLE = ("see", "do")
GROUP = ("title", "lines")
LINE = ("type", "what")
PLACE = ("name", "step", "after", "instead")


@dataclass(frozen=True)
class Term:
    """A word of the glossary; `meaning` may hold Markdown within a line."""

    term: str
    meaning: str


@dataclass(frozen=True)
class Trouble:
    """What a student sees when something is wrong, and what to do; Markdown within a line."""

    see: str
    do: str


@dataclass(frozen=True)
class CardLine:
    """A command of the card, and what it does in a few words."""

    type: str
    what: str


@dataclass(frozen=True)
class CardGroup:
    """Commands of the card that belong together."""

    title: str
    lines: tuple[CardLine, ...]


@dataclass(frozen=True)
class Place:
    """Where a drawn diagram stands: after a command of the step, or instead of a plain picture.

    `instead` is the plain picture's number in the step's text, from 1; 0 with `after`.
    """

    name: str
    step: str
    after: str = ""
    instead: int = 0


@dataclass(frozen=True)
class Pages:
    """The pages around the steps.

    `learn` is a list of aims, each a sentence; `card` is the page to keep beside the keyboard.
    `pictures` are the same in every language and stand in the English file only.
    """

    learn: tuple[str, ...] = ()
    glossary: tuple[Term, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    card: tuple[CardGroup, ...] = ()
    pictures: tuple[Place, ...] = ()


def pages_file(folder: Path, language: str) -> Path:
    """Where the pages of that language are kept for the lab in `folder`."""
    if language == MAIN_LANGUAGE:
        return folder / PAGES_FILE
    return folder / "text" / language / PAGES_FILE


def load(folder: Path, language: str = MAIN_LANGUAGE) -> Pages:
    """The pages of the lab in `folder`; empty where there is no file.

    Raises LabFileError with all problems of the file.
    """
    path = pages_file(folder, language)
    notes = Notes(path.relative_to(folder).as_posix())
    try:
        data = content(path, nodes.MAX_BYTES)
    except FileNotFoundError:
        return Pages()
    except OSError as error:
        notes.add(None, say("cannot be read: {why}", why=error.strerror or error))
        raise LabFileError(str(folder), notes.problems) from error
    root = nodes.parse(data, notes.at)
    pages = _pages(root, notes) if root is not None else Pages()
    if notes.problems:
        in_order = sorted(set(notes.problems), key=lambda p: (p.line, p.column, p.message))
        raise LabFileError(str(folder), in_order)
    return pages


def _pages(root: nodes.Node, notes: Notes) -> Pages:
    fields = Fields(notes, root, say("the handout"), PAGES)
    terms = []
    for node in fields.items("glossary"):
        one = Fields(notes, node, say("a term"), TERM)
        terms.append(Term(one.text("term"), one.text("meaning")))
    troubles = []
    for node in fields.items("troubles"):
        one = Fields(notes, node, say("a trouble"), TROUBLE)
        troubles.append(Trouble(one.text("see"), one.text("do")))
    groups = []
    for node in fields.items("card"):
        group = Fields(notes, node, say("a group of the card"), GROUP)
        what = say("a line of the card")
        lines = [Fields(notes, item, what, LINE) for item in group.items("lines")]
        groups.append(
            CardGroup(
                group.text("title"),
                tuple(CardLine(line.text("type"), line.text("what")) for line in lines),
            )
        )
    places = []
    for node in fields.items("pictures"):
        one = Fields(notes, node, say("a picture"), PLACE)
        after = one.slug("after", "")
        instead = 0 if after else one.whole("instead", 1, 99) or 0
        places.append(Place(one.slug("name"), one.slug("step"), after, instead))
    learn = tuple(fields.texts("learn"))
    return Pages(learn, tuple(terms), tuple(troubles), tuple(groups), tuple(places))
