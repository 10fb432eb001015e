"""Provider docker-machine: the whole chapter on machines that a stand-in of that program makes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swarmlab.providers import machine_making
from swarmlab.wait import Observation, until
from tests.contract import broken
from tests.docker import testhosts
from tests.docker.lifecycle_site import host, left

pytestmark = pytest.mark.docker

ROOT = Path(__file__).resolve().parents[2]
STEPS = 14
SECRET = "hunter2"
TOKEN = f"standin-token={SECRET}"
OPTIONS = ["--machine-opt", "standin-number=1{n}"]


class Place:
    """A store of docker-machine's, an environment in which the stand-in is the program, a lab."""

    def __init__(self, folder: Path, on: testhosts.Bridge) -> None:
        self.name = f"machines-{secrets.token_hex(3)}"
        self.store = folder / "store"
        self.on = on
        self.said: list[str] = []
        program = folder / "bin" / "docker-machine"
        program.parent.mkdir()
        program.write_text(
            f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.docker.machine_standin "
            '"$@"\n'
        )
        program.chmod(0o755)
        self.env = {
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "MACHINE_STORAGE_PATH": str(self.store),
            "STANDIN_BRIDGE": f"{on.name} {on.subnet}",
            "SWARMLAB_NAME": self.name,
            "SWARMLAB_PROVIDER": "docker-machine",
            "SWARMLAB_MACHINE_DRIVER": "standin",
            # docker-machine goes by it, and is to be asked for another one's words.
            "SHELL": "/usr/bin/fish",
            "SWARMLAB_MACHINE_OPTS": "standin-number=1{n}",
        }

    def swarmlab(self, *words: str, code: int = 0, seconds: float = 1200) -> str:
        """What one command prints; its exit code must be `code`."""
        done = self._run(*words, seconds=seconds)
        assert done.returncode == code, self.said[-1]
        return done.stdout + done.stderr * (code != 0)

    def _run(self, *words: str, seconds: float = 1200) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "swarmlab", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        self.said.append(done.stdout + done.stderr)
        return done

    def status(self) -> dict[str, Any]:
        """The lab's status, once no engine is late: on a busy machine an answer may take longer
        than a look waits for it. What else is amiss is told as it is."""

        def look() -> Observation[dict[str, Any]]:
            told: dict[str, Any] = json.loads(self._run("status", "--json").stdout)
            late = [one for one in told["problems"] if "does not answer within" in one]
            return Observation(not late, "; ".join(late), told)

        seen = until("the engines to answer in time", look, within=120).last.value
        assert seen is not None
        return seen

    @property
    def machines(self) -> list[str]:
        """What docker-machine's store has."""
        folder = self.store / "machines"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    @property
    def boxes(self) -> list[str]:
        """What the stand-in's driver has."""
        label = {"label": f"{testhosts.LABEL}={self.on.name}"}
        return sorted(one["Names"][0] for one in host().containers(all=True, filters=label))

    def begun(self, running: subprocess.Popen[bytes]) -> Observation[None]:
        """Whether `up`, which runs, has begun to make three machines."""
        assert running.poll() is None, "it ended before it was interrupted"
        files = [self.store / "machines" / name / "config.json" for name in self.machines]
        return Observation(sum(map(Path.is_file, files)) == 3, f"{len(files)} machines")

    def nothing(self) -> bool:
        return not (self.machines or self.boxes or left(self.name))


@pytest.fixture(scope="module")
def bridge() -> Iterator[testhosts.Bridge]:
    with testhosts.bridge() as on:
        yield on
    assert testhosts.rules(on.name) == []


@pytest.fixture
def place(bridge: testhosts.Bridge, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, bridge)
    try:
        yield made
    finally:
        made.swarmlab("down")


def test_the_chapter_on_machines(place: Place) -> None:
    options = ("standin-number=1{n}", TOKEN, "standin-hides=swarm-2")
    place.swarmlab("up", *(word for option in options for word in ("--machine-opt", option)))
    found = json.loads(place.swarmlab("run", "--to", "13", "--json"))
    assert broken(found) == []
    assert [step["number"] for step in found["steps"]] == list(range(1, STEPS))
    assert {c["verdict"] for s in found["steps"] for c in s["checks"]} == {"passed"}

    # The nodes are the machines, and no container of the lab beside its workstation.
    assert place.machines == ["swarm-1", "swarm-2", "swarm-3"]
    labelled = {"label": f"swarmlab.lab={place.name}"}
    boxes = [one["Names"][0] for one in host().containers(all=True, filters=labelled)]
    assert boxes == [f"/swarmlab-{place.name}-workstation"]
    told = place.status()
    assert told["healthy"], told["problems"]
    assert [node["address"] for node in told["nodes"]] == [
        place.on.address(number) for number in (11, 12, 13)
    ]
    assert told["data_plane"] == found["data_plane"] != ""

    # From the workstation as from here, and inside a node.
    assert place.swarmlab("ssh", "swarm-2", "hostname").strip() == "swarm-2"
    inside = place.swarmlab("shell", "--command", "docker-machine ip swarm-3").strip()
    assert inside == place.swarmlab("ip", "swarm-3").strip() == place.on.address(13)

    # A machine that is off comes back, with what ran on it.
    refused = place.swarmlab("fault", "pause", "swarm-2", code=2)
    assert "docker-machine can only stop and start" in refused
    place.swarmlab("fault", "stop", "swarm-3")
    assert "swarm-3 is stopped (stopped)" in place.swarmlab("status", code=3)
    place.swarmlab("fault", "heal", "--all")
    assert place.status()["healthy"], place.said[-1]
    assert "is up" in place.swarmlab("up", "--provider", "docker-machine")
    assert "from provider docker-machine" in place.swarmlab("up", "--provider", "dind", code=2)
    refused = place.swarmlab("up", "--machine-opt", "standin-number=2{n}", code=2)
    assert "was made without --machine-opt 'standin-number=2{n}'" in " ".join(refused.split())
    place.env["SWARMLAB_PROVIDER"] = "dind"
    assert "is up" in place.swarmlab("up")
    assert "keeps its own, docker-machine" in " ".join(place.said[-1].split())
    place.env["SWARMLAB_PROVIDER"] = "docker-machine"

    # Stopped and started whole, without the secret: docker-machine has it, and its driver says it.
    place.swarmlab("stop")
    assert "step 13" in place.swarmlab("start")
    assert f"token {SECRET}" in place.store.joinpath("said").read_text()
    api = host()
    kept = [*api.containers(all=True, filters=labelled), *api.networks(filters=labelled)]
    assert SECRET not in "".join(place.said) + json.dumps(kept)

    # Without docker-machine's store nothing is known of the machines, and nothing done to them.
    away = place.store.rename(place.store.with_name("away"))
    for move in ("status", "stop", "start", "up", "down"):
        said = " ".join(place.swarmlab(move, code=3).split())
        assert "docker-machine kept it in" in said or "were not cleaned" in said
        assert "--forget-lost" in said
    away.rename(place.store)
    assert place.status()["healthy"], place.said[-1]

    last = json.loads(place.swarmlab("step", "14", "--json"))
    assert last["verdict"] == "passed"
    assert place.nothing()
    assert "nothing to remove" in place.swarmlab("down")


def test_a_driver_that_fails_half_way_leaves_nothing_and_no_secret(place: Place) -> None:
    options = ["--machine-opt", "standin-fails=create", "--machine-opt", TOKEN]
    said = place.swarmlab("up", *options, code=3)
    assert "docker-machine could not make swarm-" in said
    assert "the stand-in was told to fail" in said
    assert "docker-machine forgot swarm-" in said
    assert SECRET not in said
    assert place.nothing()


def test_a_wrong_option_is_wrong_usage_and_leaves_nothing(place: Place) -> None:
    said = place.swarmlab("up", "--machine-opt", "standin-nummer=1{n}", code=2)
    assert "flag provided but not defined: -standin-nummer" in said
    assert "create --driver standin --help" in said
    assert "Incorrect Usage" not in said and "Number of the" not in said
    assert place.nothing()


def test_a_name_that_is_taken_stops_up_before_anything_is_made(place: Place) -> None:
    theirs = place.store / "machines" / "swarm-2" / "config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(json.dumps({"ConfigVersion": 3, "Driver": {}, "Name": "swarm-2"}))
    said = " ".join(place.swarmlab("up", code=2).split())
    assert "docker-machine has a machine swarm-2 already, that swarmlab did not make" in said
    assert "MACHINE_STORAGE_PATH" in said
    assert place.machines == ["swarm-2"]
    assert place.boxes == left(place.name) == []
    assert "nothing to remove" in place.swarmlab("down")
    assert theirs.exists()


def test_one_machine_that_fails_takes_the_others_with_it(place: Place) -> None:
    """Its box is there and its engine is not; the others are whole by then."""
    options = [*OPTIONS, "--machine-opt", "standin-fails=provision:swarm-2"]
    said = " ".join(place.swarmlab("up", *options, code=3).split())
    assert "docker-machine could not make swarm-2" in said
    assert "Error running provisioning" in said
    assert "Look there" not in said
    assert place.nothing()


def test_a_machine_that_nobody_knows_of_is_not_passed_over(place: Place) -> None:
    """Its driver made it and failed: docker-machine keeps what it is called only afterwards."""
    options = [*OPTIONS, "--machine-opt", "standin-fails=lose"]
    said = " ".join(place.swarmlab("up", *options, code=3).split())
    lost = [name.rpartition("-swarm-")[2] for name in place.boxes]
    try:
        assert lost
        for number in lost:
            assert f"docker-machine removed swarm-{number}, which was never whole" in said
        assert "its driver standin" in said and "Remote instance does not exist" in said
        assert not (place.machines or left(place.name))
    finally:
        for name in place.boxes:
            host().remove_container(name, force=True)
            host().remove_volume(name.lstrip("/"), force=True)


@contextmanager
def hanging(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """An `up` whose driver hangs with three machines begun; killed at the end, if it still runs."""
    running = subprocess.Popen(
        [sys.executable, "-m", "swarmlab", "up", "--machine-opt", "standin-fails=hang"],
        env=place.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until("three machines to be begun", lambda: place.begun(running), within=240, every=0.1)
        yield running
    finally:
        running.kill()
        running.wait()


def test_ctrl_c_while_a_driver_hangs_leaves_nothing(place: Place) -> None:
    with hanging(place) as running:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=300) == 130
    assert place.nothing()


def test_a_killed_up_leaves_nothing_that_down_does_not_end(place: Place) -> None:
    """Nobody tells docker-machine that its caller is no more: it goes on with what it does."""
    with hanging(place):
        pass
    assert len(machine_making.running(place.store, place.name)) == 3
    said = " ".join(place.swarmlab("down", code=3).split())
    for node in ("swarm-1", "swarm-2", "swarm-3"):
        assert f"{node} was still being made for a command that was killed" in said
        assert f"docker-machine removed {node}, which was never whole" in said
    assert machine_making.running(place.store, place.name) == {}
    assert place.nothing()
    assert "nothing to remove" in place.swarmlab("down")


def test_a_lab_whose_engine_has_forgotten_it_is_found_in_the_store(place: Place) -> None:
    """Machines outlive the lab's network and workstation; `down` finds them all the same."""
    folder = place.store / "machines" / "swarm-1"
    folder.mkdir(parents=True)
    labels = [f"swarmlab.lab={place.name}", "swarmlab.nodes=1", "swarmlab.managers=1"]
    config = {
        "ConfigVersion": 3,
        "Driver": {"IPAddress": "", "Fails": ""},
        "DriverName": "standin",
        "HostOptions": {"EngineOptions": {"Labels": labels}},
        "Name": "swarm-1",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "server.pem").touch()
    assert place.name in [
        lab["name"] for lab in json.loads(place.swarmlab("list", "--json"))["labs"]
    ]
    assert "(1 machine" in place.swarmlab("down")
    assert place.nothing()
