"""The only polling loop of swarmlab.

Whoever waits says what for, how long at most, and gets the last observation back in words when
the deadline passes. Time is monotonic, so a laptop's clock that jumps shortens no wait.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from swarmlab.errors import TimedOut, UsageError
from swarmlab.words import say

T = TypeVar("T")

PATIENCE = "SWARMLAB_PATIENCE"
"""The variable by whose number every time limit is multiplied, for very slow machines."""
_MOST = 1000.0


def patient(seconds: float) -> float:
    """A time limit as this machine needs it: `seconds`, times SWARMLAB_PATIENCE (default 1).

    An emulated or crowded machine does the same work, only later; no limit of swarmlab's means
    anything else than "this will not come any more". Raises UsageError for a variable that is
    no number from 1 to 1000.
    """
    told = os.environ.get(PATIENCE, "").strip()
    if not told:
        return seconds
    try:
        factor = float(told)
    except ValueError:
        factor = math.nan
    if not 1.0 <= factor <= _MOST:
        raise UsageError(
            say(
                "{patience} is {told!r}, which is no number from 1 to {most:.0f}.",
                patience=PATIENCE,
                told=told[:20],
                most=_MOST,
            ),
            hint=say(
                "Unset it, or give the factor by which to wait longer: {patience}=3.",
                patience=PATIENCE,
            ),
        )
    return seconds * factor


@dataclass(frozen=True)
class Observation(Generic[T]):
    """One look: `done` says whether the wait is over, `seen` what was seen, in words."""

    done: bool
    seen: str
    value: T | None = None


@dataclass(frozen=True)
class Waited(Generic[T]):
    """How a wait ended: the last observation, and the seconds and looks it took."""

    last: Observation[T]
    seconds: float
    looks: int

    @property
    def done(self) -> bool:
        return self.last.done


def poll(
    look: Callable[[], Observation[T]],
    *,
    within: float,
    every: float = 0.2,
    report: Callable[[str], None] | None = None,
) -> Waited[T]:
    """Look until `done` or until `within` patient seconds have passed; at least once.

    `every` is the pause between two looks in seconds. `report` is called with the words of each
    observation that differs from the one before. Raises nothing of its own: a caller for whom
    lateness is an error uses `until`.
    """
    start = time.monotonic()
    deadline = start + patient(within)
    looks = 0
    told = ""
    while True:
        last = look()
        looks += 1
        if report is not None and last.seen != told:
            told = last.seen
            report(last.seen)
        now = time.monotonic()
        if last.done or now >= deadline:
            return Waited(last, now - start, looks)
        time.sleep(min(every, deadline - now))


def until(
    what: str,
    look: Callable[[], Observation[T]],
    *,
    within: float,
    every: float = 0.2,
    report: Callable[[str], None] | None = None,
    hint: str = "",
) -> Waited[T]:
    """Like `poll`, but raises `TimedOut` naming `what` and the last observation."""
    waited = poll(look, within=within, every=every, report=report)
    if not waited.done:
        raise TimedOut(what, patient(within), waited.last.seen, hint=hint)
    return waited
