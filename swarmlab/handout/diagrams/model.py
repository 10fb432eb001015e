"""What a diagram says, before anybody decides where on the paper it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Label:
    """Words in every language of the lab; names that are the same in all have one text."""

    texts: Mapping[str, str]

    def says(self, language: str) -> str:
        """The words in that language. Raises KeyError when they are missing there."""
        return self.texts[""] if "" in self.texts else self.texts[language]

    def __bool__(self) -> bool:
        return bool(self.texts)


NOTHING = Label({})


def same(text: str) -> Label:
    """A name: the same in every language."""
    return Label({"": text})


class Kind(StrEnum):
    """What a part is; each kind has a shape of its own, so that none needs its colour."""

    PERSON = "person"  # a head and what is said
    MANAGER = "manager"  # corners cut
    NODE = "node"  # a grey frame with a name on top, holding other parts
    CONTAINER = "container"  # a plain box
    REGISTRY = "registry"  # a cylinder: it holds data
    AGENT = "agent"  # a dashed cylinder: the same program without data
    PROXY = "proxy"  # a bar at each end
    SERVICE = "service"  # round corners
    NETWORK = "network"  # a flat box over the width, ends round
    NOTE = "note"  # a sheet with a folded corner: what somebody remembers
    RESULT = "result"  # words between two heavy lines: what comes out
    PLAIN = "plain"  # words alone


class State(StrEnum):
    """What happened to a part; said in words as well."""

    RUNS = "runs"
    KILLED = "killed"  # dashed and crossed out
    NEW = "new"  # heavy outline


class Way(StrEnum):
    """What an arrow carries; each has its own line and head."""

    ORDER = "order"  # heavy line, full head
    STARTS = "starts"  # thin line, full head
    REPORT = "report"  # dashed line, open head
    STATE = "state"  # thin line, full heads at both ends
    STORE = "store"  # thin line, open head
    COPY = "copy"  # heavy line of long dashes, full head
    REQUEST = "request"  # dotted line, full head
    ANSWER = "answer"  # dotted line, open head
    RESTORE = "restore"  # dash and dot, full head
    GOSSIP = "gossip"  # dotted line, no head


class Side(StrEnum):
    """By which side of the parts an arrow goes."""

    AUTO = "auto"  # down or up between rows, straight across within one
    UNDER = "under"  # out at the bottom of all its parts and below them
    OVER = "over"  # out at the top of all its parts and above them


@dataclass(frozen=True)
class Part:
    """One thing in a diagram.

    `column` and `span` count twelfths of the width. `mark` is a letter in a badge: who started a
    container, which configuration an instance has. `across`: how many of `holds` stand side by
    side; `inner`: the free height between them, in units.
    """

    id: str
    kind: Kind
    label: Label = NOTHING
    lines: tuple[Label, ...] = ()
    column: float = 0
    span: float = 12
    state: State = State.RUNS
    mark: str = ""
    holds: tuple[Part, ...] = ()
    across: int = 1
    inner: float = 8

    def all(self) -> Iterator[Part]:
        """The part and all that it holds."""
        yield self
        for part in self.holds:
            yield from part.all()


@dataclass(frozen=True)
class Row:
    """Parts side by side; `gap` is the free height above them, in units."""

    parts: tuple[Part, ...]
    gap: float = 40


@dataclass(frozen=True)
class Arrow:
    """A line from one or more parts to one or more parts, drawn as one trunk with branches.

    `leave` and `arrive`: where along the side, 0 to 1. `level`: where its crossbar lies between
    two rows, 0 to 1; `reach`: how far outside it is for UNDER and OVER, in units. `label_at`:
    where on its longest horizontal (else vertical) piece its words stand, 0 to 1, moved to the
    right by `label_shift` units. `crossed`: it does not arrive.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    way: Way
    label: Label = NOTHING
    side: Side = Side.AUTO
    leave: float = 0.5
    arrive: float = 0.5
    level: float = 0.5
    reach: float = 18
    label_at: float = 0.5
    label_shift: float = 0
    label_width: float = 150
    crossed: bool = False


@dataclass(frozen=True)
class Count:
    """The verdict under a diagram: how many were wanted, how many run."""

    wanted: int
    running: int


@dataclass(frozen=True)
class Diagram:
    """A whole diagram; `steps` are the ids of the steps that it explains.

    `figure` is the number of the figure in print whose idea it shows; `description` is the text
    alternative: all that the drawing says, for those who do not see it.
    """

    name: str
    title: Label
    description: Label
    rows: tuple[Row, ...]
    arrows: tuple[Arrow, ...] = ()
    steps: tuple[str, ...] = ()
    figure: str = ""
    count: Count | None = None
    notes: tuple[Label, ...] = ()
    marks: Mapping[str, Label] | None = None

    def parts(self) -> Iterator[Part]:
        """Every part, those inside others too."""
        for row in self.rows:
            for part in row.parts:
                yield from part.all()

    def labels(self) -> Iterator[Label]:
        """Everything that is written, title and description too."""
        yield self.title
        yield self.description
        yield from self.notes
        yield from (self.marks or {}).values()
        for part in self.parts():
            yield part.label
            yield from part.lines
        for arrow in self.arrows:
            yield arrow.label
