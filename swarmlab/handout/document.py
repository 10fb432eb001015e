"""What a handout consists of: frozen blocks that renderers turn into a page.

Texts named `markdown` hold Markdown; everything else is plain text.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.varying import Piece


@dataclass(frozen=True)
class Prose:
    """Paragraphs and lists."""

    markdown: str


@dataclass(frozen=True)
class Note:
    """A note beside the text: what is in print, what was put to the test."""

    markdown: str


@dataclass(frozen=True)
class Picture:
    """A diagram: `svg` where there is one, else `plain`, lines that must stay as they are.

    `name` is that of the drawn diagram, `title` what stands above it.
    """

    plain: str = ""
    name: str = ""
    svg: str = ""
    title: str = ""


@dataclass(frozen=True)
class Seen:
    """What a command printed in the recorded run.

    `pieces` are None where nothing is recorded. Lines that were left out are replaced by one
    that says so, which is a piece of kind `left-out`.
    """

    pieces: tuple[Piece, ...] | None

    @property
    def text(self) -> str:
        """The output as plain text."""
        return "".join(piece.text for piece in self.pieces or ())

    @property
    def columns(self) -> int:
        """The width of the longest line, counted without spaces at its end."""
        return max((len(line.rstrip().expandtabs()) for line in self.text.splitlines()), default=0)


@dataclass(frozen=True)
class ToType:
    """A command with its number, and what it printed."""

    number: str
    code: str
    on_host: bool
    seen: Seen


@dataclass(frozen=True)
class Question:
    """A question with room to write; `answer` is empty for students."""

    markdown: str
    answer: str = ""


@dataclass(frozen=True)
class Tick:
    """One check as a box to tick; `weight` and `hint` are for teachers."""

    title: str
    weight: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Ticks:
    """All checks of a step."""

    items: tuple[Tick, ...]


@dataclass(frozen=True)
class Show:
    """What a teacher demonstrates, and how long the machine took."""

    markdown: str
    timing: str


@dataclass(frozen=True)
class Wrong:
    """A typical mistake: what is typed and where, which check notices it, what to say."""

    title: str
    code: str
    place: str
    caught: str
    hint: str


@dataclass(frozen=True)
class Mistakes:
    """The typical mistakes of a step."""

    items: tuple[Wrong, ...]


Block = Prose | Note | Picture | ToType | Question | Ticks | Show | Mistakes


@dataclass(frozen=True)
class Section:
    """One step."""

    number: int
    id: str
    title: str
    section: str
    minutes: float
    seconds: float
    points: float
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Row:
    """A row of the glossary or of the troubles; both cells are Markdown within a line."""

    left: str
    right: str


@dataclass(frozen=True)
class CardGroup:
    """Commands of the card that belong together: what to type, and what it does."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Document:
    """A whole handout."""

    title: str
    language: str
    teacher: bool
    version: str
    learn: tuple[str, ...]
    overview: Picture | None
    sections: tuple[Section, ...]
    glossary: tuple[Row, ...]
    troubles: tuple[Row, ...]
    card: tuple[CardGroup, ...]
    origin: str
    versions: tuple[tuple[str, str], ...]
