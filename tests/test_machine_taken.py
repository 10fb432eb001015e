"""Machines that docker-machine takes over and forgets: no lab is left on them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from swarmlab import engine as engines
from swarmlab.engine import Engine, Target
from swarmlab.errors import EngineUnreachable, EnvironmentProblem
from swarmlab.providers.hosts import cleaning
from tests.test_docker_machine import Room, room
from tests.test_hosts_cleaning import GATE, OURS, Machine, machine, with_lab

__all__ = ["machine", "room"]

ADDRESS = "192.0.2.7"
LOOKOUT = {**GATE, "swarmlab.lab": "demo", "swarmlab.role": "lookout"}


@pytest.fixture
def reached(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """The engines that were connected to: all are the machine's."""
    found: list[Target] = []

    def connect(where: Target) -> Engine:
        found.append(where)
        client = SimpleNamespace(api=machine, close=lambda: None)
        return cast(Engine, SimpleNamespace(client=client))

    monkeypatch.setattr(engines, "connect", connect)
    return found


def taken(room: Room, driver: str = "generic", *, whole: bool = True) -> Path:
    folder = room.machine("swarm-1", Driver={"IPAddress": ADDRESS}, DriverName=driver)
    if whole:
        (folder / "server.pem").touch()
    return folder


def used(machine: Machine) -> None:
    """With the lab on it, whose lookout is there."""
    with_lab(machine)
    machine.boxes = [one for one in machine.boxes if one["Id"] != "gate"]
    machine.box("lookout", OURS, "swarmlab-lookout", **LOOKOUT)


def test_the_lab_is_taken_off_a_machine_that_stays(
    room: Room, machine: Machine, reached: list[Target]
) -> None:
    folder = taken(room)
    used(machine)
    assert room.provider().remove("swarm-1") == ()
    assert reached == [Target(f"tcp://{ADDRESS}:2376", "docker-machine", folder)]
    assert machine.swarm == ""
    assert [one["Id"] for one in machine.boxes] == ["web"]
    assert [one["Name"] for one in machine.stores] == ["data"]
    assert OURS not in [one["Id"] for one in machine.pictures]
    assert [call[0] for call in room.calls] == ["rm"]


def test_a_swarm_on_a_machine_that_the_lab_never_came_to_is_left_alone(
    room: Room, machine: Machine, reached: list[Target]
) -> None:
    taken(room)
    used(machine)
    machine.remove_container("lookout")
    boxes = list(machine.boxes)
    assert room.provider().remove("swarm-1") == ()
    assert reached
    assert (machine.swarm, machine.boxes) == ("node1", boxes)
    assert [call[0] for call in room.calls] == ["rm"]


def test_a_machine_that_its_driver_removes_is_not_cleaned_first(
    room: Room, machine: Machine, reached: list[Target]
) -> None:
    taken(room, "virtualbox")
    room.provider().remove("swarm-1")
    assert reached == []


def test_one_that_was_never_whole_has_nothing_and_is_not_looked_for(
    room: Room, reached: list[Target]
) -> None:
    taken(room, whole=False)
    assert room.provider().remove("swarm-1") == ()
    assert reached == []


@pytest.mark.usefixtures("reached")
@pytest.mark.parametrize(
    "trouble", [EngineUnreachable("It does not answer."), EnvironmentProblem("Too old.")]
)
def test_what_stays_there_is_said(
    trouble: EnvironmentProblem, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(where: Target) -> Engine:
        raise trouble

    monkeypatch.setattr(engines, "connect", connect)
    folder = taken(room)
    (said,) = room.provider().remove("swarm-1")
    assert f"swarm-1 was there before the lab and stays ({ADDRESS})" in said
    assert trouble.message in said
    assert "`docker swarm leave --force`" in said and "label=swarmlab.lab=demo" in said
    assert not folder.exists()


def test_what_does_not_go_is_said(
    room: Room, machine: Machine, reached: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "_SETTLE_SECONDS", 0.1)
    taken(room)
    used(machine)
    machine.busy = 1000
    (said,) = room.provider().remove("swarm-1")
    assert "volume go-demo-db is new" in said


def test_an_engine_that_is_in_a_swarm_is_not_for_a_lab(
    room: Room, machine: Machine, reached: list[Target]
) -> None:
    machine.swarm = "theirs"
    room.tell(create={"driver": "generic"})
    with pytest.raises(EnvironmentProblem, match=rf"\({ADDRESS}\) is in a swarm already") as caught:
        room.provider(driver="generic").create("swarm-1")
    assert "docker swarm leave --force" in caught.value.hint
    machine.swarm = ""
    room.provider(driver="generic").remove("swarm-1")
    made = room.provider(driver="generic")
    made.create("swarm-1")
    assert made.address("swarm-1") == ADDRESS
    assert len(reached) == 2
