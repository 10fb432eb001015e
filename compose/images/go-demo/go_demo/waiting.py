"""Waiting for the database with growing pauses."""

import time
from collections.abc import Callable

from .people import Unreachable

FIRST_PAUSE = 0.25  # seconds
LONGEST_PAUSE = 4.0  # seconds


def wait_for(
    ping: Callable[[], None],
    *,
    limit: float,
    log: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return as soon as `ping` does; raise its Unreachable once `limit` seconds have passed.

    The pause doubles after each try, so that many waiting tasks do not storm a database that
    is just starting, and never reaches past the limit.
    """
    deadline = clock() + limit
    pause = FIRST_PAUSE
    while True:
        try:
            return ping()
        except Unreachable as error:
            left = deadline - clock()
            if left <= 0:
                raise
            pause = min(pause, left)
            log(f"database not reachable, next try in {pause:.1f} s: {error}")
        sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
