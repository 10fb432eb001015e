"""One builder at a time on a machine: two would build the same images twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from swarmlab import state
from swarmlab.progress import Progress
from swarmlab.wait import Observation, until

_LONGEST = 1800.0


@contextmanager
def taken(progress: Progress) -> Iterator[None]:
    """Hold the turn to build for the time of the block, waiting for it first if need be.

    The kernel gives the turn back when its holder dies. Raises TimedOut after half an hour.
    """
    path = state.folder() / "locks" / "images.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        if not _taken(file):
            with progress.stage("waiting for another swarmlab that is building images"):
                until(
                    "the other swarmlab to have built its images",
                    lambda: Observation(_taken(file), "it is still building"),
                    within=_LONGEST,
                    hint=f"If none is running, remove {path}.",
                )
        yield


def _taken(file: IO[str]) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
