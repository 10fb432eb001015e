"""The HTML report: whole by itself, sound, readable by everybody and on paper, no risk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import html5lib
import pytest

from swarmlab import templating, words
from swarmlab.report import page
from swarmlab.results import Since
from tests.test_junit import result

HOSTILE = "</pre><script>alert(1)</script><img src=http://x.example onerror=x>&\"'"


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    words.use(request.param)
    yield request.param
    words.use(words.MAIN)


def text(**more: str) -> str:
    return page.render(result(**more)).decode()


def test_it_is_sound_html(language: str) -> None:
    found = text()
    html5lib.HTMLParser(strict=True).parse(found)
    assert f'<html lang="{templating.LANGUAGE_TAGS[language]}">' in found
    with pytest.raises(html5lib.html5parser.ParseError):
        html5lib.HTMLParser(strict=True).parse(found.replace("</section>", "", 1))


def test_it_asks_nothing_of_the_network(language: str) -> None:
    found = text()
    assert not re.search(r"\b(?:src|href|action|data)\s*=|url\(|@import|<script|<link", found)


def test_the_evidence_is_all_there(language: str) -> None:
    found = text()
    for part in ("3 nodes", "what was seen", "docker node ls", "docker ps", "fine", "c1u5t3r"):
        assert part in found
    marks = {"en": ("FAILED", "ERROR", "skipped"), "zh": ("未通过", "出错", "跳过")}
    for word in marks[language]:
        assert word in found


def test_since_when_a_check_fails_is_told() -> None:
    found = result()
    first = found.steps[0]
    failed = replace(first.checks[1], since=Since("2026-01-01T00:00:00+00:00"))
    step = replace(first, checks=(first.checks[0], failed))
    assert "never seen to hold" in page.render(replace(found, steps=(step,))).decode()


def test_what_a_cluster_says_stays_text() -> None:
    found = text(text=HOSTILE, student=HOSTILE)
    html5lib.HTMLParser(strict=True).parse(found)
    tree = html5lib.parse(found, namespaceHTMLElements=False)
    assert [one.tag for one in tree.iter() if one.tag in ("script", "img")] == []
    assert "&lt;script&gt;" in found


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_ink_is_readable_on_every_paper() -> None:
    """WCAG 2 AA: 4.5 to 1 for text, 3 to 1 for lines that mean something."""
    style = page.STYLE.read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", style))
    papers = {name: one for name, one in colours.items() if name.startswith("paper")}
    inks = {name: one for name, one in colours.items() if name.startswith("ink")}
    assert papers["paper"] == "#ffffff"
    assert len(inks) >= 5
    for (ink, one), (paper, other) in product(inks.items(), papers.items()):
        assert contrast(one, other) >= 4.5, (ink, paper)
    assert contrast(colours["line"], papers["paper"]) >= 3
    # No colour that is not one of these.
    assert not re.search(r"(?<!: )#[0-9a-fA-F]{3,6}\b|\brgb|\bhsl", style.partition("}")[2])
    assert set(re.findall(r"var\(--([a-z-]+)\)", style)) <= set(colours)


def test_it_is_made_for_paper_too() -> None:
    style = page.STYLE.read_text(encoding="utf-8")
    assert "@page" in style
    assert "@media print" in style


def test_a_lonely_surrogate_does_not_stop_it() -> None:
    assert b"?" in page.render(result(text="\ud800"))
