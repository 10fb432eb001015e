"""The few marks that a drawing is made of: rectangles, paths, writing; and its inks."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from swarmlab.handout.diagrams.geometry import Box, Text

INK = "#1a1a1a"
ALARM = "#9c1320"  # as dark as ink on a copier's paper
PAPER = "#ffffff"


def n(value: float) -> str:
    """A number of units with at most one digit after the point."""
    return f"{value:.1f}".removesuffix(".0")


def rect(
    root: ET.Element, box: Box, *, fill: str, rx: float = 0, **more: str | float
) -> ET.Element:
    """A rectangle; `more` are further attributes, with `_` for `-`, empty ones left out."""
    attributes = {"x": n(box.x), "y": n(box.y), "width": n(box.w), "height": n(box.h)}
    if rx:
        attributes["rx"] = n(rx)
    return ET.SubElement(root, "rect", {**attributes, "fill": fill, **_attributes(more)})


def path(root: ET.Element, d: str, *, fill: str = "none", **more: str | float) -> None:
    """A path of SVG commands; `more` as for `rect`."""
    ET.SubElement(root, "path", {"d": d, "fill": fill, **_attributes(more)})


def _attributes(more: dict[str, str | float]) -> dict[str, str]:
    return {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
        for name, value in more.items()
        if value != ""
    }


def texts(root: ET.Element, lines: Iterable[Text]) -> None:
    """Lines of writing, each in its place."""
    for text in lines:
        attributes = {"x": n(text.x), "y": n(text.base), "font-size": f"{text.size:g}"}
        if text.anchor != "start":
            attributes["text-anchor"] = text.anchor
        if text.bold:
            attributes["font-weight"] = "700"
        if text.italic:
            attributes["font-style"] = "italic"
        ET.SubElement(root, "text", attributes).text = text.text
