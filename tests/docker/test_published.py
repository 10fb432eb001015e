"""The whole chapter where nodes are reached by published ports only, as with Docker Desktop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swarmlab.cluster import lifecycle
from swarmlab.providers.base import ENGINE_PORT
from tests.docker.lifecycle_site import left

pytestmark = [pytest.mark.docker, pytest.mark.long]

STEPS = 14


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"published-{os.getpid()}"
    try:
        yield chosen
    finally:
        lifecycle.down(chosen)


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
