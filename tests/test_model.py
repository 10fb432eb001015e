"""The lab model: frozen values, and steps found by number or id."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from swarmlab.model import CheckSpec, Command, Lab, Step, Where
from tests.lab_fakes import lab, step


@pytest.mark.parametrize(
    ("name", "number"), [("1", 1), (2, 2), ("s2", 2), ("02", None), ("s9", None), (-1, None)]
)
def test_steps_are_found_by_number_or_id(name: str | int, number: int | None) -> None:
    found = lab(step(1), step(2)).find(name)
    assert (found.number if found else None) == number


def test_files_lie_in_the_labs_folder() -> None:
    assert Lab("x", "X", "1", (), Path("/labs/x")).files == Path("/labs/x/files")


def test_defaults_are_those_of_the_lab_file() -> None:
    command, check = Command("c1", "true"), CheckSpec("a", "swarm.nodes", "T")
    assert (command.where, command.exit_codes, command.timeout) == (Where.WORKSTATION, (0,), 120.0)
    assert (check.within, check.until, check.needs, check.weight) == (20.0, None, (), 1.0)


def test_nothing_can_be_changed() -> None:
    one: Step = step(1)
    with pytest.raises(FrozenInstanceError):
        one.number = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        CheckSpec("a", "b", "c").params["x"] = 1  # type: ignore[index]
