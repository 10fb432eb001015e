"""The engine below the nodes ends and comes again: the lab is told as it is, and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmlab.wait import Observation, until
from tests.docker.own_engine import OwnEngine, own_engine

# An engine that may be killed has to be one of the test's own, which only root can start.
pytestmark = [
    pytest.mark.docker,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts an engine of its own: only root can"),
]

NAME = "restarted"


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as made:
        made.give("loaded-node", "workstation")
        yield made


class Student:
    """Whoever uses the lab on that engine."""

    def __init__(self, engine: OwnEngine, folder: Path) -> None:
        self._engine = engine
        self._environment = {
            **os.environ,
            "DOCKER_HOST": engine.url,
            "SWARMLAB_NAME": NAME,
            "XDG_STATE_HOME": str(folder),
        }

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._engine.inside([sys.executable, "-m", "swarmlab", *words]),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def does(self, *words: str) -> str:
        """The output of a command that must work."""
        done = self.types(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> tuple[int, dict[str, Any]]:
        """Exit code and status, once no node's engine is late, as one may be on a busy machine."""

        def look() -> Observation[tuple[int, dict[str, Any]]]:
            done = self.types("status", "--json")
            assert done.stdout, done.stderr
            told = json.loads(done.stdout)
            late = [one for one in told["problems"] if "does not answer within" in one]
            return Observation(not late, "; ".join(late), (done.returncode, told))

        seen = until("the engines to answer in time", look, within=120).last.value
        assert seen is not None
        return seen

    def steps_done(self) -> list[int]:
        steps = json.loads(self.does("steps", "--json"))["steps"]
        return [step["number"] for step in steps if step["done"]]


def ran(result: dict[str, Any]) -> list[int]:
    return [step["number"] for step in result["steps"] if step["commands"]]


def restarted(student: Student, engine: OwnEngine, how: signal.Signals, again: str) -> None:
    """The engine ends and comes again; `again` is the command that brings the lab back."""
    done = student.steps_done()
    _, before = student.status()
    assert before["healthy"], before["problems"]

    engine.end(how)
    refused = student.types("status")
    assert refused.returncode == 3
    assert "Docker engine" in refused.stderr
    assert "Traceback" not in refused.stderr

    engine.start()
    code, asleep = student.status()
    assert (code, asleep["healthy"], asleep["stopped"]) == (3, False, True), asleep
    assert asleep["problems"] == ["the lab is stopped"]
    assert student.steps_done() == done

    student.does(again)
    code, after = student.status()
    assert (code, after["healthy"], after["cluster"]) == (0, True, before["cluster"]), after
    addresses = [[node["address"] for node in seen["nodes"]] for seen in (before, after)]
    assert addresses[0] == addresses[1]
    assert after["services"] == before["services"]
    assert student.steps_done() == done
    found = json.loads(student.does("verify", "--json"))
    assert [step["number"] for step in found["steps"]] == done


def test_a_lab_survives_the_end_of_its_engine(engine: OwnEngine, tmp_path: Path) -> None:
    """Once in order, as when a machine shuts down, and once as by a crash."""
    student = Student(engine, tmp_path)
    # Its network cannot be seen in /sys from here, but we are in it.
    student.does("up", "--reach", "direct")
    student.does("run", "--to", "5")
    restarted(student, engine, signal.SIGTERM, "start")

    # Not to step 8: what one proxy alone has learnt, all have when they start again.
    onward = json.loads(student.does("run", "--to", "9", "--json"))
    assert ran(onward) == [6, 7, 8, 9]
    restarted(student, engine, signal.SIGKILL, "up")

    rest = json.loads(student.does("run", "--json"))
    assert rest["verdict"] == "passed"
    assert ran(rest) == [10, 11, 12, 13, 14]
    client = engine.client()
    assert client.containers.list(all=True) == []
    assert client.volumes.list() == []
    client.close()
