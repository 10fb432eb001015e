"""Where everything of a diagram stands: boxes, texts, lines, in units of which 640 are the width.

A `Picture` is the whole of it; `paint` only writes it down, so that tests can look at a picture
and ask what a reader would: is a text cut, do two things lie on one another?
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

from swarmlab.handout.diagrams.measure import width
from swarmlab.handout.diagrams.model import Kind, Part, Way

WIDTH = 640.0
MARGIN = 12.0
LABEL = 13.0
SMALL = 11.5
LEADING = 1.3
ASCENT = 0.86  # from the top of a line to its base line, in em of the line's size


@dataclass(frozen=True)
class Box:
    """A rectangle; y grows downwards."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def cx(self) -> float:
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        return self.y + self.h / 2

    def holds(self, other: Box) -> bool:
        """Whether the other lies inside, borders included; a hundredth is no difference."""
        return (
            other.x >= self.x - 0.01
            and other.y >= self.y - 0.01
            and other.right <= self.right + 0.01
            and other.bottom <= self.bottom + 0.01
        )

    def meets(self, other: Box) -> bool:
        """Whether both share some area; a common border is none."""
        return (
            self.x < other.right - 0.01
            and other.x < self.right - 0.01
            and self.y < other.bottom - 0.01
            and other.y < self.bottom - 0.01
        )

    def grown(self, by: float) -> Box:
        return Box(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)


@dataclass(frozen=True)
class Text:
    """One line of writing. `x` is its middle, beginning or end, as `anchor` says."""

    text: str
    x: float
    base: float
    size: float = SMALL
    bold: bool = False
    italic: bool = False
    anchor: str = "middle"

    @property
    def box(self) -> Box:
        wide = width(self.text, self.size, bold=self.bold)
        left = {"start": self.x, "middle": self.x - wide / 2, "end": self.x - wide}[self.anchor]
        return Box(left, self.base - ASCENT * self.size, wide, 1.1 * self.size)


@dataclass(frozen=True)
class Badge:
    """A letter in a sign of its own: who started a container, which configuration it is."""

    letter: str
    x: float
    y: float
    size: float = 16.0

    @property
    def box(self) -> Box:
        return Box(self.x, self.y, self.size, self.size)


@dataclass(frozen=True)
class Placed:
    """A part in its place with its writing; `parents` are the ids of the parts around it."""

    part: Part
    box: Box
    texts: tuple[Text, ...] = ()
    badge: Badge | None = None
    parents: tuple[str, ...] = ()

    def edge(self, x: float, *, top: bool) -> float:
        """Where the part's outline is at `x`: the box's edge; of cylinders, round."""
        y = self.box.y if top else self.box.bottom
        if self.part.kind in (Kind.REGISTRY, Kind.AGENT):
            aside = min(1.0, abs(x - self.box.cx) / (self.box.w / 2))
            depth = BULGE * (1 - sqrt(1 - aside**2))
            y += depth if top else -depth
        return y


Point = tuple[float, float]
BULGE = 5.0  # how far the lid and the bottom of a cylinder are curved


@dataclass(frozen=True)
class Line:
    """A run of straight pieces; a head at its end, at its beginning, or none."""

    points: tuple[Point, ...]
    end: bool = False
    begin: bool = False


@dataclass(frozen=True)
class Drawn:
    """An arrow in its place: lines, its words, and the box that keeps these free."""

    way: Way
    lines: tuple[Line, ...]
    ends: tuple[str, ...]
    texts: tuple[Text, ...] = ()
    cross: Point | None = None

    @property
    def plate(self) -> Box | None:
        """The white ground under the words."""
        if not self.texts:
            return None
        boxes = [text.box for text in self.texts]
        left, top = min(box.x for box in boxes), min(box.y for box in boxes)
        right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
        return Box(left - 3, top - 1, right - left + 6, bottom - top + 2)


@dataclass(frozen=True)
class Sample:
    """One entry of the key: a piece of line, or a badge, and what it means."""

    text: Text
    way: Way | None = None
    badge: Badge | None = None
    x: float = 0
    y: float = 0


@dataclass
class Picture:
    """All that is to be painted, in this order."""

    name: str
    language: str
    title: str
    description: str
    height: float = 0
    placed: list[Placed] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    heading: list[Text] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    verdict: tuple[Box, tuple[Text, ...], bool] | None = None
    key: list[Sample] = field(default_factory=list)

    def at(self, identity: str) -> Placed:
        """The part with that id. Raises KeyError."""
        for placed in self.placed:
            if placed.part.id == identity:
                return placed
        raise KeyError(identity)

    def texts(self) -> list[Text]:
        """Everything written in the picture."""
        found = [*self.heading, *self.notes]
        found += [text for placed in self.placed for text in placed.texts]
        found += [text for drawn in self.drawn for text in drawn.texts]
        found += [sample.text for sample in self.key]
        return found + list(self.verdict[1] if self.verdict else ())
