"""What stands around the parts: the title above; notes, the verdict and the key below."""

from __future__ import annotations

from collections.abc import Callable

from swarmlab.handout.diagrams.geometry import (
    LABEL,
    LEADING,
    MARGIN,
    WIDTH,
    Badge,
    Box,
    Picture,
    Sample,
    Text,
)
from swarmlab.handout.diagrams.measure import width, wrap
from swarmlab.handout.diagrams.model import Diagram, Way

TITLE = 15.0
KEY = 11.0
BADGE_SIZE = 14.0
SAMPLE = 36.0  # the length of a piece of line in the key

Say = Callable[[str], str]


def heading(drawing: Picture, diagram: Diagram, word: Say) -> float:
    """The title at the left, the figure's number at the right; returns where the rows begin."""
    aside = word("figure").format(number=diagram.figure) if diagram.figure else ""
    room = WIDTH - 2 * MARGIN - (width(aside, KEY) + 16 if aside else 0)
    base = MARGIN + TITLE * 0.9
    if aside:
        drawing.heading.append(Text(aside, WIDTH - MARGIN, base, KEY, anchor="end"))
    for line in wrap(drawing.title, room, TITLE, bold=True):
        drawing.heading.append(Text(line, MARGIN, base, TITLE, bold=True, anchor="start"))
        base += TITLE * LEADING
    return base - TITLE * LEADING + 6


def notes(drawing: Picture, diagram: Diagram, y: float, language: str) -> float:
    """Sentences below the parts; returns the bottom."""
    for note in diagram.notes:
        y += 6
        for line in wrap(note.says(language), WIDTH - 2 * MARGIN - 20, LABEL - 0.5):
            y += (LABEL - 0.5) * LEADING
            drawing.notes.append(Text(line, WIDTH / 2, y, LABEL - 0.5))
        y += 3
    return y


def verdict(drawing: Picture, diagram: Diagram, y: float, word: Say) -> float:
    """`Wanted: 3  ≠  running: 5` between two lines; returns the bottom."""
    if diagram.count is None:
        return y
    wanted, runs = diagram.count.wanted, diagram.count.running
    right = wanted == runs
    y += 14
    texts = (
        word("wanted").format(n=wanted),
        "=" if right else "≠",
        word("running").format(n=runs),
        word("right" if right else "wrong"),
    )
    gap = 14.0
    wides = [width(text, LABEL + 1, bold=True) for text in texts]
    whole = sum(wides) + gap * (len(texts) - 1)
    box = Box(WIDTH / 2 - whole / 2 - 16, y, whole + 32, 30)
    x = box.x + 16
    placed = []
    for text, wide in zip(texts, wides, strict=True):
        placed.append(Text(text, x + wide / 2, y + 20, LABEL + 1, bold=True))
        x += wide + gap
    drawing.verdict = (box, tuple(placed), right)
    return box.bottom


def key(drawing: Picture, diagram: Diagram, y: float, language: str, word: Say) -> float:
    """What lines and badges mean, as far as the diagram uses them; returns the bottom."""
    entries: list[tuple[str, Way | None, str]] = []
    used = {arrow.way for arrow in diagram.arrows}
    entries += [(word(way.value), way, "") for way in Way if way in used]
    entries += [
        (label.says(language), None, letter) for letter, label in (diagram.marks or {}).items()
    ]
    if not entries:
        return y
    y += 14
    x = MARGIN
    height = KEY * LEADING + 5
    for text, way, letter in entries:
        sign = SAMPLE if way else BADGE_SIZE
        wide = sign + 6 + width(text, KEY)
        if x > MARGIN and x + wide > WIDTH - MARGIN:
            x, y = MARGIN, y + height
        base = y + height / 2 + KEY * 0.36
        badge = Badge(letter, x, y + height / 2 - 7, 14) if letter else None
        words = Text(text, x + sign + 6, base, KEY, anchor="start")
        drawing.key.append(Sample(words, way, badge, x, y + height / 2))
        x += wide + 20
    return y + height
