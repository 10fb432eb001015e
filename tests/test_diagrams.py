"""The diagrams as a reader meets them: all there, nothing cut, nothing on top of something else.

The pictures are looked at as geometry, in both languages, by widths that are rather too great.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from swarmlab import loader
from swarmlab.errors import LabFileError, UsageError
from swarmlab.handout import diagrams
from swarmlab.handout.diagrams.geometry import BULGE, Box, Picture, Point
from swarmlab.handout.diagrams.layout import picture
from swarmlab.handout.diagrams.load import LANGUAGES, library, read
from swarmlab.handout.diagrams.measure import is_wide, width, wrap
from swarmlab.handout.diagrams.model import Diagram, Kind, State
from tests.diagrams_eye import parts_apart, texts_apart, texts_fit

ALL = [(name, language) for name in diagrams.names() for language in LANGUAGES]
SVG = "{http://www.w3.org/2000/svg}"

every = pytest.mark.parametrize(("name", "language"), ALL)


@cache
def drawn(name: str, language: str) -> Picture:
    return picture(library().find(name), library(), language)


def test_the_nine_figures_are_there_each_once_and_in_order() -> None:
    figures = [one.figure for one in library().diagrams if one.figure]
    assert figures == [f"4-{number}" for number in range(1, 10)]
    assert diagrams.OVERVIEW in diagrams.names()


def test_diagrams_belong_to_steps_of_the_lab() -> None:
    steps = [step.id for step in loader.load_builtin("service-discovery").steps]
    shown = [name for step in steps for name in diagrams.for_step(step)]
    assert set(shown) == set(diagrams.names()) - {diagrams.OVERVIEW}
    assert {step for one in library().diagrams for step in one.steps} <= set(steps)
    assert diagrams.for_step("diverge") == ("one-configured",)
    assert diagrams.for_step("no such step") == ()


@every
def test_svg_stands_alone_and_can_be_read_aloud(name: str, language: str) -> None:
    text = diagrams.svg(name, language)
    root = ET.fromstring(text)
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text == diagrams.title(name, language)
    assert desc is not None and desc.text and len(desc.text) > 60
    assert root.get("role") == "img"
    assert root.get("aria-label") == f"{title.text}. {desc.text}"
    assert (root.get("lang") or "").startswith(language)
    assert (root.get("viewBox") or "").split()[2] == "640"
    for element in root.iter():
        assert "id" not in element.attrib, "two diagrams in one page would clash"
        assert not [key for key in element.attrib if key.endswith("href") or key == "style"]
        assert "url(" not in " ".join(element.attrib.values())
    assert ", " not in (root.get("font-family") or ", "), "WeasyPrint finds no font after a space"
    written = [one.text for one in root.iter(f"{SVG}text")]
    placed = drawn(name, language)
    badges = [one.badge.letter for one in placed.placed if one.badge]
    badges += [one.badge.letter for one in placed.key if one.badge]
    assert sorted(map(str, written)) == sorted([one.text for one in placed.texts()] + badges)


@every
def test_nothing_is_cut_or_on_top_of_something_else(name: str, language: str) -> None:
    seen = drawn(name, language)
    texts_fit(seen)
    texts_apart(seen)
    parts_apart(seen)


def crosses(box: Box, a: Point, b: Point) -> bool:
    """Whether the straight piece (never slanting) runs through the inside of the box."""
    left, right = sorted((a[0], b[0]))
    top, bottom = sorted((a[1], b[1]))
    return Box(left, top, right - left, bottom - top).grown(0.05).meets(box.grown(-0.1))


@every
def test_arrows_touch_nothing_but_their_ends(name: str, language: str) -> None:
    seen = drawn(name, language)
    for arrow in seen.drawn:
        pieces = [piece for line in arrow.lines for piece in pairwise(line.points)]
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pieces), "a slanting line"
        around = {parent for end in arrow.ends for parent in seen.at(end).parents}
        for placed in seen.placed:
            for a, b in pieces:
                for text in placed.texts:
                    assert not crosses(text.box, a, b), f"{arrow.ends} through {text.text!r}"
                # A frame may be crossed by what goes from node to node; what it holds may not.
                if placed.part.kind is not Kind.NODE or placed.part.id in arrow.ends:
                    inside = placed.box.grown(-BULGE if placed.part.id in arrow.ends else 0)
                    assert not crosses(inside, a, b), f"{arrow.ends} through {placed.part.id}"
                elif placed.part.id not in around:
                    holder = any(placed.part.id in one.parents for one in seen.placed)
                    frame_only = holder and a[1] == b[1] and around
                    assert frame_only or not crosses(placed.box, a, b), placed.part.id


@every
def test_words_of_arrows_hide_no_other_line_and_no_part(name: str, language: str) -> None:
    seen = drawn(name, language)
    for arrow in seen.drawn:
        if arrow.plate is None:
            continue
        for placed in seen.placed:
            if placed.part.kind is Kind.NODE:
                edge = placed.box.meets(arrow.plate) and not placed.box.holds(arrow.plate)
                assert not edge, f"{arrow.texts} on the frame of {placed.part.id}"
            else:
                assert not placed.box.meets(arrow.plate), f"{arrow.texts} on {placed.part.id}"
        hidden = 0
        for other in seen.drawn:
            for line in other.lines:
                for a, b in pairwise(line.points):
                    if crosses(arrow.plate, a, b):
                        hidden += 1
                        assert other is arrow, f"{arrow.texts} hide a line of {other.ends}"
                        whole = abs(a[0] - b[0]) + abs(a[1] - b[1])
                        side = arrow.plate.w if a[1] == b[1] else arrow.plate.h
                        assert whole - side >= 12, f"{arrow.texts} leave no line to be seen"
        assert hidden == 1, f"{arrow.texts} lie on {hidden} pieces of line"


@every
def test_arrows_have_room_for_their_heads(name: str, language: str) -> None:
    for arrow in drawn(name, language).drawn:
        for line in arrow.lines:
            tips = [line.points[-2:]] if line.end else []
            tips += [line.points[:2]] if line.begin else []
            for (x1, y1), (x2, y2) in tips:
                assert abs(x1 - x2) + abs(y1 - y2) >= 11, f"{arrow.ends}: a head without a line"


@every
def test_what_colour_says_is_said_without_it(name: str, language: str) -> None:
    """Red is used for what was killed, for crosses and for a wrong count; each has a word too."""
    seen = drawn(name, language)
    words = library().words
    for placed in seen.placed:
        if placed.part.state is not State.RUNS:
            word = words[placed.part.state.value].says(language)
            assert word in [text.text for text in placed.texts]
    if seen.verdict:
        _, texts, right = seen.verdict
        assert ("=" if right else "≠") in [text.text for text in texts]
    used = {arrow.way for arrow in seen.drawn}
    assert {sample.way for sample in seen.key if sample.way} == used, "the key names every line"


@every
def test_ink_and_grounds_differ_enough_to_be_read(name: str, language: str) -> None:
    """WCAG AA: 4.5 to 1 between text and each ground, also for those who see no colour."""
    root = ET.fromstring(diagrams.svg(name, language))
    fills = {element.get("fill", "") for element in root.iter()}
    light = [fill for fill in fills if fill.startswith("#") and luminance(fill) > 0.5]
    dark = [fill for fill in fills if fill.startswith("#") and luminance(fill) <= 0.5]
    assert light and dark
    for ground in light:
        for ink in dark:
            assert (luminance(ground) + 0.05) / (luminance(ink) + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("one", library().diagrams, ids=lambda one: one.name)
def test_both_languages_say_everything(one: Diagram) -> None:
    for label in one.labels():
        if not label:
            continue
        english, chinese = label.says("en"), label.says("zh")
        assert english and chinese
        assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", english), english
    assert re.search(r"[\u4e00-\u9fff]", one.title.says("zh"))
    assert re.search(r"[\u4e00-\u9fff]", one.description.says("zh"))


def test_the_verdicts_are_what_is_drawn() -> None:
    """What the line under a diagram counts is what a reader counts in the drawing."""
    counted = 0
    for one in library().diagrams:
        if one.count is None:
            continue
        shown = [
            part
            for part in one.parts()
            if part.kind is Kind.CONTAINER
            and part.label.says("en") == "go-demo"
            and part.state is not State.KILLED
        ]
        assert len(shown) == one.count.running, one.name
        counted += 1
    assert counted == 4


def test_terms_are_the_usual_ones_in_chinese() -> None:
    text = "".join(
        label.says("zh") for one in library().diagrams for label in one.labels() if label
    )
    for term in ("集群", "管理节点", "覆盖网络", "副本", "代理", "注册中心"):
        assert term in text, term


def test_a_text_is_measured_by_its_letters() -> None:
    assert width("集群", 10) == 20
    assert width("，", 10) == 10 and is_wide("（")
    assert 5 < width("n", 10) < 7
    assert width("iii", 10) < width("mmm", 10)
    assert width("swarm", 10, bold=True) > width("swarm", 10)


@pytest.mark.parametrize(
    "text", ["three of go-demo run on three nodes", "在 swarm-1 上启动，（并且）记录到文件里。"]
)
@pytest.mark.parametrize("room", [60.0, 90.0, 200.0])
def test_lines_are_broken_where_a_reader_would(text: str, room: float) -> None:
    lines = wrap(text, room, 10)
    assert all(width(line, 10) <= room for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not [line for line in lines[1:] if line[0] in "，。）"]
    assert not [line for line in lines[:-1] if line[-1] in "（"]
    assert "swarm-1" in "\n".join(lines) or "swarm-1" not in text


def test_a_long_name_is_not_cut() -> None:
    assert wrap("docker-flow/go-demo/path", 20, 10) == ["docker-flow/go-demo/path"]


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="no diagram 'nothing'"):
        diagrams.svg("nothing")
    with pytest.raises(UsageError, match="'fr'"):
        diagrams.svg("cluster", "fr")


@pytest.mark.parametrize(
    ("part", "trouble"),
    [
        ("{id: a, kind: cloud}", "'cloud' is none of"),
        ("{id: a, kind: manager, colour: red}", "colour is not known"),
        ("{id: a, kind: manager, label: {en: only}}", "words in"),
        ("{kind: manager}", "id is missing"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, part: str, trouble: str) -> None:
    file = tmp_path / "diagrams.yaml"
    file.write_text(
        "words: {}\ndiagrams:\n  - name: x\n    title: T\n    description: D\n"
        f"    rows: [{{parts: [{part}]}}]\n"
    )
    with pytest.raises(LabFileError, match=re.escape(trouble)):
        read(file)
