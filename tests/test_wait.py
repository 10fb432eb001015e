"""The polling loop: at least one look, never past its deadline, and the last observation kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swarmlab import wait
from swarmlab.errors import TimedOut, UsageError
from swarmlab.wait import Observation, poll, until


class Clock:
    """Time that passes only in sleeps and in looks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(wait.time, "monotonic", clock.monotonic)  # type: ignore[attr-defined]
    monkeypatch.setattr(wait.time, "sleep", clock.sleep)  # type: ignore[attr-defined]
    yield clock
    monkeypatch.undo()


def test_done_at_the_first_look_waits_for_nothing(clock: Clock) -> None:
    waited = poll(lambda: Observation(True, "there", 7), within=10)
    assert (waited.done, waited.looks, waited.seconds, waited.last.value) == (True, 1, 0.0, 7)
    assert clock.sleeps == []


@pytest.mark.parametrize("within", [0.0, -5.0])
def test_looks_once_even_without_time(clock: Clock, within: float) -> None:
    waited = poll(lambda: Observation[None](False, "nothing"), within=within)
    assert (waited.done, waited.looks, clock.sleeps) == (False, 1, [])


def test_looks_until_done(clock: Clock) -> None:
    looks: list[int] = []

    def look() -> Observation[int]:
        looks.append(1)
        return Observation(len(looks) == 4, f"{len(looks)} seen")

    waited = poll(look, within=10, every=0.5)
    assert waited.looks == 4
    assert waited.seconds == pytest.approx(1.5)
    assert clock.sleeps == [0.5, 0.5, 0.5]


def test_never_sleeps_past_the_deadline_and_looks_a_last_time(clock: Clock) -> None:
    waited = poll(lambda: Observation[None](False, "no"), within=1.2, every=0.5)
    assert clock.sleeps == [0.5, 0.5, pytest.approx(0.2)]
    assert waited.looks == 4
    assert waited.seconds == pytest.approx(1.2)


def test_reports_each_new_observation_once(clock: Clock) -> None:
    words = iter(["0 of 3", "0 of 3", "1 of 3", "1 of 3", "3 of 3"])
    said: list[str] = []

    def look() -> Observation[None]:
        seen = next(words)
        return Observation(seen == "3 of 3", seen)

    poll(look, within=10, every=1, report=said.append)
    assert said == ["0 of 3", "1 of 3", "3 of 3"]


def test_until_names_what_and_the_last_observation(clock: Clock) -> None:
    with pytest.raises(TimedOut) as caught:
        until("three nodes", lambda: Observation[None](False, "2 of 3"), within=5, hint="wait")
    assert caught.value.observation == "2 of 3"
    assert str(caught.value) == "Waited 5 s for three nodes; last seen: 2 of 3\nHint: wait"


def test_until_gives_what_it_found(clock: Clock) -> None:
    assert until("x", lambda: Observation(True, "x", "value"), within=1).last.value == "value"


def test_an_exception_of_a_look_goes_through(clock: Clock) -> None:
    def look() -> Observation[None]:
        raise ValueError("no eyes")

    with pytest.raises(ValueError, match="no eyes"):
        poll(look, within=10)


def test_patience_stretches_every_limit(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(wait.PATIENCE, "3")
    with pytest.raises(TimedOut, match=r"\b6 s\b"):
        until("it", lambda: Observation(False, "nothing"), within=2, every=0.5)
    assert clock.now == pytest.approx(106.0)


@pytest.mark.parametrize("told", ["0", "-1", "many", "nan", "inf", "1e9"])
def test_patience_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv(wait.PATIENCE, told)
    with pytest.raises(UsageError, match="from 1 to 1000") as caught:
        wait.patient(1.0)
    assert "Unset it" in caught.value.hint


def test_without_patience_limits_are_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(wait.PATIENCE, raising=False)
    assert wait.patient(2.5) == 2.5
