"""Machines of one's own, the engine that the workstation is on among them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import docker
import pytest

from swarmlab.images import builder, catalog
from tests.docker.hosts_site import Room, all_held, done, held, room, swarmlab

pytestmark = [pytest.mark.docker, pytest.mark.long]

NAME = f"own-{os.getpid()}"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Three machines, of which the second has the images that a lab's own engine needs."""
    with room(tmp_path_factory.mktemp("own"), NAME, ("swarm-1", "swarm-2", "swarm-3")) as made:
        here = docker.from_env(version="auto")
        wanted = [*(spec.name for spec in catalog.load().stored()), "workstation"]
        built = builder.ensure(wanted, engine=here)
        references = [one.reference for one in built if one.name in wanted]
        here.close()
        with subprocess.Popen(["docker", "save", *references], stdout=subprocess.PIPE) as save:
            subprocess.run(
                ["docker", "load", "--quiet"],
                env={**os.environ, **made.by_tls(made.machines[1])},
                stdin=save.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        assert save.returncode == 0
        yield made


def test_the_engine_of_the_workstation_can_be_a_node_too(there: Room) -> None:
    before = all_held(there)
    second = there.machines[1]
    at = there.by_tls(second)
    try:
        done(there, "up", "--hosts", str(there.file()), environment=at)
        with closing(second.client()) as client:
            boxes = client.containers.list(all=True)
        # All that a node has, and what a lab has once.
        assert sorted(str(box.name).replace(NAME, "LAB") for box in boxes) == [
            "swarmlab-LAB-gate",
            "swarmlab-LAB-workstation",
            "swarmlab-lookout",
        ]
        assert "already up" in swarmlab(there, "up", environment=at).stderr
        found = json.loads(done(there, "run", "--to", "5", "--json", environment=at, timeout=600))
        assert found["verdict"] == "passed"
        told = json.loads(swarmlab(there, "status", "--json", environment=at).stdout)
        assert [node["state"] for node in told["nodes"]] == ["ready"] * 3
    finally:
        ended = swarmlab(there, "down", environment=at)
    assert ended.returncode == 0, ended.stderr
    assert all_held(there) == before
    assert held(second)["images"]
    assert "nothing to remove" in done(there, "down", environment=at)
