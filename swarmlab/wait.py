"""The only polling loop of swarmlab.

Whoever waits says what for, how long at most, and gets the last observation back in words when
the deadline passes. Time is monotonic, so a laptop's clock that jumps shortens no wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from swarmlab.errors import TimedOut

T = TypeVar("T")


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
    """Look until `done` or until `within` seconds have passed; always looks at least once.

    `every` is the pause between two looks in seconds. `report` is called with the words of each
    observation that differs from the one before. Raises nothing of its own: a caller for whom
    lateness is an error uses `until`.
    """
    start = time.monotonic()
    deadline = start + within
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
        raise TimedOut(what, within, waited.last.seen, hint=hint)
    return waited
