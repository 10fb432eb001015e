"""The guided tour on a real lab and in real terminals: one step run, the next one typed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from swarmlab.cluster import history
from swarmlab.student import ProgressStore
from tests.docker.lifecycle_site import RealLab

pytestmark = pytest.mark.docker


def terminal(lab: RealLab, *words: str) -> Any:
    return pexpect.spawn(
        sys.executable,
        ["-m", "swarmlab", words[0], "--name", lab.name, *words[1:]],
        encoding="utf-8",
        timeout=240,
        dimensions=(24, 80),
    )


@pytest.fixture
def store(lab: RealLab) -> Iterator[ProgressStore]:
    """Progress of a student who has the first two steps behind them; the lab left as it was."""
    made = ProgressStore(lab.name)
    for step in ("no-registry", "standalone-registry"):
        made.finish(lab.cluster.cluster_id, step)
    try:
        yield made
    finally:
        undo = [sys.executable, "-m", "swarmlab", "reset", "3", "--name", lab.name]
        done = subprocess.run(undo, capture_output=True, text=True, timeout=300)
        made.clear()
        history.path(lab.name).unlink(missing_ok=True)
        assert done.returncode == 0, done.stderr


def test_a_step_is_run_and_the_next_one_typed(lab: RealLab, store: ProgressStore) -> None:
    tour = terminal(lab, "walk", "--from", "3")
    shell = terminal(lab, "shell")
    try:
        tour.expect_exact("Your choice: ")
        tour.send("\r")
        tour.expect("Step 3: 8 of 8 checks passed")
        tour.expect_exact("Your choice: ")
        tour.send("n\r")
        tour.expect_exact("Your choice: ")
        tour.send("t\r")
        tour.expect("waiting .*Consul on swarm-1 has elected a leader")
        shell.expect_exact("(no node)")
        shell.send("eval $(docker-machine env swarm-1)\r")
        shell.expect_exact("(swarm-1)")
        shell.send("export DOCKER_IP=$(docker-machine ip swarm-1)\r")
        shell.expect_exact("(swarm-1)")
        shell.send("docker-compose -f docker-compose-proxy.yml up -d consul-server\r")
        tour.expect("✔ passed .*Consul on swarm-1 has elected a leader")
        tour.expect("waiting .*msg1 decodes")
        shell.send("curl -s -X PUT -d 'this is a test' swarm-1:8500/v1/kv/msg1\r")
        tour.expect("Step 4: 3 of 3 checks passed")
        tour.expect_exact("Your choice: ")
        tour.send("q\r")
        tour.expect_exact("You leave at step 4")
        tour.expect_exact(pexpect.EOF)
        tour.close()
        assert tour.exitstatus == 0
        shell.send("\x04")
        shell.expect_exact(pexpect.EOF)
    finally:
        tour.close(force=True)
        shell.close(force=True)
    known = store.load(lab.cluster.cluster_id)
    assert {"swarm", "consul-server"} <= known.done and known.place == "consul-server"
