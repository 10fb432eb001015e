"""Writing a picture down as SVG: plain shapes and attributes, no style sheet, no reference.

Meaning is in shape, line and word; the pale colours only help, and vanish in a copier unmissed.
Heads of arrows and hatchings are drawn, not referred to (`marker`, `pattern`): references need ids,
which would clash when a page holds several diagrams, and not every program for paper knows them.
"""

from __future__ import annotations

from math import hypot
from typing import TypedDict
from xml.etree import ElementTree as ET

from swarmlab.handout.diagrams.geometry import (
    BULGE,
    WIDTH,
    Badge,
    Box,
    Drawn,
    Line,
    Picture,
    Placed,
    Point,
    Text,
)
from swarmlab.handout.diagrams.model import Kind, State, Way
from swarmlab.handout.diagrams.surround import SAMPLE

INK = "#1a1a1a"
ALARM = "#9c1320"  # as dark as ink on a copier's paper
PAPER = "#ffffff"
# The families of the handouts' style sheet. Without quotes, and without a space after a comma: for
# WeasyPrint (seen with 70.0) a space is part of the name, and the font is not found.
FONTS = "Noto Sans CJK SC,Noto Sans SC,PingFang SC,Microsoft YaHei,DejaVu Sans,sans-serif"
LANG = {"en": "en", "zh": "zh-Hans"}

_FILLS = {
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
_LINES: dict[Way, tuple[float, str]] = {
    Way.ORDER: (2.4, ""),
    Way.STARTS: (1.2, ""),
    Way.REPORT: (1.4, "6 4"),
    Way.STATE: (1.2, ""),
    Way.STORE: (1.2, ""),
    Way.COPY: (2.4, "12 4"),
    Way.REQUEST: (1.8, "2 4"),
    Way.ANSWER: (1.8, "2 4"),
    Way.RESTORE: (1.6, "9 3 2 3"),
    Way.GOSSIP: (1.4, "1 4"),
}
_OPEN = (Way.REPORT, Way.STORE, Way.ANSWER)


def paint(picture: Picture) -> str:
    """The picture as an SVG document without an XML declaration, fit to stand in a page."""
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH:g} {_n(picture.height)}",
            "width": f"{WIDTH:g}",
            "height": _n(picture.height),
            "role": "img",
            "aria-label": f"{picture.title}. {picture.description}",
            "lang": LANG[picture.language],
            "font-family": FONTS,
            "fill": INK,
        },
    )
    ET.SubElement(root, "title").text = picture.title
    ET.SubElement(root, "desc").text = picture.description
    ground = Box(0, 0, WIDTH, picture.height)
    _rect(root, ground, fill=PAPER)
    for placed in picture.placed:
        _part(root, placed)
    for drawn in picture.drawn:
        _arrow(root, drawn)
    for drawn in picture.drawn:
        if drawn.plate is not None:
            _rect(root, drawn.plate, fill=_ground(picture, drawn.plate), rx=2)
            _texts(root, drawn.texts)
    _texts(root, [*picture.heading, *picture.notes])
    _verdict(root, picture)
    _key(root, picture)
    return ET.tostring(root, encoding="unicode")


def _ground(picture: Picture, plate: Box) -> str:
    """The colour of what the plate lies on: a node's frame, or the paper."""
    around = [one.part.kind for one in picture.placed if one.box.holds(plate)]
    return _FILLS[around[-1]] if around else PAPER


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _rect(
    root: ET.Element, box: Box, *, fill: str, rx: float = 0, **more: str | float
) -> ET.Element:
    attributes = {"x": _n(box.x), "y": _n(box.y), "width": _n(box.w), "height": _n(box.h)}
    if rx:
        attributes["rx"] = _n(rx)
    return ET.SubElement(root, "rect", {**attributes, "fill": fill, **_attributes(more)})


def _path(root: ET.Element, d: str, *, fill: str = "none", **more: str | float) -> None:
    ET.SubElement(root, "path", {"d": d, "fill": fill, **_attributes(more)})


def _attributes(more: dict[str, str | float]) -> dict[str, str]:
    return {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
        for name, value in more.items()
        if value != ""
    }


def _texts(root: ET.Element, texts: list[Text] | tuple[Text, ...]) -> None:
    for text in texts:
        attributes = {"x": _n(text.x), "y": _n(text.base), "font-size": f"{text.size:g}"}
        if text.anchor != "start":
            attributes["text-anchor"] = text.anchor
        if text.bold:
            attributes["font-weight"] = "700"
        if text.italic:
            attributes["font-style"] = "italic"
        ET.SubElement(root, "text", attributes).text = text.text


def _part(root: ET.Element, placed: Placed) -> None:
    part, box = placed.part, placed.box
    group = ET.SubElement(root, "g")
    if part.kind is not Kind.PLAIN:
        _shape(group, part.kind, box, part.state)
    if part.state is State.KILLED:
        _cross(group, (box.right - 14, box.cy), 6)
        name = placed.texts[0]
        d = f"M{_n(name.box.x)} {_n(name.base - name.size * 0.3)} H{_n(name.box.right)}"
        _path(group, d, stroke=ALARM, stroke_width=1.1)
    if placed.badge:
        _badge(group, placed.badge)
    _texts(group, placed.texts)


class _Stroke(TypedDict):
    stroke: str
    stroke_width: float
    stroke_dasharray: str


def _shape(root: ET.Element, kind: Kind, box: Box, state: State) -> None:
    stroke: _Stroke = {
        "stroke": ALARM if state is State.KILLED else INK,
        "stroke_width": 3 if state is State.NEW else 1.3,
        "stroke_dasharray": "5 3" if state is State.KILLED or kind is Kind.AGENT else "",
    }
    fill = _FILLS[kind]
    x, y, r, b = box.x, box.y, box.right, box.bottom
    if kind is Kind.PERSON:
        _person(root, box)
    elif kind is Kind.MANAGER:
        c = 9
        d = (
            f"M{_n(x + c)} {_n(y)} H{_n(r - c)} L{_n(r)} {_n(y + c)} V{_n(b - c)}"
            f" L{_n(r - c)} {_n(b)} H{_n(x + c)} L{_n(x)} {_n(b - c)} V{_n(y + c)} Z"
        )
        _path(root, d, fill=fill, **stroke)
    elif kind in (Kind.REGISTRY, Kind.AGENT):
        half, e = _n(box.w / 2), BULGE
        d = (
            f"M{_n(x)} {_n(y + e)} A{half} {e:g} 0 0 1 {_n(r)} {_n(y + e)} V{_n(b - e)}"
            f" A{half} {e:g} 0 0 1 {_n(x)} {_n(b - e)} Z"
        )
        _path(root, d, fill=fill, **stroke)
        lid = f"M{_n(x)} {_n(y + e)} A{half} {e:g} 0 0 0 {_n(r)} {_n(y + e)}"
        _path(root, lid, **stroke)
    elif kind is Kind.PROXY:
        _rect(root, box, fill=fill, **stroke)
        for bar in (x + 6, r - 6):
            _path(root, f"M{_n(bar)} {_n(y)} V{_n(b)}", stroke=INK, stroke_width=1.3)
    elif kind is Kind.NOTE:
        f = 10
        d = f"M{_n(x)} {_n(y)} H{_n(r - f)} L{_n(r)} {_n(y + f)} V{_n(b)} H{_n(x)} Z"
        _path(root, d, fill=fill, **stroke)
        _path(root, f"M{_n(r - f)} {_n(y)} V{_n(y + f)} H{_n(r)}", **stroke)
    elif kind is Kind.RESULT:
        for edge in (y, b):
            _path(root, f"M{_n(x)} {_n(edge)} H{_n(r)}", stroke=INK, stroke_width=2.4)
    else:
        radius = {Kind.NODE: 4.0, Kind.CONTAINER: 2.0, Kind.SERVICE: 9.0}.get(kind, box.h / 2)
        _rect(root, box, fill=fill, rx=radius, **stroke)


def _person(root: ET.Element, box: Box) -> None:
    """Head and shoulders at the left, what is said in a bubble beside them."""
    x, y = box.x + 12, box.cy
    head = {"cx": _n(x), "cy": _n(y - 8), "r": "6", "fill": INK}
    ET.SubElement(root, "circle", head)
    _path(root, f"M{_n(x - 11)} {_n(y + 13)} a11 12 0 0 1 22 0 Z", fill=INK)
    left, r = box.x + 32, 7
    d = (
        f"M{_n(left + r)} {_n(box.y)} H{_n(box.right - r)} a{r} {r} 0 0 1 {r} {r}"
        f" V{_n(box.bottom - r)} a{r} {r} 0 0 1 -{r} {r} H{_n(left + r)} a{r} {r} 0 0 1 -{r} -{r}"
        f" V{_n(y + 2)} L{_n(left - 8)} {_n(y - 3)} L{_n(left)} {_n(y - 5)}"
        f" V{_n(box.y + r)} a{r} {r} 0 0 1 {r} -{r} Z"
    )
    _path(root, d, fill=PAPER, stroke=INK, stroke_width=1.3)


def _badge(root: ET.Element, badge: Badge) -> None:
    """A: black on a white disc; B: white on a black square; others: black in a frame."""
    box = badge.box
    ink = INK
    if badge.letter == "A":
        centre = {"cx": _n(box.cx), "cy": _n(box.cy), "r": _n(box.w / 2)}
        ET.SubElement(
            root, "circle", {**centre, "fill": PAPER, "stroke": INK, "stroke-width": "1.2"}
        )
    elif badge.letter == "B":
        _rect(root, box, fill=INK)
        ink = PAPER
    else:
        _rect(root, box, fill=PAPER, stroke=INK, stroke_width=1.2)
    size = box.w * 0.72
    base = box.cy + size * 0.36
    letter = {"x": _n(box.cx), "y": _n(base), "font-size": _n(size), "text-anchor": "middle"}
    ET.SubElement(root, "text", {**letter, "font-weight": "700", "fill": ink}).text = badge.letter


def _arrow(root: ET.Element, drawn: Drawn) -> None:
    group = ET.SubElement(root, "g")
    for line in drawn.lines:
        _line(group, drawn.way, line)
    if drawn.cross:
        _cross(group, drawn.cross, 8)


def _cross(root: ET.Element, at: Point, half: float) -> None:
    x, y = at
    for sign in (1, -1):
        d = f"M{_n(x - half)} {_n(y - half * sign)} L{_n(x + half)} {_n(y + half * sign)}"
        _path(root, d, stroke=ALARM, stroke_width=2.8)


def _line(root: ET.Element, way: Way, line: Line) -> None:
    wide, dashes = _LINES[way]
    points = list(line.points)
    size = 6 + wide * 1.5
    heads = []
    if line.end:
        heads.append((points[-1], points[-2]))
        points[-1] = _short(points[-1], points[-2], size * 0.8)
    if line.begin:
        heads.append((line.points[0], line.points[1]))
        points[0] = _short(points[0], points[1], size * 0.8)
    d = "M" + " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    cap = "round" if dashes.startswith(("1 ", "2 ")) else "butt"
    _path(root, d, stroke=INK, stroke_width=wide, stroke_dasharray=dashes, stroke_linecap=cap)
    for tip, before in heads:
        _head(root, tip, before, size, way in _OPEN)


def _short(tip: Point, before: Point, by: float) -> Point:
    """The end of the line itself, a little before the tip of its head."""
    dx, dy = tip[0] - before[0], tip[1] - before[1]
    far = hypot(dx, dy) or 1.0
    return tip[0] - dx / far * by, tip[1] - dy / far * by


def _head(root: ET.Element, tip: Point, before: Point, size: float, hollow: bool) -> None:
    dx, dy = tip[0] - before[0], tip[1] - before[1]
    far = hypot(dx, dy) or 1.0
    ux, uy = dx / far, dy / far
    left = tip[0] - size * ux - size * 0.45 * uy, tip[1] - size * uy + size * 0.45 * ux
    right = tip[0] - size * ux + size * 0.45 * uy, tip[1] - size * uy - size * 0.45 * ux
    corners = " L".join(f"{_n(x)} {_n(y)}" for x, y in (left, tip, right))
    fill = PAPER if hollow else INK
    _path(root, f"M{corners} Z", fill=fill, stroke=INK, stroke_width=1.1, stroke_linejoin="round")


def _verdict(root: ET.Element, picture: Picture) -> None:
    if picture.verdict is None:
        return
    box, texts, right = picture.verdict
    colour = INK if right else ALARM
    _rect(root, box, fill=PAPER, stroke=colour, stroke_width=1.3 if right else 2.4)
    group = ET.SubElement(root, "g", {"fill": colour})
    _texts(group, texts)


def _key(root: ET.Element, picture: Picture) -> None:
    for sample in picture.key:
        if sample.way:
            ends = ((sample.x, sample.y), (sample.x + SAMPLE, sample.y))
            head = sample.way is not Way.GOSSIP
            _line(root, sample.way, Line(ends, head, sample.way is Way.STATE))
        if sample.badge:
            _badge(root, sample.badge)
        _texts(root, [sample.text])
