"""A lab on another machine's engine: over TLS, over SSH, and where there is no network at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from swarmlab.images import catalog, recipe
from tests.docker.lifecycle_site import left
from tests.docker.machine_site import Machine, give, machine

pytestmark = [pytest.mark.docker, pytest.mark.long]

NAME = "far"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A second machine that has the lab's images."""
    with machine(tmp_path_factory.mktemp("there"), f"machine-{os.getpid()}") as made:
        give(made, "loaded-node", "workstation")
        yield made


def swarmlab(
    environment: Mapping[str, str],
    *words: str,
    timeout: float = 300,
    prefix: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """swarmlab with that environment and a name of its own for the lab."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "swarmlab", *words],
        env={**os.environ, "SWARMLAB_NAME": NAME, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def done(environment: Mapping[str, str], *words: str, timeout: float = 300) -> str:
    """The output of a command that must work."""
    ended = swarmlab(environment, *words, timeout=timeout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def own(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def nothing_left(there: Machine) -> None:
    client = there.client()
    assert client.containers.list(all=True) == []
    assert client.volumes.list() == []
    assert [n.name for n in client.networks.list() if str(n.name).startswith("swarmlab")] == []
    client.close()


def test_the_chapter_on_an_engine_reached_over_tls(there: Machine, tmp_path: Path) -> None:
    env = {**there.by_tls(), **own(tmp_path)}
    found = json.loads(done(env, "run", "--json", timeout=900))
    verdicts = {check["verdict"] for step in found["steps"] for check in step["checks"]}
    assert verdicts == {"passed"}
    assert len(found["steps"]) == 14
    nothing_left(there)
    assert left(NAME) == []


def test_every_command_on_an_engine_reached_over_ssh(there: Machine, tmp_path: Path) -> None:
    env = {**there.by_ssh(), **own(tmp_path)}
    try:
        done(env, "up")
        status = json.loads(done(env, "status", "--json"))
        assert status["healthy"], status
        address = done(env, "ip", "swarm-2").strip()
        assert address == status["nodes"][1]["address"]
        assert done(env, "shell", "-c", "docker-machine ip swarm-2").strip() == address
        assert done(env, "ssh", "swarm-3", "hostname").strip() == "swarm-3"
        done(env, "step", "1")
        done(env, "verify")
        refused = swarmlab(env, "env", "swarm-1")
        assert refused.returncode == 3
        assert "swarmlab shell" in refused.stderr
        assert "No such" not in refused.stderr
        done(env, "doctor")
        # Nothing of the lab listens on that machine's addresses, and nothing stays here.
        client = there.client()
        assert all(not c.attrs["HostConfig"]["PortBindings"] for c in client.containers.list())
        client.close()
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        assert f"-- {there.address} " not in listed
    finally:
        done(env, "down")
    nothing_left(there)


def test_the_nodes_store_is_filled_over_tls(tmp_path: Path) -> None:
    """Images stream out of that engine and into it again, at this end of both connections."""
    parts = ["base", "node", *(spec.name for spec in catalog.load().stored())]
    with machine(tmp_path, f"builder-{os.getpid()}") as there:
        give(there, *parts)
        done({**there.by_tls(), **own(tmp_path)}, "images", "build", "loaded-node", timeout=600)
        client = there.client()
        assert client.images.get(recipe.reference("loaded-node"))
        assert client.containers.list(all=True) == []
        client.close()


def test_a_docker_context_leads_there_too(there: Machine, tmp_path: Path) -> None:
    env = {**there.ssh_on_path(), **own(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
    where = f"host=ssh://root@{there.address}"
    subprocess.run(
        ["docker", "context", "create", "lab", "--docker", where],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )
    said = swarmlab({**env, "DOCKER_CONTEXT": "lab"}, "doctor").stdout
    assert "ssh://" in said
    assert "the docker context lab" in said


def test_ssh_that_does_not_let_in_is_told_in_words(there: Machine, tmp_path: Path) -> None:
    env = {"DOCKER_HOST": f"ssh://nobody@{there.address}", **own(tmp_path)}
    refused = swarmlab({**there.by_ssh(), **env}, "status")
    assert refused.returncode == 3
    assert "ssh does not get to" in refused.stderr
    assert "ssh-add" in refused.stderr
    assert "Permission denied" in refused.stderr


def test_a_bundle_makes_a_lab_where_there_is_no_network(tmp_path: Path) -> None:
    """The engine's machine has no network at all, and swarmlab runs without one."""
    file = tmp_path / "b.zip"
    done({}, "bundle", "create", str(file), "--no-package", timeout=600)
    alone = ("unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "x")
    with machine(tmp_path, f"lonely-{os.getpid()}", lonely=True) as there:
        env = {"DOCKER_HOST": there.socket, **own(tmp_path)}

        def cut(*words: str) -> str:
            ended = swarmlab(env, *words, timeout=400, prefix=alone)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            return ended.stdout

        cut("bundle", "load", str(file))
        try:
            cut("up", "--reach", "relay")
            assert json.loads(cut("status", "--json"))["healthy"]
            assert "nothing to do" in cut("bundle", "load", str(file))
            cut("run", "--to", "5")
        finally:
            cut("down")
        nothing_left(there)
