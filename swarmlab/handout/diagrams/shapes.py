"""The shapes of the kinds of parts, and the signs of badges."""

from __future__ import annotations

from typing import TypedDict
from xml.etree import ElementTree as ET

from swarmlab.handout.diagrams.geometry import BULGE, Badge, Box
from swarmlab.handout.diagrams.model import Kind, State
from swarmlab.handout.diagrams.pen import ALARM, INK, PAPER, n, path, rect

FILLS = {
    Kind.PERSON: PAPER,
    Kind.MANAGER: "#e4edf8",
    Kind.NODE: "#f3f3f1",
    Kind.CONTAINER: PAPER,
    Kind.REGISTRY: "#fbf1d3",
    Kind.AGENT: PAPER,
    Kind.PROXY: "#e5f3e8",
    Kind.SERVICE: PAPER,
    Kind.NETWORK: "#f1ecf6",
    Kind.NOTE: PAPER,
    Kind.RESULT: PAPER,
}


class _Stroke(TypedDict):
    stroke: str
    stroke_width: float
    stroke_dasharray: str


def outline(root: ET.Element, kind: Kind, box: Box, state: State) -> None:
    """The shape of a part of that kind; its state shows in the line."""
    stroke: _Stroke = {
        "stroke": ALARM if state is State.KILLED else INK,
        "stroke_width": 3 if state is State.NEW else 1.3,
        "stroke_dasharray": "5 3" if state is State.KILLED or kind is Kind.AGENT else "",
    }
    fill = FILLS[kind]
    x, y, r, b = box.x, box.y, box.right, box.bottom
    if kind is Kind.PERSON:
        _person(root, box)
    elif kind is Kind.MANAGER:
        c = 9
        d = (
            f"M{n(x + c)} {n(y)} H{n(r - c)} L{n(r)} {n(y + c)} V{n(b - c)}"
            f" L{n(r - c)} {n(b)} H{n(x + c)} L{n(x)} {n(b - c)} V{n(y + c)} Z"
        )
        path(root, d, fill=fill, **stroke)
    elif kind in (Kind.REGISTRY, Kind.AGENT):
        half, e = n(box.w / 2), BULGE
        d = (
            f"M{n(x)} {n(y + e)} A{half} {e:g} 0 0 1 {n(r)} {n(y + e)} V{n(b - e)}"
            f" A{half} {e:g} 0 0 1 {n(x)} {n(b - e)} Z"
        )
        path(root, d, fill=fill, **stroke)
        lid = f"M{n(x)} {n(y + e)} A{half} {e:g} 0 0 0 {n(r)} {n(y + e)}"
        path(root, lid, **stroke)
    elif kind is Kind.PROXY:
        rect(root, box, fill=fill, **stroke)
        for bar in (x + 6, r - 6):
            path(root, f"M{n(bar)} {n(y)} V{n(b)}", stroke=INK, stroke_width=1.3)
    elif kind is Kind.NOTE:
        f = 10
        d = f"M{n(x)} {n(y)} H{n(r - f)} L{n(r)} {n(y + f)} V{n(b)} H{n(x)} Z"
        path(root, d, fill=fill, **stroke)
        path(root, f"M{n(r - f)} {n(y)} V{n(y + f)} H{n(r)}", **stroke)
    elif kind is Kind.RESULT:
        for edge in (y, b):
            path(root, f"M{n(x)} {n(edge)} H{n(r)}", stroke=INK, stroke_width=2.4)
    else:
        radius = {Kind.NODE: 4.0, Kind.CONTAINER: 2.0, Kind.SERVICE: 9.0}.get(kind, box.h / 2)
        rect(root, box, fill=fill, rx=radius, **stroke)


def _person(root: ET.Element, box: Box) -> None:
    """Head and shoulders at the left, what is said in a bubble beside them."""
    x, y = box.x + 12, box.cy
    head = {"cx": n(x), "cy": n(y - 8), "r": "6", "fill": INK}
    ET.SubElement(root, "circle", head)
    path(root, f"M{n(x - 11)} {n(y + 13)} a11 12 0 0 1 22 0 Z", fill=INK)
    left, r = box.x + 32, 7
    d = (
        f"M{n(left + r)} {n(box.y)} H{n(box.right - r)} a{r} {r} 0 0 1 {r} {r}"
        f" V{n(box.bottom - r)} a{r} {r} 0 0 1 -{r} {r} H{n(left + r)} a{r} {r} 0 0 1 -{r} -{r}"
        f" V{n(y + 2)} L{n(left - 8)} {n(y - 3)} L{n(left)} {n(y - 5)}"
        f" V{n(box.y + r)} a{r} {r} 0 0 1 {r} -{r} Z"
    )
    path(root, d, fill=PAPER, stroke=INK, stroke_width=1.3)


def badge_sign(root: ET.Element, badge: Badge) -> None:
    """A: black on a white disc; B: white on a black square; others: black in a frame."""
    box = badge.box
    ink = INK
    if badge.letter == "A":
        centre = {"cx": n(box.cx), "cy": n(box.cy), "r": n(box.w / 2)}
        ET.SubElement(
            root, "circle", {**centre, "fill": PAPER, "stroke": INK, "stroke-width": "1.2"}
        )
    elif badge.letter == "B":
        rect(root, box, fill=INK)
        ink = PAPER
    else:
        rect(root, box, fill=PAPER, stroke=INK, stroke_width=1.2)
    size = box.w * 0.72
    base = box.cy + size * 0.36
    letter = {"x": n(box.cx), "y": n(base), "font-size": n(size), "text-anchor": "middle"}
    ET.SubElement(root, "text", {**letter, "font-weight": "700", "fill": ink}).text = badge.letter
