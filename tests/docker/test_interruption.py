"""Ctrl-C and `kill -9` in the middle of a step, on a real cluster: nothing is lost or half told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swarmlab.cluster import lifecycle
from swarmlab.wait import Observation, until
from tests.docker.lifecycle_site import host, left

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    chosen = f"cut-{os.getpid()}"
    try:
        lifecycle.up(chosen).close()
        yield chosen
    finally:
        lifecycle.down(chosen)


def words(name: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "swarmlab", *more, "--name", name]


def done(name: str) -> list[int]:
    found = subprocess.run(words(name, "steps", "--json"), capture_output=True, check=True)
    return [step["number"] for step in json.loads(found.stdout)["steps"] if step["done"]]


def shells(name: str) -> list[str]:
    """The command lines in the workstation that a session started."""
    (workstation,) = host().containers(
        filters={"label": [f"swarmlab.lab={name}", "swarmlab.role=workstation"]}
    )
    rows = host().top(workstation["Id"], "-eo pid,args")["Processes"]
    return [row[1] for row in rows if "naive" in row[1] or "docker " in row[1]]


def interrupted(name: str, how: signal.Signals) -> int:
    """Start step 1 and cut it off while its commands run in the workstation; the exit code."""
    process = subprocess.Popen(
        words(name, "step", "1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def look() -> Observation[None]:
        running = shells(name)
        ended = process.poll() is not None
        return Observation(bool(running) or ended, str(running))

    try:
        until("a command of step 1 to run", look, within=180, every=0.05)
        process.send_signal(how)
        _, errors = process.communicate(timeout=300)
    finally:
        # Whatever fails above, no process may hold the lab when it is taken down.
        process.kill()
    if how is signal.SIGINT:
        assert "Interrupted" in errors
        assert "Traceback" not in errors
    return process.returncode


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_a_step_that_was_cut_off_is_not_done_and_can_be_done_again(
    name: str, how: signal.Signals
) -> None:
    code = interrupted(name, how)
    assert code == (130 if how is signal.SIGINT else -signal.SIGKILL)
    assert done(name) == []
    if how is signal.SIGINT:
        # What ran in the workstation ends with the command that started it.
        until(
            "the workstation to be idle",
            lambda: Observation(not shells(name), str(shells(name))),
            within=60,
        )
    again = subprocess.run(words(name, "step", "1"), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stdout + again.stderr
    assert done(name) == [1]
    reset = subprocess.run(words(name, "goto", "1"), capture_output=True, text=True, timeout=300)
    assert reset.returncode == 0, reset.stdout + reset.stderr
    assert done(name) == []


def test_down_after_a_killed_step_leaves_nothing() -> None:
    name = f"kill-{os.getpid()}"
    try:
        lifecycle.up(name).close()
        interrupted(name, signal.SIGKILL)
        subprocess.run(words(name, "down"), check=True, capture_output=True, timeout=300)
        assert left(name) == []
    finally:
        lifecycle.down(name)
