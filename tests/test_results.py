"""Results as data: verdicts of wholes, exit codes, and the public form that others read."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from swarmlab.points import number
from swarmlab.results import (
    CheckResult,
    CommandResult,
    RunResult,
    StepResult,
    Timing,
    Verdict,
    worst,
)

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED


def checked(verdict: Verdict, id: str = "a") -> CheckResult:
    return CheckResult(id, "Title", "swarm.nodes", verdict, seconds=0.12345)


def typed(verdict: Verdict) -> CommandResult:
    code = {P: 0, F: 1, E: None, S: None}[verdict]
    return CommandResult("c1", "true", "workstation", verdict, code, "out\n", 1.23456)


def step(*checks: Verdict, commands: tuple[Verdict, ...] = ()) -> StepResult:
    made = tuple(checked(v, str(n)) for n, v in enumerate(checks))
    return StepResult(1, "one", "One", tuple(map(typed, commands)), made, 2.0)


def run(*steps: StepResult) -> RunResult:
    return RunResult("lab", "1.0", "default", "run", "abc", "ipvs", "2026-01-02T03:04:05+00:00",
                     9.87654, steps, Timing(1.0, 2.0, 2.5, 0.5, 3.87654))  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_worst_part_decides(count: int) -> None:
    for parts in itertools.product([E, F, P, S], repeat=count):
        expected = next(v for v in (E, F, P, S) if v in parts)
        assert worst(parts) is expected


def test_nothing_is_skipped() -> None:
    assert worst([]) is S


@pytest.mark.parametrize(
    ("checks", "commands", "verdict"),
    [
        ((P, P), (P,), P),
        ((P, F), (P,), F),
        ((P,), (F,), F),
        ((P,), (E,), E),
        ((F,), (F, S), F),
        ((P, S), (P,), P),
        ((S, S), (), S),
        ((), (P,), S),
        ((), (F,), F),
    ],
)
def test_verdict_of_a_step(
    checks: tuple[Verdict, ...], commands: tuple[Verdict, ...], verdict: Verdict
) -> None:
    assert step(*checks, commands=commands).verdict is verdict


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ((), 0),
        ((step(P), step(P)), 0),
        ((step(S),), 0),
        ((step(P), step(F)), 1),
        ((step(F), step(E)), 3),
    ],
)
def test_exit_codes(steps: tuple[StepResult, ...], code: int) -> None:
    assert run(*steps).exit_code == code


def test_counts() -> None:
    result = run(step(P, P, F), step(P, S))
    assert [result.count(v) for v in (P, F, E, S)] == [3, 1, 0, 1]


def worth(*checks: CheckResult, done: bool = False) -> list[float]:
    found = StepResult(1, "one", "One", (), checks, 1.0, done).points
    return [found.earned, found.of, found.recorded, found.unknown]


def weighing(verdict: Verdict, weight: float = 2.0, id: str = "a", **more: Any) -> CheckResult:
    values = {"telling": True, **more}
    return CheckResult(id, "Title", "swarm.nodes", verdict, weight=weight, **values)


def test_each_check_earns_its_own_points() -> None:
    assert worth(weighing(P), weighing(F, 3.0), weighing(P, 0.5)) == [2.5, 5.5, 0, 0]
    assert worth() == [0, 0, 0, 0]


def test_what_holds_by_itself_earns_only_when_something_was_done() -> None:
    idle = weighing(P, 2.0, telling=False)
    told = weighing(P, 3.0)
    assert worth(idle) == [0, 2, 0, 0]
    assert worth(idle, replace(told, verdict=F)) == [0, 5, 0, 0]
    assert worth(idle, told) == [5, 5, 0, 0]
    assert worth(idle, done=True) == [2, 2, 0, 0]


def test_what_could_not_be_looked_at_is_told_apart_from_what_fails() -> None:
    assert worth(weighing(E), weighing(F)) == [0, 4, 0, 2]
    # Skipped because of it, also over others between.
    chain = (
        weighing(E, id="a"),
        weighing(S, id="b", blocked_by="a"),
        weighing(S, id="c", blocked_by="b"),
    )
    assert worth(*chain) == [0, 6, 0, 6]
    assert worth(weighing(F, id="a"), weighing(S, id="b", blocked_by="a")) == [0, 4, 0, 0]
    ring = (weighing(S, id="a", blocked_by="b"), weighing(S, id="b", blocked_by="a"))
    assert worth(*ring) == [0, 4, 0, 0]


def test_a_claim_that_a_later_step_ended_counts_if_it_is_on_record() -> None:
    ended = weighing(S, ended_by="later")
    assert worth(ended, weighing(P), done=True) == [4, 4, 2, 0]
    assert worth(ended, weighing(P), done=False) == [2, 4, 0, 0]


@pytest.mark.parametrize(("value", "words"), [(7.0, "7"), (2.5, "2.5"), (0.1 + 0.2, "0.3")])
def test_points_as_people_write_them(value: float, words: str) -> None:
    assert number(value) == words


def test_the_public_form_is_json_and_versioned() -> None:
    data = json.loads(json.dumps(run(step(P, F, commands=(P,))).to_dict()))
    assert data["version"] == 1
    assert data["kind"] == "swarmlab-result"
    assert data["verdict"] == "failed"
    assert data["seconds"] == 9.877
    assert data["timing"] == {
        "lab": 1.0,
        "commands": 2.0,
        "waiting": 2.5,
        "checks": 0.5,
        "own": 3.877,
    }
    assert data["steps"][0]["commands"][0] == {
        "id": "c1", "run": "true", "where": "workstation", "verdict": "passed", "exit_code": 0,
        "output": "out\n", "seconds": 1.235, "reason": "",
    }  # fmt: skip
    assert data["steps"][0]["checks"][1]["seconds"] == 0.123


def test_the_public_form_keeps_its_fields() -> None:
    """Other programs read these; a field that goes or changes its meaning needs a new version."""

    def fields(data: Any) -> Any:
        return sorted(data)

    data = run(step(P, commands=(P,))).to_dict()
    assert fields(data) == [
        "cluster", "command", "data_plane", "kind", "lab", "lab_digest", "lab_version", "made_by",
        "name", "points", "seconds", "started", "steps", "student", "timing", "verdict",
        "version", "worth",
    ]  # fmt: skip
    assert fields(data["steps"][0]) == [
        "checks", "commands", "done", "id", "number", "points", "seconds", "title", "verdict",
    ]  # fmt: skip
    assert fields(data["steps"][0]["checks"][0]) == [
        "actual", "blocked_by", "check", "ended_by", "expected", "hint", "id", "mistakes",
        "reason", "seconds", "since", "source", "telling", "title", "verdict", "waited", "weight",
    ]  # fmt: skip
    assert fields(data["steps"][0]["commands"][0]) == [
        "exit_code", "id", "output", "reason", "run", "seconds", "verdict", "where",
    ]  # fmt: skip
