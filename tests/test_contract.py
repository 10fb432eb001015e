"""What commands print with --json is what docs/schemas says, whatever they found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmlab import seal
from swarmlab.results import RunResult, Verdict
from swarmlab.runner import Runner
from tests import lab_fakes as fake
from tests.contract import broken, schema

MOVES: dict[str, Callable[[Runner], RunResult]] = {
    "run": lambda runner: runner.run(),
    "run from 2": lambda runner: runner.run(2),
    "step": lambda runner: runner.step(2),
    "goto": lambda runner: runner.goto(3),
    "reset": lambda runner: runner.reset(2),
    "verify": lambda runner: runner.verify(),
    "verify 1 2": lambda runner: runner.verify([1, 2]),
}


def room(tmp_path: Path) -> fake.Room:
    """Three steps: one whose claim the next one ends, one with a needed check, a plain one."""
    second = fake.step(
        2,
        commands=(
            fake.command("make f2\nsay hello", checks=(fake.check("f2", id="now"),)),
            fake.command("make g2", "c2"),
        ),
        checks=(fake.check("f2"), fake.check("g2", needs=["f2"])),
    )
    return fake.Room(fake.lab(fake.step(1, until="s2"), second, fake.step(3)), tmp_path)


def printed(result: RunResult, key: bytes | None = None) -> Any:
    return json.loads(json.dumps(seal.sealed(result.to_dict(), key)))


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("key", [None, b"0123456789abcdef"])
def test_every_command_that_gives_a_result_keeps_the_contract(
    tmp_path: Path, move: str, key: bytes | None
) -> None:
    made = room(tmp_path)
    made.runner.run()
    assert broken(printed(MOVES[move](made.runner), key)) == []


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.ERRORED])
def test_also_when_it_does_not_pass(tmp_path: Path, move: str, verdict: Verdict) -> None:
    made = room(tmp_path)
    made.runner.run()
    if verdict is Verdict.FAILED:
        made.shell.before = lambda line: made.facts.true.discard("f2")
        made.facts.true.discard("f2")
    else:
        made.facts.hidden.add("f2")
    result = MOVES[move](made.runner)
    assert broken(printed(result)) == []
    if result.steps and move != "goto":
        assert result.verdict is verdict


def test_an_untouched_lab_earns_nothing(tmp_path: Path) -> None:
    """Of step 1 all holds, of step 2 what says that nothing is left, of step 3 what it begins with.

    On record is only what is told to be done.
    """
    idle = fake.check("nothing", check="fact.absent")
    left = replace(fake.check("left", check="fact.absent"), before="left", untouched=True)
    made = replace(fake.check("f3"), before="does not hold")
    checks = ((idle,), (left, idle), (made, idle))
    steps = [fake.step(number, checks=some) for number, some in enumerate(checks, 1)]
    room = fake.Room(fake.lab(*steps), tmp_path)
    for found in (room.runner.survey(), room.runner.verify([2, 3])):
        assert broken(printed(found)) == []
        assert found.steps[-2].verdict is Verdict.PASSED
        assert found.points.earned == 0
    # What was typed by hand earns without any record, where it shows.
    room.facts.true.add("f3")
    assert [step.points.earned for step in room.runner.survey().steps] == [0, 0, 2]
    room.runner.verify([1])
    assert [step.points.earned for step in room.runner.survey().steps] == [1, 0, 2]


@pytest.mark.parametrize("line", ["fail 7", "hang", "lost"])
def test_also_when_a_command_fails(tmp_path: Path, line: str) -> None:
    failing = fake.step(1, commands=(fake.command(line), fake.command("make f1", "c2")))
    made = fake.Room(fake.lab(failing), tmp_path)
    assert broken(printed(made.runner.step(1))) == []


def test_the_contract_can_be_broken(tmp_path: Path) -> None:
    good = printed(room(tmp_path).runner.run())
    assert broken(good) == []

    def changed(change: Callable[[Any], object]) -> list[str]:
        data = copy.deepcopy(good)
        change(data)
        return broken(data)

    assert changed(lambda d: d.update(version=2))
    assert changed(lambda d: d.pop("cluster"))
    assert changed(lambda d: d.update(more=1))
    assert changed(lambda d: d["steps"][0]["checks"][0].pop("weight"))
    assert changed(lambda d: d["steps"][0]["checks"][0].update(more=1))
    assert changed(lambda d: d["steps"][0].update(number="1"))
    # A verdict without its evidence.
    assert changed(lambda d: d["steps"][1]["checks"][0].update(verdict="failed", expected=""))
    assert changed(lambda d: d["steps"][1]["checks"][0].update(verdict="errored", reason=""))


def test_the_schema_says_what_everything_means() -> None:
    found = schema("result-1")
    assert found["properties"]["version"] == {"const": 1}
    for name, part in {"": found, **found["$defs"]}.items():
        for field in part["properties"]:
            assert field in part["required"], f"{name}.{field}"
