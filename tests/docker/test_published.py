"""The whole chapter where nodes are reached by published ports only, as with Docker Desktop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlab.bundle import serving
from swarmlab.cluster import lifecycle
from swarmlab.providers.base import ENGINE_PORT
from swarmlab.wait import PATIENCE
from tests.docker.lifecycle_site import host, left

pytestmark = pytest.mark.docker

STEPS = 14


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"published-{os.getpid()}"
    try:
        yield chosen
    finally:
        lifecycle.down(chosen)


@pytest.mark.long
def test_the_chapter_passes_whole_by_published_ports(name: str) -> None:
    with lifecycle.up(name, reach="published") as cluster:
        for node in cluster.nodes:
            assert cluster.endpoint(node, ENGINE_PORT)[0] == "127.0.0.1"
            assert cluster.endpoint(node, 80)[0] != cluster.address(node)
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", "run", "--name", name, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert [step["number"] for step in found["steps"]] == list(range(1, STEPS + 1))
    assert {check["verdict"] for step in found["steps"] for check in step["checks"]} == {"passed"}
    assert found["verdict"] == "passed"
    assert left(name) == []


def called(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """swarmlab, for that lab; on a busy machine a look takes longer than on another."""
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words],
        env={**os.environ, "SWARMLAB_NAME": name, PATIENCE: "5"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def done(name: str, *words: str, code: int = 0) -> str:
    """What a command said; it must end with that exit code."""
    ended = called(name, *words)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def open_at(name: str) -> set[str]:
    """The addresses of this machine at which ports of the lab are open, as the engine says."""
    ports = [
        binding["HostIp"]
        for one in host().containers(filters={"label": f"swarmlab.lab={name}"})
        for bindings in (host().inspect_container(one["Id"])["NetworkSettings"]["Ports"].values())
        for binding in bindings or ()
    ]
    return set(ports)


def test_every_command_on_a_lab_that_is_open_at_an_address(name: str, tmp_path: Path) -> None:
    """At another address than 127.0.0.1; a lab of which all is lost but a disk is open there."""
    # A machine without a network still has the rest of 127.0.0.0/8.
    address = next(iter(serving.addresses()), "127.0.0.7")
    said = done(name, "up", "--managers", "1", "--publish-address", address)
    assert f"at {address}: port 80 is " in said
    assert open_at(name) == {address}

    status = json.loads(done(name, "status", "--json"))
    (node,) = status["nodes"]
    assert status["healthy"]
    where, _, port = node["ports"]["2376"].rpartition(":")
    assert where == address
    # What it tells is where other programs get in, with the lab's own certificates.
    exported = dict(
        line.removeprefix("export ").split("=", 1)
        for line in done(name, "env", "swarm-1").splitlines()
        if line.startswith("export ")
    )
    assert exported["DOCKER_HOST"] == f"tcp://{address}:{port}"
    names = subprocess.run(
        ["docker", "node", "ls", "--format", "{{.Hostname}}"],
        env={**os.environ, **exported},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert names.stdout.split() == ["swarm-1"], names.stderr

    # The workstation lives beside the nodes, and goes by their own addresses.
    assert done(name, "ip", "swarm-1").strip() == node["address"] != address
    typed = 'eval "$(docker-machine env swarm-1)"; docker node ls -q | wc -l'
    assert done(name, "shell", "-c", typed).strip() == "1"
    assert done(name, "ssh", "swarm-1", "hostname").strip() == "swarm-1"
    assert "swarm-1" in done(name, "topology", "--text")
    assert "status.json" in done(name, "support-bundle", str(tmp_path / "help.tar.gz"))
    assert "has no other node" in done(name, "fault", "cut", "swarm-1", code=2)
    done(name, "fault", "pause", "swarm-1", "--yes")
    assert not json.loads(called(name, "status", "--json").stdout)["healthy"]
    done(name, "fault", "heal", "--all")
    assert "open at" in done(name, "up", "--publish-address", "127.0.0.2", code=2)

    for one in host().containers(all=True, filters={"label": f"swarmlab.lab={name}"}):
        host().remove_container(one["Id"], force=True, v=True)
    assert "made anew" in called(name, "up").stderr
    assert open_at(name) == {address}
    done(name, "down")
    assert left(name) == []
