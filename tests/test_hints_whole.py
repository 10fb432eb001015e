"""Where several mistakes look alike, the hint of each is whole on a screen of 80 columns, 24 lines.

What is longer than the screen is cut, and what is cut of several hints is always the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from swarmlab import words
from swarmlab.advice import Advice
from swarmlab.checks import CHECKS
from swarmlab.loader import load_builtin
from swarmlab.loading.languages import localized
from swarmlab.model import CheckSpec, Lab, Mistake, Step
from swarmlab.report import pieces
from swarmlab.results import CheckResult, Since, Verdict
from tests.checks_fakes import Lab as World
from tests.test_report import Screen, rows

ENGLISH = load_builtin("service-discovery")
LABS = {"en": ENGLISH, "zh": localized(ENGLISH, "zh")}
SEEN_LETTERS = 120
"""What was seen is rarely longer than two lines."""
SINCE = Since("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00")


def moves() -> Iterator[Any]:
    for step in ENGLISH.steps:
        for mistake in step.mistakes:
            name = f"{step.id}/{mistake.id}"
            for language in LABS:
                yield pytest.param(language, step.id, mistake.id, id=f"{name}-{language}")


def fitting(pattern: str) -> str:
    """A text that the regular expression finds, so plain as those of the lab are."""
    text = re.sub(r"\(\?[:!][^)]*\)|\[\^[^]]*\]\*|[$^]", "", pattern)
    text = re.sub(r"\(([^()|]*)\|[^()]*\)|\[(.)[^]]*\]", lambda one: one[1] or one[2] or "", text)
    text = re.sub(r"\\d[+*]?", "1", text.replace(r"\\n", "\0"))
    text = re.sub(r"\\(.)", r"\1", text.replace(".*", " ")).replace("\0", r"\n")
    filler = "word " * ((SEEN_LETTERS - len(text)) // 5)
    for whole in (f"{text}; {filler}".rstrip(), f"{filler}{text}", text):
        if re.search(pattern, whole):
            return whole
    raise AssertionError(f"no text was made for {pattern!r}: {text!r}")


def caught(lab: Lab, step: Step, mistake: Mistake) -> tuple[Step, CheckSpec]:
    where, name = step.catcher(mistake)
    catching = lab.find(where)
    assert catching is not None
    return catching, next(one for one in catching.all_checks if one.id == name)


def finding(spec: CheckSpec) -> tuple[str, str]:
    """What the check expects, and how it is looked up: of a lab in which nothing is."""
    found = CHECKS[spec.check](World(), **spec.params)
    return found.expected, found.source


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(("language", "where", "name"), list(moves()))
def test_the_hint_of_a_mistake_is_whole_beside_those_that_look_alike(
    language: str, where: str, name: str
) -> None:
    lab = LABS[language]
    step = next(one for one in lab.steps if one.id == where)
    mistake = next(one for one in step.mistakes if one.id == name)
    with words.aside(language):
        catching, spec = caught(lab, step, mistake)
        expected, source = finding(spec)
        failed = CheckResult(
            spec.id,
            spec.title,
            spec.check,
            Verdict.FAILED,
            expected=expected,
            actual=fitting(mistake.seen),
            source=source,
            since=SINCE,
        )
        result = Advice(lab.steps).given(catching.number, failed)
        assert f"{where}/{name}" in result.mistakes
        screen = Screen()
        pieces.check_line(screen.console, result)
    assert squeezed(mistake.hint) in squeezed(screen.drawn), screen.drawn
    assert rows(screen) <= pieces.SCREEN, screen.drawn
