"""A lab that is stopped and started again, as for the night: nothing of it is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from swarmlab.cluster import lifecycle
from swarmlab.wait import PATIENCE
from tests.docker.lifecycle_site import containers
from tests.docker.moves import Lab


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    name = f"night-{os.getpid()}"
    # On a busy machine an engine that is well may need longer than a look at it takes.
    monkeypatch.setenv(PATIENCE, "5")
    try:
        yield Lab(name)
    finally:
        lifecycle.down(name)


def status(lab: Lab) -> tuple[int, dict[str, Any]]:
    run = lab.swarmlab("status", "--json")
    return run.returncode, json.loads(run.stdout)


def a_night(lab: Lab, last: int) -> None:
    """Stop and start, each twice; the steps up to `last` are done before and after."""
    _, before = status(lab)
    for told in ("is stopped (4 containers", "is stopped already"):
        stopped = lab.swarmlab("stop")
        assert stopped.returncode == 0, stopped.stderr
        assert told in " ".join(stopped.stdout.split())
    assert containers(lab.name, "running") == 0

    code, asleep = status(lab)
    assert (code, asleep["stopped"], asleep["problems"]) == (3, True, ["the lab is stopped"])
    shown = lab.swarmlab("status").stdout
    assert f"swarmlab start --name {lab.name}" in shown
    assert f"Steps: {last} of 14 done" in shown
    refused = lab.swarmlab("verify")
    assert refused.returncode == 3
    assert "swarmlab start" in refused.stderr

    for _ in range(2):
        started = lab.swarmlab("start")
        assert started.returncode == 0, started.stderr
        assert f"All that is done still holds, to step {last}" in " ".join(started.stdout.split())
    code, after = status(lab)
    assert (code, after["cluster"]) == (0, before["cluster"])
    addresses = [[node["address"] for node in seen["nodes"]] for seen in (before, after)]
    assert addresses[0] == addresses[1]
    assert after["services"] == before["services"]
    assert lab.done() == list(range(1, last + 1))


@pytest.mark.docker
def test_consul_and_progress_are_there_in_the_morning(real: Lab) -> None:
    assert real.swarmlab("run", "--to", "5").returncode == 0
    a_night(real, 5)


@pytest.mark.docker
def test_without_a_lab_there_is_nothing_to_stop_or_start(real: Lab) -> None:
    for word in ("stop", "start"):
        refused = real.swarmlab(word)
        assert refused.returncode == 3
        assert f"swarmlab up --name {real.name}" in refused.stderr


@pytest.mark.long
def test_the_whole_chapter_survives_two_nights_and_goes_on(real: Lab) -> None:
    """Also what is easily lost: people in the database, routes in Consul, six proxies."""
    assert real.swarmlab("run", "--to", "12").returncode == 0
    a_night(real, 12)
    a_night(real, 12)
    run = real.swarmlab("run", "--to", "13")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.long
@pytest.mark.parametrize("last", [1, 7])
def test_a_stopped_lab_is_started_by_run_and_goes_on(real: Lab, last: int) -> None:
    assert real.swarmlab("run", "--to", str(last)).returncode == 0
    assert real.swarmlab("stop").returncode == 0
    code, result, said = real.result("run", "--to", str(last + 1))
    assert code == 0, said
    ran = [step["number"] for step in result["steps"] if step["commands"]]
    assert ran == [last + 1], said
