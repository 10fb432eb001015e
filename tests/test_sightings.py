"""Since when a claim fails: remembered from command to command, true to one cluster, harmless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarmlab.results import CheckResult, Since, Verdict
from swarmlab.sightings import Sightings
from tests import lab_fakes as fake

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED


class Clock:
    def __init__(self) -> None:
        self.minute = 0

    def __call__(self) -> str:
        self.minute += 1
        return at(self.minute)


def at(minute: int) -> str:
    return f"2026-05-04T10:{minute:02d}:00+00:00"


def look(sightings: Sightings, verdict: Verdict, id: str = "a", number: int = 1) -> Since | None:
    return sightings.noted((number, id), CheckResult(id, "A", "fact.holds", verdict)).since


def test_the_first_failure_and_the_last_success_are_told() -> None:
    sightings = Sightings(clock=Clock())
    assert look(sightings, F) == Since(at(1))
    assert look(sightings, F) == Since(at(1))
    assert look(sightings, P) is None
    assert look(sightings, P) is None
    assert look(sightings, F) == Since(at(4), at(3))


def test_what_could_not_be_looked_at_says_nothing() -> None:
    clock = Clock()
    sightings = Sightings(clock=clock)
    look(sightings, F)
    for verdict in (E, S):
        assert look(sightings, verdict) is None
    assert clock.minute == 1
    assert look(sightings, F) == Since(at(1))


def test_claims_of_the_same_name_in_other_steps_are_others() -> None:
    sightings = Sightings(clock=Clock())
    look(sightings, P, number=1)
    assert look(sightings, F, number=11) == Since(at(2))
    sightings.begin(1)
    assert look(sightings, F, number=11) == Since(at(2))


def test_a_step_that_is_run_anew_begins_anew() -> None:
    sightings = Sightings(clock=Clock())
    look(sightings, P)
    look(sightings, F)
    sightings.begin(1)
    found = look(sightings, F)
    assert found is not None
    assert found.failing > at(2)
    assert found.held == at(1)


def test_it_is_kept_for_the_cluster_it_is_about(tmp_path: Path) -> None:
    first = Sightings(tmp_path, "one", Clock())
    look(first, F)
    first.save()
    assert look(Sightings(tmp_path, "one"), F) == Since(at(1))
    found = look(Sightings(tmp_path, "two", lambda: at(30)), F)
    assert found == Since(at(30))
    assert [path.name for path in tmp_path.iterdir()] == ["sightings.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 2}',
        '{"version": 1, "cluster": "c", "claims": []}',
        '{"version": 1, "cluster": "c", "claims": {"1/a": null}}',
        '{"version": 1, "cluster": "c", "claims": {"1/a": {"failing": 7, "held": ""}}}',
        '{"version": 1, "cluster": "c", "claims": {"1/a": {"failing": "soon", "held": ""}}}',
        '{"version": 1, "cluster": "c", "claims": {"1/a": {"failing": "2026-01-01", "held": ""}}}',
        *(
            json.dumps(
                {"version": 1, "cluster": "c", "claims": {"1/a": {"failing": t, "held": ""}}}
            )
            for t in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-W01-1")
        ),
        "[" * 100000,
    ],
)
def test_a_file_that_is_none_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "sightings.json").write_text(text)
    sightings = Sightings(tmp_path, "c", lambda: at(9))
    assert look(sightings, F) == Since(at(9))
    sightings.save()
    assert json.loads((tmp_path / "sightings.json").read_text())["cluster"] == "c"


def test_a_lab_that_is_gone_gets_no_folder(tmp_path: Path) -> None:
    sightings = Sightings(tmp_path / "gone", "c")
    look(sightings, F)
    sightings.save()
    assert list(tmp_path.iterdir()) == []


def test_the_runner_remembers_from_command_to_command(tmp_path: Path) -> None:
    room = fake.Room(fake.lab(fake.step(1), fake.step(2)), tmp_path)
    room.runner.run()
    room.facts.true.discard("f1")
    first = room.runner.verify().steps[0].checks[0].since
    assert first is not None
    assert first.held
    again = room.runner.verify([1]).steps[0].checks[0].since
    assert again == first
    room.facts.hidden.add("f1")
    assert room.runner.verify().steps[0].checks[0].since is None
    room.facts.hidden.discard("f1")
    assert room.runner.verify().steps[0].checks[0].since == first
    assert room.runner.step(1).steps[0].checks[0].since is None
    failing = fake.step(3, commands=(fake.command("say x"),))
    other = fake.Room(fake.lab(failing), tmp_path / "other")
    other.store.path.parent.mkdir(exist_ok=True)
    found = other.runner.step(3).steps[0].checks[0].since
    assert found is not None
    assert found.held == ""
