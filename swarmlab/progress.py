"""How long work tells what it does: the seam between the cluster's side and the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock, Timer
from typing import Protocol

LATE_SECONDS = 2.0
"""What takes longer is shown."""


class Stage(Protocol):
    """One stage of long work, shown while it lasts."""

    def say(self, text: str) -> None:
        """What is going on just now, in a few words; replaces what was said before."""


class Progress(Protocol):
    """Where stages are shown. Implementations are safe to use from several threads."""

    def stage(self, title: str) -> AbstractContextManager[Stage]:
        """Show `title` until the block ends: as done, or as failed when it raises."""

    def note(self, text: str) -> None:
        """A line that stays: something the student should know."""


class SilentStage:
    """A stage that shows nothing."""

    def say(self, text: str) -> None:
        return None


class SilentProgress:
    """Progress that shows nothing, for tests and for quick commands."""

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        yield SilentStage()

    def note(self, text: str) -> None:
        return None


@contextmanager
def late(told: Progress, title: str, after: float = LATE_SECONDS) -> Iterator[None]:
    """A stage that is shown only if the block lasts longer than so many seconds."""
    guard = Lock()
    over = False
    with ExitStack() as stack:

        def show() -> None:
            with guard:
                if not over:
                    stack.enter_context(told.stage(title))

        timer = Timer(after, show)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with guard:
                over = True
