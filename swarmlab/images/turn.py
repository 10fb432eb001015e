"""One builder at a time on a machine: two would build the same images twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from swarmlab import flock, state
from swarmlab.progress import Progress
from swarmlab.wait import Observation, until
from swarmlab.words import say

_LONGEST = 1800.0


@contextmanager
def taken(progress: Progress) -> Iterator[None]:
    """Hold the turn to build for the time of the block, waiting for it first if need be.

    The kernel gives the turn back when its holder dies. Raises TimedOut after half an hour.
    """
    with state.opened(state.folder() / "locks" / "images.lock") as file:
        if not flock.take(file):
            with progress.stage(say("Waiting for another swarmlab that is building images")):
                until(
                    say("the other swarmlab to have built its images"),
                    lambda: Observation(flock.take(file), say("it is still building")),
                    within=_LONGEST,
                    hint=say("Wait until it is done, or end it, then run the command again."),
                )
        yield
