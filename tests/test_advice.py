"""The hints of typical mistakes, shown when their check fails and sees what they look like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlab import words
from swarmlab.checks.looking import counted, judge, listed
from swarmlab.model import Command, Mistake
from swarmlab.results import CheckResult, Verdict
from tests.lab_fakes import Room, check, command, lab, step


def mistake(id: str, caught_by: str, seen: str = "", hint: str = "") -> Mistake:
    return Mistake(id, id, Command(id, f"drop {id}"), caught_by, hint or f"do {id}", seen=seen)


def hint_of(room: Room, id: str, number: int = 1) -> CheckResult:
    (found,) = [c for c in room.runner.verify([number]).steps[0].checks if c.id == id]
    return found


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    words.use(request.param)
    yield request.param
    words.use("en")


@pytest.mark.parametrize(
    ("mistakes", "hint", "named"),
    [
        ([], "make f1", []),
        ([mistake("a", "f1", "something else")], "make f1", []),
        ([mistake("a", "f1", "not hold$")], "do a", ["s1/a"]),
        ([mistake("a", "f1")], "do a", ["s1/a"]),
        ([mistake("a", "other")], "make f1", []),
        # Those that can be told apart come first, and three are enough.
        (
            [mistake(id, "f1") for id in "abc"] + [mistake("d", "f1", "does not")],
            "• do d\n• do a\n• do b",
            ["s1/d", "s1/a", "s1/b"],
        ),
        # One hint for two mistakes is said once.
        (
            [mistake("a", "f1", hint="do it"), mistake("b", "f1", hint="do it")],
            "do it",
            ["s1/a", "s1/b"],
        ),
    ],
)
def test_a_failed_check_gives_the_hints_of_the_mistakes_that_it_sees(
    tmp_path: Path, mistakes: list[Mistake], hint: str, named: list[str]
) -> None:
    checks = (check("f1"), check("other"))
    room = Room(lab(step(1, checks=checks, mistakes=tuple(mistakes))), tmp_path)
    found = hint_of(room, "f1")
    assert (found.verdict, found.hint) == (Verdict.FAILED, hint)
    assert list(found.mistakes) == named == found.to_dict()["mistakes"]


def test_a_check_that_passes_or_cannot_be_looked_at_has_none(tmp_path: Path) -> None:
    room = Room(lab(step(1, mistakes=(mistake("a", "f1"),))), tmp_path)
    room.facts.true = {"f1"}
    assert (hint_of(room, "f1").hint, hint_of(room, "f1").mistakes) == ("", ())
    room.facts.hidden = {"f1"}
    found = hint_of(room, "f1")
    assert found.verdict is Verdict.ERRORED
    assert (found.hint, found.mistakes) == ("look for the light switch", ())


def test_a_later_steps_mistake_is_told_at_the_earlier_steps_check(tmp_path: Path) -> None:
    steps = [step(1, mistakes=(mistake("own", "f1"),)), step(2, mistakes=(mistake("a", "s1/f1"),))]
    found = hint_of(Room(lab(*steps), tmp_path), "f1")
    assert found.mistakes == ("s1/own", "s2/a")


def test_the_checks_and_observers_of_a_command_give_them_too(tmp_path: Path) -> None:
    watched = command(
        "say hello",
        checks=(check("now"),),
        during=(check("f9", check="fact.steady", id="all-along"),),
    )
    mistakes = (mistake("a", "now", "does not hold"), mistake("b", "all-along", "^not so$"))
    room = Room(lab(step(1, commands=(watched,), mistakes=mistakes)), tmp_path)
    result = room.runner.step(1)
    hints = {c.id: c.hint for c in result.steps[0].checks}
    assert (hints["now"], hints["all-along"]) == ("do a", "do b")


def test_what_is_seen_is_told_apart_in_english_whatever_is_spoken(language: str) -> None:
    seen = judge(
        [words.say("{name} serves {route}", name="x", route=words.say("no such route")),
         counted(2, "member"),
         listed([words.say("no index entry"), "swarm-1", "swarm-3"])],
        "fine",
    ).actual  # fmt: skip
    assert ("no such route" in seen) is (language == "en")
    assert words.english(seen) == (
        "x serves no such route; 2 members; no index entry, swarm-1 and swarm-3"
    )


def test_what_was_said_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "REMEMBERED", 2)
    words.use("zh")
    try:
        said = [words.say("{name} serves {route}", name=n, route="r") for n in "abc"]
    finally:
        words.use("en")
    assert [words.english(one) == one for one in said] == [True, False, False]
