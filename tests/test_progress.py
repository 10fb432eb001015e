"""Long work is shown while it lasts, and what is over at once is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from swarmlab.progress import SilentStage, Stage, late


class Told:
    """Progress that is written down; `begun` is set when a stage is shown."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.begun = threading.Event()

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        self.heard.append(title)
        self.begun.set()
        try:
            yield SilentStage()
        except ValueError:
            self.heard.append("failed")
            raise
        self.heard.append("done")

    def note(self, text: str) -> None:
        raise AssertionError(text)


def test_what_is_over_soon_is_not_shown() -> None:
    told = Told()
    with late(told, "Looking", after=2.0):
        pass
    assert not told.begun.wait(2.5)
    assert told.heard == []


def test_what_lasts_is_shown_to_its_end() -> None:
    told = Told()
    with late(told, "Looking", after=0.01):
        assert told.begun.wait(60)
        assert told.heard == ["Looking"]
    assert told.heard == ["Looking", "done"]


def test_what_fails_is_shown_as_failed() -> None:
    told = Told()
    with pytest.raises(ValueError, match="lost"), late(told, "Looking", after=0.01):
        assert told.begun.wait(60)
        raise ValueError("lost")
    assert told.heard == ["Looking", "failed"]
