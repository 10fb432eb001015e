"""Writing a picture down as SVG: plain shapes and attributes, no style sheet, no reference.

Meaning is in shape, line and word; the pale colours only help, and vanish in a copier unmissed.
Heads of arrows and hatchings are drawn, not referred to (`marker`, `pattern`): references need ids,
which would clash when a page holds several diagrams, and not every program for paper knows them.
"""

from __future__ import annotations

from math import hypot
from xml.etree import ElementTree as ET

from swarmlab.handout.diagrams.geometry import (
    WIDTH,
    Box,
    Drawn,
    Line,
    Picture,
    Placed,
    Point,
)
from swarmlab.handout.diagrams.model import Kind, State, Way
from swarmlab.handout.diagrams.pen import ALARM, INK, PAPER, n, path, rect, texts
from swarmlab.handout.diagrams.shapes import FILLS, badge_sign, outline
from swarmlab.handout.diagrams.surround import SAMPLE

# The families of the handouts' style sheet. Without quotes, and without a space after a comma: for
# WeasyPrint (seen with 70.0) a space is part of the name, and the font is not found.
FONTS = "Noto Sans CJK SC,Noto Sans SC,PingFang SC,Microsoft YaHei,DejaVu Sans,sans-serif"
LANG = {"en": "en", "zh": "zh-Hans"}

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
            "viewBox": f"0 0 {WIDTH:g} {n(picture.height)}",
            "width": f"{WIDTH:g}",
            "height": n(picture.height),
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
    rect(root, ground, fill=PAPER)
    for placed in picture.placed:
        _part(root, placed)
    for drawn in picture.drawn:
        _arrow(root, drawn)
    for drawn in picture.drawn:
        if drawn.plate is not None:
            rect(root, drawn.plate, fill=_ground(picture, drawn.plate), rx=2)
            texts(root, drawn.texts)
    texts(root, [*picture.heading, *picture.notes])
    _verdict(root, picture)
    _key(root, picture)
    return ET.tostring(root, encoding="unicode")


def _ground(picture: Picture, plate: Box) -> str:
    """The colour of what the plate lies on: a node's frame, or the paper."""
    around = [one.part.kind for one in picture.placed if one.box.holds(plate)]
    return FILLS[around[-1]] if around else PAPER


def _part(root: ET.Element, placed: Placed) -> None:
    part, box = placed.part, placed.box
    group = ET.SubElement(root, "g")
    if part.kind is not Kind.PLAIN:
        outline(group, part.kind, box, part.state)
    if part.state is State.KILLED:
        _cross(group, (box.right - 14, box.cy), 6)
        name = placed.texts[0]
        d = f"M{n(name.box.x)} {n(name.base - name.size * 0.3)} H{n(name.box.right)}"
        path(group, d, stroke=ALARM, stroke_width=1.1)
    if placed.badge:
        badge_sign(group, placed.badge)
    texts(group, placed.texts)


def _arrow(root: ET.Element, drawn: Drawn) -> None:
    group = ET.SubElement(root, "g")
    for line in drawn.lines:
        _line(group, drawn.way, line)
    if drawn.cross:
        _cross(group, drawn.cross, 8)


def _cross(root: ET.Element, at: Point, half: float) -> None:
    x, y = at
    for sign in (1, -1):
        d = f"M{n(x - half)} {n(y - half * sign)} L{n(x + half)} {n(y + half * sign)}"
        path(root, d, stroke=ALARM, stroke_width=2.8)


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
    d = "M" + " L".join(f"{n(x)} {n(y)}" for x, y in points)
    cap = "round" if dashes.startswith(("1 ", "2 ")) else "butt"
    path(root, d, stroke=INK, stroke_width=wide, stroke_dasharray=dashes, stroke_linecap=cap)
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
    corners = " L".join(f"{n(x)} {n(y)}" for x, y in (left, tip, right))
    fill = PAPER if hollow else INK
    path(root, f"M{corners} Z", fill=fill, stroke=INK, stroke_width=1.1, stroke_linejoin="round")


def _verdict(root: ET.Element, picture: Picture) -> None:
    if picture.verdict is None:
        return
    box, words, right = picture.verdict
    colour = INK if right else ALARM
    rect(root, box, fill=PAPER, stroke=colour, stroke_width=1.3 if right else 2.4)
    group = ET.SubElement(root, "g", {"fill": colour})
    texts(group, words)


def _key(root: ET.Element, picture: Picture) -> None:
    for sample in picture.key:
        if sample.way:
            ends = ((sample.x, sample.y), (sample.x + SAMPLE, sample.y))
            head = sample.way is not Way.GOSSIP
            _line(root, sample.way, Line(ends, head, sample.way is Way.STATE))
        if sample.badge:
            badge_sign(root, sample.badge)
        texts(root, [sample.text])
