"""From what a diagram says to where it stands: rows of parts, as high as their words need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlab.handout.diagrams.geometry import (
    ASCENT,
    LABEL,
    LEADING,
    MARGIN,
    SMALL,
    WIDTH,
    Badge,
    Box,
    Picture,
    Placed,
    Text,
)
from swarmlab.handout.diagrams.load import Library
from swarmlab.handout.diagrams.measure import wrap
from swarmlab.handout.diagrams.model import Diagram, Kind, Part, Row, State
from swarmlab.handout.diagrams.route import route
from swarmlab.handout.diagrams.surround import heading, key, notes, verdict

GUTTER = 14.0  # between the twelfths
BADGE = 20.0

# Left and right, top, bottom: what the shape itself takes of its box.
_PADS: dict[Kind, tuple[float, float, float]] = {
    Kind.PERSON: (9, 6, 6),
    Kind.MANAGER: (13, 8, 8),
    Kind.NODE: (9, 6, 9),
    Kind.CONTAINER: (6, 5, 5),
    Kind.REGISTRY: (8, 14, 10),
    Kind.AGENT: (8, 14, 10),
    Kind.PROXY: (13, 7, 7),
    Kind.SERVICE: (9, 6, 6),
    Kind.NETWORK: (14, 5, 5),
    Kind.NOTE: (11, 7, 7),
    Kind.RESULT: (8, 6, 6),
    Kind.PLAIN: (2, 3, 3),
}
CROSS = 18.0  # the room for the cross of what was killed
HEAD = 30.0  # the room for a person's head, left of what is said
_PLAIN_LABEL = (Kind.PERSON, Kind.NOTE, Kind.PLAIN)

Say = Callable[[str], str]


@dataclass(frozen=True)
class _Written:
    """A part's lines of writing and the height they need."""

    lines: tuple[tuple[str, float, bool, bool], ...]  # text, size, bold, italic

    @property
    def height(self) -> float:
        return sum(size * LEADING for _, size, _, _ in self.lines)


def picture(diagram: Diagram, library: Library, language: str) -> Picture:
    """The diagram in that language, everything in its place."""

    def word(name: str) -> str:
        return library.words[name].says(language)

    drawing = Picture(
        diagram.name, language, diagram.title.says(language), diagram.description.says(language)
    )
    y = heading(drawing, diagram, word)
    for row in diagram.rows:
        y += row.gap
        y = _place_row(drawing, row, y, language, word)
    drawing.drawn += [route(drawing, arrow, language) for arrow in diagram.arrows]
    lowest = [
        point[1] + 8 for drawn in drawing.drawn for line in drawn.lines for point in line.points
    ]
    lowest += [drawn.plate.bottom + 4 for drawn in drawing.drawn if drawn.plate]
    y = max([y, *lowest])
    y = notes(drawing, diagram, y, language)
    y = verdict(drawing, diagram, y, word)
    y = key(drawing, diagram, y, language, word)
    drawing.height = y + MARGIN
    return drawing


def _place_row(drawing: Picture, row: Row, y: float, language: str, word: Say) -> float:
    """Place the row's parts from y on; all get the height of the highest. Returns its bottom."""
    twelfth = (WIDTH - 2 * MARGIN + GUTTER) / 12
    spots = [
        (part, MARGIN + part.column * twelfth, part.span * twelfth - GUTTER) for part in row.parts
    ]
    inner = _inner_heights(row, {part.id: wide for part, _, wide in spots}, language, word)
    height = max(_height(part, wide, language, word, inner) for part, _, wide in spots)
    for part, x, wide in spots:
        _place(drawing, part, Box(x, y, wide, height), language, word, inner, ())
    return y + height


def _inner_heights(row: Row, wides: dict[str, float], language: str, word: Say) -> list[float]:
    """The heights of what nodes of a row hold, line by line the same in all of them."""
    heights: list[float] = []
    for part in row.parts:
        room = _inner_width(part, wides[part.id])
        for place, held in enumerate(part.holds):
            line = place // part.across
            heights += [0.0] * (line + 1 - len(heights))
            heights[line] = max(heights[line], _height(held, room, language, word, []))
    return heights


def _inner_width(part: Part, wide: float) -> float:
    pad = _PADS[part.kind][0]
    return (wide - 2 * pad - (part.across - 1) * 8) / part.across


def _height(part: Part, wide: float, language: str, word: Say, inner: list[float]) -> float:
    _, top, bottom = _PADS[part.kind]
    need = top + _written(part, wide, language, word).height + bottom
    if part.kind is Kind.NODE and inner:
        lines = -(-len(part.holds) // part.across) or 1
        need += 5 + sum(inner[:lines]) + (lines - 1) * part.inner
    return max(need, 28.0 if part.kind is not Kind.PLAIN else 0.0)


def _place(
    drawing: Picture,
    part: Part,
    box: Box,
    language: str,
    word: Say,
    inner: list[float],
    parents: tuple[str, ...],
) -> None:
    side, top, bottom = _PADS[part.kind]
    written = _written(part, box.w, language, word)
    left = box.x + side + (HEAD if part.kind is Kind.PERSON else 0)
    badge = None
    if part.mark:
        badge = Badge(part.mark, box.x + side - 1, box.cy - 8)
        left += BADGE
    middle = (left + box.right - side) / 2
    y = box.y + top
    if part.kind is not Kind.NODE:
        y += (box.h - top - bottom - written.height) / 2
    texts = []
    for text, size, bold, italic in written.lines:
        base = y + (LEADING - 1) / 2 * size + ASCENT * size
        if part.kind is Kind.NODE:  # at the left, out of the way of arrows that come from above
            texts.append(Text(text, left + 2, base, size, bold, italic, anchor="start"))
        else:
            texts.append(Text(text, middle, base, size, bold, italic))
        y += size * LEADING
    drawing.placed.append(Placed(part, box, tuple(texts), badge, parents))
    y += 5
    room = _inner_width(part, box.w)
    for place, held in enumerate(part.holds):
        line, column = divmod(place, part.across)
        x = box.x + side + column * (room + 8)
        held_y = y + sum(inner[:line]) + line * part.inner
        spot = Box(x, held_y, room, inner[line])
        _place(drawing, held, spot, language, word, [], (*parents, part.id))


def _written(part: Part, wide: float, language: str, word: Say) -> _Written:
    side = _PADS[part.kind][0]
    room = wide - 2 * side
    room -= HEAD if part.kind is Kind.PERSON else 0
    room -= BADGE if part.mark else 0
    room -= 2 * CROSS if part.state is State.KILLED else 0
    lines: list[tuple[str, float, bool, bool]] = []
    bold = part.kind not in _PLAIN_LABEL
    size = LABEL if part.kind not in (Kind.CONTAINER, Kind.NOTE, Kind.PLAIN) else SMALL + 0.5
    bold = bold and part.kind is not Kind.CONTAINER
    if part.label:
        label = part.label.says(language)
        lines += [(text, size, bold, False) for text in wrap(label, room, size, bold=bold)]
    for line in part.lines:
        lines += [(text, SMALL, False, False) for text in wrap(line.says(language), room, SMALL)]
    if part.state is not State.RUNS:
        lines += [(word(part.state.value), SMALL, True, False)]
    return _Written(tuple(lines))
