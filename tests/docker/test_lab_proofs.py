"""The chapter's lab can be trusted: steps and mistakes proven on a real cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from swarmlab.cluster import lifecycle
from swarmlab.loader import load_builtin
from tests.seed import SEED

pytestmark = pytest.mark.docker

LAB = load_builtin("service-discovery")
# Each `make test` makes one mistake of these, which are soon reached, and one of the others, before
# which half the chapter is walked. `make test-long` makes all of them.
EARLY = tuple(str(number) for number in range(1, 7))
LATE = tuple(str(number) for number in range(7, 15))
# For all mistakes, on two cores.
WHOLE_SECONDS = 40 * 60


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"proofs-{os.getpid()}"
    try:
        yield chosen
    finally:
        lifecycle.down(chosen)


def proofs(name: str, *words: str, seconds: float) -> list[dict[str, Any]]:
    """What `lab test` proves; all must be proven."""
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", "lab", "test", *words, "--name", name, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    wrong = [
        f"step {proof['step']} {proof['mistake'] or ''}: {part['claim']}: {part['seen']}"
        for proof in found["proofs"]
        for part in proof["parts"]
        if part["verdict"] in ("failed", "errored")
    ]
    assert not wrong, "\n".join(wrong)
    assert done.returncode == 0, done.stderr
    proven: list[dict[str, Any]] = found["proofs"]
    return proven


def test_some_mistakes_are_caught_told_and_undone(name: str) -> None:
    """Drawn by the seed in pytest's last lines; SWARMLAB_SEED=N draws them again."""
    for steps in (EARLY, LATE):
        words = ("--mistakes", *steps, "--sample", "1", "--seed", str(SEED))
        assert len(proofs(name, *words, seconds=1200)) == 1


@pytest.mark.long
def test_every_step_fails_before_passes_after_and_can_be_undone(name: str) -> None:
    assert [proof["step"] for proof in proofs(name, seconds=1800)] == list(range(1, 15))


@pytest.fixture
def second() -> Iterator[str]:
    """Another lab beside the first."""
    chosen = f"proofs-{os.getpid()}-b"
    try:
        yield chosen
    finally:
        lifecycle.down(chosen)


@pytest.mark.long
def test_every_mistake_is_caught_told_and_undone(name: str, second: str) -> None:
    """On two labs side by side: most of the time a proof waits for the cluster.

    One goes through the steps from the first on, the other from the last back, until they meet:
    so both end at about the same time.
    """
    listed = [(step.number, one.id) for step in LAB.steps for one in step.mistakes]
    assert len(listed) >= 50
    open_steps = deque(sorted({number for number, _ in listed}))
    deadline = time.monotonic() + WHOLE_SECONDS

    def prove(lab: str, take: Callable[[], int]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with suppress(IndexError):  # Nothing is left to take.
            while True:
                step = take()
                found += proofs(lab, "--mistakes", str(step), seconds=deadline - time.monotonic())
        return found

    with ThreadPoolExecutor(2) as both:
        first = both.submit(prove, name, open_steps.popleft)
        last = both.submit(prove, second, open_steps.pop)
        proven = first.result() + last.result()
    assert sorted((one["step"], one["mistake"]) for one in proven) == sorted(listed)
    assert time.monotonic() < deadline
