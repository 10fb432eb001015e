"""A student's progress: written atomically, true to one cluster, and never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from swarmlab.errors import EXIT_ENVIRONMENT, EnvironmentProblem, UsageError
from swarmlab.student import ProgressStore, StudentProgress


@pytest.fixture
def store(tmp_path: Path) -> ProgressStore:
    return ProgressStore("default", tmp_path / "deep" / "state")


def test_nothing_is_done_at_first(store: ProgressStore) -> None:
    assert store.load("c") == StudentProgress("c")
    assert store.done() == frozenset()


def test_a_step_is_begun_then_done_then_undone(store: ProgressStore) -> None:
    store.begin("c", "one")
    assert store.load("c") == StudentProgress("c", frozenset(), frozenset({"one"}))
    store.finish("c", "one")
    assert store.load("c") == StudentProgress("c", frozenset({"one"}), frozenset())
    store.begin("c", "one")
    assert store.load("c").done == frozenset()
    assert store.load("c").touched == {"one"}
    store.undo("c", "one")
    assert store.load("c").touched == frozenset()


def test_another_cluster_has_nothing_done(store: ProgressStore) -> None:
    store.finish("old", "one")
    assert store.load("new").done == frozenset()
    assert store.load("").done == frozenset()
    store.finish("new", "two")
    assert store.load("new").done == {"two"}
    assert store.load("old").done == frozenset()


def test_clear_forgets_and_may_be_repeated(store: ProgressStore) -> None:
    store.finish("c", "one")
    store.clear()
    store.clear()
    assert store.load("c").done == frozenset()
    assert not store.path.exists()


def test_each_lab_name_has_its_own(tmp_path: Path) -> None:
    """Without a folder given, the file lies in that lab's part of the user's state folder."""
    ProgressStore("monday").finish("c", "one")
    assert ProgressStore("tuesday").done() == frozenset()
    assert ProgressStore("monday").done() == {"one"}
    assert (tmp_path / "state") in ProgressStore("monday").path.parents


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '"x"', '{"version": 99, "cluster": "c", "done": ["one"]}',
        '{"version": 1, "cluster": 5, "done": ["one"], "begun": []}', "[" * 100_000,
        '{"version": 1, "cluster": "c", "done": "one", "begun": {}}', "\x00\xff",
    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense_says_nothing(store: ProgressStore, text: str) -> None:
    store.path.parent.mkdir(parents=True)
    store.path.write_text(text, encoding="latin-1")
    assert store.load("c").touched == frozenset()
    store.finish("c", "two")
    assert store.load("c").done == {"two"}


def test_a_step_that_is_begun_is_not_done_whatever_the_file_says(store: ProgressStore) -> None:
    store.path.parent.mkdir(parents=True)
    data = {"version": 1, "cluster": "c", "done": ["a", 3, "b"], "begun": ["b", None]}
    store.path.write_text(json.dumps(data))
    assert store.load("c") == StudentProgress("c", frozenset({"a"}), frozenset({"b"}))


def test_the_old_file_stays_whole_when_writing_fails(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.finish("c", "one")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="No space left") as caught:
        store.finish("c", "two")
    assert caught.value.exit_code == EXIT_ENVIRONMENT
    assert store.load("c").done == {"one"}
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem) as caught:
        ProgressStore("default", tmp_path / "file").begin("c", "one")
    assert "XDG_STATE_HOME" in caught.value.hint


def test_a_cluster_is_one_labs_at_a_time(tmp_path: Path) -> None:
    chapter = ProgressStore("default", tmp_path)
    chapter.finish("c", "one")
    other = ProgressStore("default", tmp_path, lab="mine")
    with pytest.raises(UsageError, match="is in use for the lab service-discovery, not mine"):
        other.load("c")
    with pytest.raises(UsageError):
        other.begin("c", "first")
    assert (other.done(), other.done_on("c")) == (frozenset(), frozenset())
    assert chapter.done_on("c") == {"one"}
    assert chapter.done_on("another") == frozenset()
    # Another cluster, or nothing left of the steps: it is free.
    other.begin("d", "first")
    assert other.load("d").touched == {"first"}
    assert chapter.done_on("d") == frozenset()
    other.undo("d", "first")
    assert chapter.load("d").touched == frozenset()
