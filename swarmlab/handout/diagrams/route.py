"""The ways of arrows: straight down, up or across; or around below or above their parts."""

from __future__ import annotations

from itertools import pairwise

from swarmlab.handout.diagrams.geometry import (
    ASCENT,
    LEADING,
    SMALL,
    Box,
    Drawn,
    Line,
    Picture,
    Placed,
    Point,
    Text,
)
from swarmlab.handout.diagrams.measure import wrap
from swarmlab.handout.diagrams.model import Arrow, Side, Way

NEAR = 12.0
"""Ends that are less than this apart sideways, in units, are joined by one straight line."""

_BOTH = (Way.STATE,)
_NEITHER = (Way.GOSSIP,)


def route(drawing: Picture, arrow: Arrow, language: str) -> Drawn:
    """The arrow in its place among the parts. Raises KeyError for an end that is not there."""
    sources = [drawing.at(one) for one in arrow.sources]
    targets = [drawing.at(one) for one in arrow.targets]
    if arrow.side is not Side.AUTO:
        lines, words = _around(arrow, sources, targets)
    elif max(one.box.bottom for one in sources) <= min(one.box.y for one in targets):
        lines, words = _between(arrow, sources, targets, down=True)
    elif max(one.box.bottom for one in targets) <= min(one.box.y for one in sources):
        lines, words = _between(arrow, sources, targets, down=False)
    else:
        lines, words = _across(arrow, sources[0].box, targets[0].box)
    middle = _at(words, 0.5)
    return Drawn(
        arrow.way,
        tuple(lines),
        (*arrow.sources, *arrow.targets),
        _words(arrow, words, language),
        middle if arrow.crossed else None,
    )


def _between(
    arrow: Arrow, sources: list[Placed], targets: list[Placed], *, down: bool
) -> tuple[list[Line], tuple[Point, Point]]:
    """From row to row: trunk, crossbar, branches; one straight line where that will do."""
    starts = [_end(one, arrow.leave, top=not down) for one in sources]
    ends = [_end(one, arrow.arrive, top=down) for one in targets]
    if down:
        y1, y2 = max(y for _, y in starts), min(y for _, y in ends)
    else:
        y1, y2 = min(y for _, y in starts), max(y for _, y in ends)
    return _tree(arrow, starts, ends, y1 + arrow.level * (y2 - y1))


def _end(placed: Placed, share: float, *, top: bool) -> Point:
    x = placed.box.x + share * placed.box.w
    return x, placed.edge(x, top=top)


def _around(
    arrow: Arrow, sources: list[Placed], targets: list[Placed]
) -> tuple[list[Line], tuple[Point, Point]]:
    """Out at the bottom (or top) of all parts, and by a crossbar beyond them."""
    under = arrow.side is Side.UNDER
    starts = [_end(one, arrow.leave, top=not under) for one in sources]
    ends = [_end(one, arrow.arrive, top=not under) for one in targets]
    ys = [y for _, y in starts + ends]
    bar = max(ys) + arrow.reach if under else min(ys) - arrow.reach
    return _tree(arrow, starts, ends, bar)


def _tree(
    arrow: Arrow, starts: list[Point], ends: list[Point], bar: float
) -> tuple[list[Line], tuple[Point, Point]]:
    begin, end = arrow.way in _BOTH, arrow.way not in _NEITHER
    if len(starts) == len(ends) == 1:
        (x1, y1), (x2, y2) = starts[0], ends[0]
        if abs(x1 - x2) < NEAR:
            return [Line(((x2, y1), (x2, y2)), end, begin)], ((x2, y1), (x2, y2))
        points = ((x1, y1), (x1, bar), (x2, bar), (x2, y2))
        return [Line(points, end, begin)], _longest(points)
    xs = [x for x, _ in starts + ends]
    # The crossbar is one piece and each branch another: dashes drawn twice would fill up.
    lines = [Line(((min(xs), bar), (max(xs), bar)))]
    lines += [Line(((x, bar), (x, y)), begin) for x, y in starts]
    lines += [Line(((x, bar), (x, y)), end) for x, y in ends]
    return lines, ((min(xs), bar), (max(xs), bar))


def _across(arrow: Arrow, source: Box, target: Box) -> tuple[list[Line], tuple[Point, Point]]:
    """Within a row: from side to side, at a height that both have."""
    top, bottom = max(source.y, target.y), min(source.bottom, target.bottom)
    y = top + arrow.leave * (bottom - top)
    if source.right <= target.x:
        points = ((source.right, y), (target.x, y))
    else:
        points = ((source.x, y), (target.right, y))
    line = Line(points, arrow.way not in _NEITHER, arrow.way in _BOTH)
    return [line], points


def _longest(points: tuple[Point, ...]) -> tuple[Point, Point]:
    pieces = list(pairwise(points))
    return max(pieces, key=lambda piece: abs(piece[0][0] - piece[1][0]))


def _at(piece: tuple[Point, Point], share: float) -> Point:
    (x1, y1), (x2, y2) = piece
    return x1 + share * (x2 - x1), y1 + share * (y2 - y1)


def _words(arrow: Arrow, piece: tuple[Point, Point], language: str) -> tuple[Text, ...]:
    """The arrow's words, on the middle of their piece of line."""
    if not arrow.label:
        return ()
    lines = wrap(arrow.label.says(language), arrow.label_width, SMALL)
    x, y = _at(piece, arrow.label_at)
    x += arrow.label_shift
    top = y - len(lines) * SMALL * LEADING / 2
    return tuple(
        Text(line, x, top + (place + 0.5) * SMALL * LEADING + (ASCENT - 0.5) * SMALL)
        for place, line in enumerate(lines)
    )
