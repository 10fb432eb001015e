"""One at a time: the machine of a store that may make docker-machine's certificates."""

from __future__ import annotations

import threading
from collections.abc import Callable

from swarmlab.wait import Observation, until
from swarmlab.words import say

_LOOK_SECONDS = 0.2


class Turn:
    """Whose turn it is, and what docker-machine said last to whoever has it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said = ""

    def take(self, check: Callable[[], None], within: float) -> None:
        """Wait for the turn, `within` patient seconds; `check` raises what calls it off.

        Raises TimedOut.
        """

        def look() -> Observation[None]:
            if self._lock.acquire(blocking=False):
                return Observation(True, say("it is free"))
            check()
            return Observation(False, self._said or say("docker-machine has said nothing yet"))

        until(
            say("another machine to make the certificates"),
            look,
            within=within,
            every=_LOOK_SECONDS,
            hint=say("`docker-machine ls` shows the machines and the errors of their drivers."),
        )

    def heard(self, line: str) -> None:
        """Keep what docker-machine said to whoever has the turn."""
        self._said = line

    def over(self) -> None:
        """Hand the turn on."""
        self._lock.release()
