"""What a reader's eye would complain about in a diagram, as assertions on its picture."""

from __future__ import annotations

from itertools import combinations

from swarmlab.handout.diagrams.geometry import MARGIN, WIDTH, Box, Picture


def texts_fit(seen: Picture) -> None:
    """Every text lies on the paper and inside the part that it belongs to."""
    paper = Box(MARGIN / 2, 0, WIDTH - MARGIN, seen.height)
    for text in seen.texts():
        assert paper.holds(text.box), f"{text.text!r} leaves the paper"
    for placed in seen.placed:
        for text in placed.texts:
            assert placed.box.holds(text.box), f"{text.text!r} leaves {placed.part.id}"
            if placed.badge:
                assert not placed.badge.box.meets(text.box), f"{text.text!r} on its badge"
    if seen.verdict:
        box, texts, _ = seen.verdict
        assert all(box.holds(text.box) for text in texts)


def texts_apart(seen: Picture) -> None:
    """No two texts lie on one another."""
    for one, other in combinations(seen.texts(), 2):
        assert not one.box.meets(other.box), f"{one.text!r} on {other.text!r}"


def parts_apart(seen: Picture) -> None:
    """Parts lie apart, or one wholly inside the other."""
    for one, other in combinations(seen.placed, 2):
        if one.part.id in other.parents:
            assert one.box.holds(other.box), f"{other.part.id} leaves {one.part.id}"
        else:
            assert not one.box.meets(other.box), f"{one.part.id} on {other.part.id}"
