"""Five managers on a real engine: the chapter on them, two of them lost, three lost, and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from docker.errors import APIError

from swarmlab.checks import CHECKS
from swarmlab.cluster import lifecycle, swarm
from swarmlab.errors import EXIT_ENVIRONMENT, EXIT_USAGE
from swarmlab.wait import Observation, until
from tests.docker.lifecycle_site import LabNode, RealLab, left

pytestmark = [pytest.mark.docker, pytest.mark.long]

FIVE = tuple(f"swarm-{number}" for number in range(1, 6))
TASKS = 4


def call(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words, "--name", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )


def done(name: str, *words: str) -> str:
    ended = call(name, *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def quorum(name: str) -> dict[str, Any]:
    """What `status` tells of it, whether the lab is well or not."""
    told = json.loads(call(name, "status", "--json").stdout)["quorum"]
    assert isinstance(told, dict)
    return told


def leader(lab: RealLab, asked: str) -> str:
    """Who leads, once there is somebody: a new leader has to be elected."""

    def look() -> Observation[str]:
        try:
            listed = swarm.members(lab.engine(asked).api)
        except APIError as error:
            return Observation(False, str(error))
        led = next((one.name for one in listed if one.leader and one.state == "ready"), "")
        return Observation(bool(led), led, led)

    found = until("a leader", look, within=120).last.value
    assert found is not None
    return found


def ordered(lab: RealLab, manager: str, tasks: int) -> None:
    """Have a manager order that many tasks of a service, and the swarm run them.

    A service that needs no other: Consul and its like may have gone with the nodes.
    """
    engine: Any = lab.engine(manager)
    if not engine.services.list(filters={"name": "idle"}):
        image = lab.cluster.image("util")
        engine.services.create(image, command=["sleep", "infinity"], name="idle")
    assert engine.services.get("idle").scale(tasks)

    def look() -> Observation[None]:
        # Not the service's own count: of a lost node the swarm keeps what it last heard.
        wanted = engine.api.tasks(filters={"service": "idle", "desired-state": "running"})
        running = sum(one["Status"]["State"] == "running" for one in wanted)
        return Observation(running == tasks == len(wanted), f"{running} of {len(wanted)} run")

    until(f"{tasks} tasks of the service", look, within=120)


def test_two_of_five_managers_may_be_lost_and_no_third() -> None:
    name = f"many-{os.getpid()}"
    try:
        done(name, "up", "--managers", "5")
        run = json.loads(done(name, "run", "--to", "7", "--json"))
        assert [step["number"] for step in run["steps"]] == list(range(1, 8))
        looked = json.loads(done(name, "verify", "--json"))
        seen = [check["verdict"] for step in looked["steps"] for check in step["checks"]]
        assert "passed" in seen and set(seen) <= {"passed", "skipped"}
        whole = {"managers": 5, "needed": 3, "may_lose": 2, "reachable": 5, "holds": True}
        assert quorum(name) == whole

        cluster = lifecycle.find(name)
        assert cluster is not None
        with cluster:
            lab = RealLab(cluster, tuple(LabNode(n, cluster.address(n)) for n in cluster.nodes))
            assert cluster.managers == FIVE
            led = leader(lab, "swarm-1")
            lost, also, third, *kept = [led, *(one for one in reversed(FIVE) if one != led)]
            for one in (lost, also):
                done(name, "fault", "stop", one)
            assert quorum(name) == {**whole, "reachable": 3}
            new = leader(lab, kept[0])
            assert new not in (lost, also)
            ordered(lab, kept[0], TASKS)

            refused = call(name, "fault", "stop", third)
            assert refused.returncode == EXIT_USAGE and "2 of 5 managers" in refused.stderr
            done(name, "fault", "stop", third, "--yes")
            assert quorum(name) == {**whole, "reachable": 2, "holds": False}
            told = call(name, "status")
            assert told.returncode == EXIT_ENVIRONMENT
            assert "3 must agree, 2 reachable now: no quorum" in told.stdout
            until("the last two to take no order", lambda: _refused(lab, kept[0]), within=60)

            done(name, "fault", "heal", "--all")
            assert quorum(name) == whole
            assert lifecycle.status(name).healthy
            for check in ("swarm.nodes", "swarm.quorum", "swarm.same_view"):
                found = CHECKS[check](cluster)
                assert found.passed, found.actual
            # It is the same swarm, and still knows what it was told while two were away.
            ordered(lab, lost, TASKS - 1)
    finally:
        lifecycle.down(name)
    assert left(name) == []


def _refused(lab: RealLab, manager: str) -> Observation[None]:
    try:
        swarm.members(lab.engine(manager).api)
    except APIError as error:
        return Observation("leader" in str(error), str(error))
    return Observation(False, "it still answers for the swarm")
