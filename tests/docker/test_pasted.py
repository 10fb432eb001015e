"""Every step of the chapter as `copy-commands` gives it, pasted whole into a real terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from swarmlab.cluster import history, lifecycle
from swarmlab.wait import Observation, until

pytestmark = [pytest.mark.docker, pytest.mark.long]

# The longest wait that a step pastes, twice over.
SECONDS = 240
WITHIN = 60
TYPED = range(1, 14)


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"pasted-{os.getpid()}"
    try:
        lifecycle.up(chosen).close()
        yield chosen
    finally:
        lifecycle.down(chosen)
        history.path(chosen).unlink(missing_ok=True)


def swarmlab(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", *words, "--name", name],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def holds(name: str, number: int) -> Observation[None]:
    """The step's own checks have a moment, too: here as after its last command in a run."""
    words = [sys.executable, "-m", "swarmlab", "verify", str(number), "--name", name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    return Observation(done.returncode == 0, done.stdout + done.stderr)


@pytest.fixture
def shell(name: str) -> Iterator[Any]:
    opened = pexpect.spawn(
        sys.executable,
        ["-m", "swarmlab", "shell", "--name", name],
        encoding="utf-8",
        timeout=SECONDS,
        dimensions=(50, 200),
    )
    try:
        opened.expect_exact("(no node) ~/lab # ")
        yield opened
    finally:
        opened.close(force=True)


def paste(shell: Any, text: str, end: str) -> str:
    """What a terminal does: the text in brackets, and Enter; what was printed until its end."""
    # The quotes keep what is echoed apart from what is printed.
    shell.send(f"\x1b[200~{text}\necho pasted-''{end}\x1b[201~\r")
    shell.expect_exact(f"pasted-{end}")
    printed: str = shell.before
    return printed


def test_each_step_holds_when_its_commands_are_pasted(name: str, shell: Any) -> None:
    for number in TYPED:
        text = swarmlab(name, "copy-commands", str(number))
        printed = paste(shell, text, str(number))
        assert "\nnot yet" not in printed, printed
        for wrong in ("requires at least 1 argument", "No such container", "command not found"):
            assert wrong not in printed, (number, printed)
        until("the step", lambda number=number: holds(name, number), within=WITHIN)  # type: ignore[misc]
    printed = paste(shell, swarmlab(name, "copy-commands", "14"), "14")
    assert "\nnot yet" not in printed, printed
    assert swarmlab(name, "down")
