"""One question to several: who is silent costs a moment, and who fails costs nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from swarmlab.inquiry import Inquiry, in_turn

LONG = 30.0


@pytest.fixture
def frozen() -> Iterator[Callable[[str], str]]:
    """A question that `a` answers only at the end of the test, `b` never, all others at once."""
    over = threading.Event()

    def ask(who: str) -> str:
        if who == "a":
            assert over.wait(LONG)
        if who == "b":
            raise OSError("b is broken")
        return f"{who} says so"

    yield ask
    over.set()


def test_the_next_is_asked_beside_one_that_is_silent(frozen: Callable[[str], str]) -> None:
    late: list[str] = []
    begun = time.monotonic()
    who, answer = next(in_turn("ac", frozen, apart=0.05, late=late.append))
    assert (who, answer.result(), late) == ("c", "c says so", ["a"])
    assert time.monotonic() - begun < LONG / 2


def test_the_next_is_asked_at_once_after_one_that_failed(frozen: Callable[[str], str]) -> None:
    late: list[str] = []
    begun = time.monotonic()
    told = [
        (who, answer.exception() is not None)
        for who, answer in in_turn("bc", frozen, apart=LONG, late=late.append)
    ]
    assert (told, late) == ([("b", True), ("c", False)], [])
    assert time.monotonic() - begun < LONG / 2


def test_nobody_is_asked_after_whoever_answers() -> None:
    asked: list[str] = []

    def ask(who: str) -> str:
        asked.append(who)
        return who

    assert next(in_turn("xyz", ask))[0] == "x"
    assert asked == ["x"]


def test_a_late_answer_counts_where_nobody_else_has_one() -> None:
    """An engine that is slow is no engine that is gone."""
    second = threading.Event()

    def ask(who: str) -> str:
        if who == "first":
            assert second.wait(LONG)
            return "late"
        second.set()
        raise OSError("not here")

    told = dict(in_turn(["first", "second"], ask, apart=0.05))
    assert told["first"].result() == "late"
    assert isinstance(told["second"].exception(), OSError)


def test_what_is_open_is_known(frozen: Callable[[str], str]) -> None:
    inquiry = Inquiry(frozen)
    for who in "aac":
        inquiry.put(who)
    told = inquiry.answer(LONG)
    assert told is not None and told[0] == "c"
    assert inquiry.open == ["a", "a"]
    assert inquiry.answer(0.01) is None
