"""Machines of one's own that fail, that others use meanwhile, or that are called otherwise."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from swarmlab.images import catalog
from swarmlab.wait import Observation, until
from tests.docker.hosts_site import Machine, Room, all_held, done, held, room, status, swarmlab
from tests.docker.lifecycle_site import left
from tests.docker.mesh_site import look_until

pytestmark = [pytest.mark.docker, pytest.mark.long]

NAME = f"trouble-{os.getpid()}"
NAMES = ("pc-01", "pc-02", "pc-03")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Three machines that are called as people call them."""
    with room(tmp_path_factory.mktemp("trouble"), NAME, NAMES) as made:
        yield made
    assert left(NAME) == []


@pytest.fixture
def lab(there: Room) -> Iterator[list[dict[str, Any]]]:
    """A lab on them; what they held before it."""
    before = all_held(there)
    try:
        done(there, "up", "--hosts", str(there.file()), "--rename")
        yield before
    finally:
        swarmlab(there, "down", "--hosts", str(there.file()))


def off(machine: Machine) -> None:
    """Take the machine's power away."""
    api: Any = docker.from_env(version="auto").api
    api.kill(machine.box)
    api.close()


def on(machine: Machine) -> None:
    """Switch it on again, and wait for its engine."""
    api: Any = docker.from_env(version="auto").api
    api.start(machine.box)
    api.close()

    def look() -> Observation[None]:
        try:
            held(machine)
        except Exception as error:
            return Observation(False, str(error)[:200])
        return Observation(True, "it answers")

    until(f"the engine of {machine.hostname}", look, within=180)


def test_machines_are_renamed_for_a_while(there: Room, lab: list[dict[str, Any]]) -> None:
    assert [(node["name"], node["state"]) for node in status(there)["nodes"]] == [
        (f"swarm-{n}", "ready") for n in (1, 2, 3)
    ]
    assert [one["name"] for one in all_held(there)] == ["swarm-1", "swarm-2", "swarm-3"]
    done(there, "down")
    assert all_held(there) == lab


def test_a_machine_that_is_switched_off_and_on_again(
    there: Room, lab: list[dict[str, Any]]
) -> None:
    second = there.machines[1]
    off(second)
    try:
        seen = swarmlab(there, "status", "--json")
        assert seen.returncode == 3
        assert any("swarm-2" in one for one in json.loads(seen.stdout)["problems"])
        refused = swarmlab(there, "up")
        assert refused.returncode == 3
        assert second.address in refused.stderr
    finally:
        on(second)
    # Its swarm and the gate come back by themselves; what does not, `up` mends.
    done(there, "up")
    told = status(there)
    assert told["healthy"], told["problems"]
    faults = [swarmlab(there, "fault", what, "swarm-2") for what in ("stop", "pause", "cut")]
    for refused in (swarmlab(there, "stop"), *faults):
        assert refused.returncode == 2
        assert "machine of your own" in refused.stderr
    done(there, "down")
    assert all_held(there) == lab


def test_down_names_a_machine_that_does_not_answer_and_cleans_it_later(
    there: Room, lab: list[dict[str, Any]]
) -> None:
    third = there.machines[2]
    off(third)
    try:
        told = swarmlab(there, "down")
        assert told.returncode == 3
        assert "The machine of swarm-3" in told.stderr
        assert "was not cleaned" in told.stderr
        assert "--forget-lost" in told.stderr
        assert [held(one) for one in there.machines[:2]] == lab[:2]
    finally:
        on(third)
    done(there, "down")
    assert all_held(there) == lab


def test_what_others_did_meanwhile_is_told_and_stays(
    there: Room, lab: list[dict[str, Any]]
) -> None:
    first = there.machines[0]
    client = first.client()
    client.volumes.create("homework")
    try:
        told = swarmlab(there, "down")
        assert told.returncode == 3
        assert f"swarm-1 (tcp://{first.address}:2376): volume homework is new" in told.stderr
        assert [volume.name for volume in client.volumes.list()] == ["homework"]
        assert left(NAME) == []
    finally:
        client.volumes.get("homework").remove()
        client.close()
    assert all_held(there) == lab


def lose(name: str) -> None:
    """Have this machine's engine lose all that it has of the lab."""
    api: Any = docker.from_env(version="auto").api
    of = {"label": f"swarmlab.lab={name}"}
    for box in api.containers(all=True, filters=of):
        api.remove_container(box["Id"], force=True, v=True)
    for volume in api.volumes(filters=of)["Volumes"]:
        api.remove_volume(volume["Name"])
    for net in api.networks(filters=of):
        api.remove_network(net["Id"])
    api.close()


def test_a_lab_that_this_engine_has_lost_is_found_by_its_gates(
    there: Room, lab: list[dict[str, Any]]
) -> None:
    """Also when one of them is silent just then: it is named, and cleaned when it is back.

    `up` takes it for another computer's, as it may be.
    """
    lose(NAME)
    third = there.machines[2]
    file = str(there.file())
    now = all_held(there)
    refused = swarmlab(there, "up", "--hosts", file, "--beside-containers", "--leave-swarm")
    assert refused.returncode == 3
    said = " ".join(refused.stderr.split())
    for node in ("swarm-1", "swarm-2", "swarm-3"):
        assert f"{node}: it is a node of another lab, or just becomes one: {NAME}," in said
    assert (all_held(there), left(NAME)) == (now, [])
    off(third)
    try:
        told = swarmlab(there, "down", "--hosts", file)
        assert told.returncode == 3
        said = " ".join(told.stderr.split())
        assert f"The machine of swarm-3 (tcp://{third.address}:2376) was not cleaned." in said
        assert "When it answers again, `swarmlab down" in said
        wrong = said[said.index("Error:") :]
        assert "swarm-1" not in wrong and "swarm-2" not in wrong
        assert [held(one) for one in there.machines[:2]] == lab[:2]
    finally:
        on(third)
    done(there, "down", "--hosts", file)
    assert all_held(there) == lab


def test_a_machine_that_its_owner_took_for_another_swarm_is_left_there(
    there: Room, lab: list[dict[str, Any]]
) -> None:
    third = there.machines[2]
    client = third.client()
    client.swarm.leave(force=True)
    client.swarm.init(advertise_addr=third.address)
    services: Any = client.services
    image = str(catalog.load().images["util"].inside)
    theirs = services.create(image, name="theirs", command=["sleep"], args=["600"])
    try:
        refused = swarmlab(there, "up")
        assert refused.returncode == 3
        assert "swarm-3 is in another swarm than the lab's" in " ".join(refused.stderr.split())
        told = swarmlab(there, "down")
        assert told.returncode == 3
        assert f"swarm-3 (tcp://{third.address}:2376): it is in a swarm as node" in " ".join(
            told.stderr.split()
        )
        assert [one.name for one in services.list()] == ["theirs"]
        assert [held(one) for one in there.machines[:2]] == lab[:2]
        assert left(NAME) == []
    finally:
        theirs.remove()
        client.swarm.leave(force=True)
        until_clean(third, lab[2])
        client.close()


def until_clean(machine: Machine, before: dict[str, Any]) -> None:
    """Have the machine as it was, once its owner has given up the swarm on it."""
    client = machine.client()

    def look() -> Observation[None]:
        api: Any = client.api
        for box in api.containers(all=True):
            # The swarm that it was a task of may be just removing it.
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(box["Id"], force=True, v=True)
        for net in client.networks.list(names=["docker_gwbridge"]):
            try:
                net.remove()
            except docker.errors.APIError as error:
                return Observation(False, str(error))
        for image in client.images.list():
            client.images.remove(str(image.id), force=True)
        machine.run("hostname", before["name"])
        return Observation(held(machine) == before, str(held(machine)))

    until(f"{machine.hostname} to be as it was", look, within=120)
    client.close()


@pytest.mark.parametrize("moment", ["Looking at the machines", "Starting 3 nodes", "Forming"])
def test_an_interrupted_up_takes_everything_back(there: Room, moment: str) -> None:
    before = all_held(there)
    words = [sys.executable, "-m", "swarmlab", "up", "--rename", "--hosts", str(there.file())]
    process = subprocess.Popen(
        words,
        env={**os.environ, "SWARMLAB_NAME": NAME},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if moment in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(timeout=300) == 130, rest
    finally:
        process.kill()
        process.wait()
        interrupted = all_held(there), left(NAME)
        swarmlab(there, "down")
    assert interrupted == (before, [])


def listens(address: str, port: int) -> bool:
    """Raises OSError where nobody does."""
    with socket.create_connection((address, port), timeout=2):
        return True


def test_a_port_in_use_is_found_and_all_is_taken_back(there: Room) -> None:
    two = there.machines[1]
    listener = "import socket, time; s = socket.create_server(('', 8500)); time.sleep(600)"
    before = all_held(there)
    two.run("sh", "-c", f'python3 -c "{listener}" >/dev/null 2>&1 & echo $! >/tmp/listener')
    try:
        look_until("the listener", lambda: listens(two.address, 8500), within=60)
        refused = swarmlab(there, "up", "--rename", "--hosts", str(there.file()))
    finally:
        two.run("sh", "-c", "kill $(cat /tmp/listener)")
    assert refused.returncode == 3
    assert "swarm-2: TCP port 8500, which Consul needs, is in use" in refused.stderr
    assert "sudo ss -ltnp 'sport = :8500'" in refused.stderr
    assert all_held(there) == before
    assert left(NAME) == []
