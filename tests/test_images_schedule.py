"""The scheduler: order, width, and what an error does to the others."""

from __future__ import annotations

import threading

import pytest

from swarmlab.images import schedule


def test_each_job_runs_after_those_it_needs() -> None:
    done: list[str] = []

    def job(name: str) -> str:
        done.append(name)
        return name.upper()

    jobs = {name: (lambda stop, name=name: job(name)) for name in ("c", "b", "a")}
    results = schedule.run(jobs, {"c": {"b"}, "b": {"a"}}, workers=3)
    assert done == ["a", "b", "c"]
    assert results == {"a": "A", "b": "B", "c": "C"}


def test_a_need_without_a_job_is_taken_as_met() -> None:
    assert schedule.run({"a": lambda stop: 1}, {"a": {"built-before"}}, workers=1) == {"a": 1}


def test_independent_jobs_run_side_by_side_but_not_more_than_allowed() -> None:
    together = threading.Barrier(2, timeout=60)
    running: set[str] = set()
    most: list[int] = []
    guard = threading.Lock()

    def job(name: str) -> None:
        with guard:
            running.add(name)
            most.append(len(running))
        together.wait()
        with guard:
            running.discard(name)

    jobs = {name: (lambda stop, name=name: job(name)) for name in "abcd"}
    schedule.run(jobs, {}, workers=2)
    assert max(most) == 2


def test_an_error_stops_the_others_and_is_the_one_raised() -> None:
    stopped = threading.Event()
    started = threading.Event()

    def waits(stop: threading.Event) -> None:
        started.set()
        assert stop.wait(60)
        stopped.set()
        raise schedule.Stopped("waits")

    def fails(stop: threading.Event) -> None:
        assert started.wait(60)
        raise ValueError("no")

    def never(stop: threading.Event) -> None:
        raise AssertionError("started after an error")

    with pytest.raises(ValueError, match="no"):
        schedule.run(
            {"waits": waits, "fails": fails, "never": never}, {"never": {"fails"}}, workers=2
        )
    assert stopped.wait(60)


def test_no_jobs_give_no_results() -> None:
    assert schedule.run({}, {}, workers=2) == {}
