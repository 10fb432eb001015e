"""What a tour does to a lab: its lock, what stays begun, and a lab that goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swarmlab.cluster import hands
from swarmlab.cluster.hands import LabHands
from swarmlab.errors import ClusterProblem, LabBusy
from swarmlab.onlooker import Onlooker
from swarmlab.progress import SilentProgress
from swarmlab.results import Verdict
from swarmlab.tour import Choice, Tour
from tests import lab_fakes as fake
from tests.test_tour import Script


class Workspace(fake.FakeWorkspace):
    """One lab that every action opens anew; `stopped`, it does not say which it is."""

    stopped = False

    @property
    def cluster_id(self) -> str:
        if self.stopped:
            raise ClusterProblem("The lab is stopped.", hint="start it")
        return super().cluster_id

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace()
    monkeypatch.setattr(hands, "LabWorkspace", lambda *words: made)
    monkeypatch.setattr(hands, "CHECKS", fake.CHECKS)
    monkeypatch.setattr(hands, "OBSERVERS", fake.OBSERVERS)
    monkeypatch.setattr("swarmlab.checks.CHECKS", fake.CHECKS)
    monkeypatch.setattr("swarmlab.checks.OBSERVERS", fake.OBSERVERS)
    return made


LAB = fake.lab(fake.step(1), fake.last_step(2))
STEPS = fake.lab(*map(fake.step, range(1, 6)))


def busy(monkeypatch: pytest.MonkeyPatch, times: float) -> list[str]:
    """Let the lock be held elsewhere so often; what happened."""
    heard: list[str] = []

    @contextmanager
    def lock(name: str) -> Iterator[None]:
        if heard.count("busy") < times:
            heard.append("busy")
            raise LabBusy("the lab is being changed by `swarmlab run`")
        heard.append("held")
        yield
        heard.append("free")

    monkeypatch.setattr("swarmlab.cluster.lifecycle.lock", lock)
    return heard


def test_what_another_terminal_is_finishing_is_waited_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = busy(monkeypatch, 2)
    ours = LabHands(LAB, "default", SilentProgress())
    assert ours.run(LAB.steps[0], fake.Recorder()).verdict is Verdict.PASSED
    assert heard == ["busy", "busy", "held", "free"]
    assert ours.done() == {"s1"}


def test_whoever_changes_the_lab_for_longer_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy(monkeypatch, float("inf"))
    monkeypatch.setattr(hands, "BUSY_SECONDS", 0.3)
    with pytest.raises(LabBusy, match="swarmlab run"):
        LabHands(LAB, "default", SilentProgress()).run(LAB.steps[0], fake.Recorder())
    assert not workspace.facts.true


def test_what_was_begun_by_hand_is_left_until_it_is_wanted_anew(workspace: Workspace) -> None:
    ours = LabHands(LAB, "default", SilentProgress())
    listener = fake.Recorder()
    assert ours.prepare(LAB.steps[0], listener, anew=False)
    assert ours.begun() == {"s1"} and workspace.shell.typed == ["drop f1"]
    assert ours.prepare(LAB.steps[0], listener, anew=False)
    assert workspace.shell.typed == ["drop f1"]
    assert listener.only("note") == ["note Step 1 was begun: what is there stays."]
    assert ours.prepare(LAB.steps[0], listener, anew=True)
    assert workspace.shell.typed == ["drop f1", "drop f1"]


def test_a_typed_step_is_recorded_and_a_removed_lab_forgotten(workspace: Workspace) -> None:
    ours = LabHands(LAB, "default", SilentProgress())
    listener: Any = fake.Recorder()
    ours.prepare(LAB.steps[0], listener, anew=False)
    workspace.facts.true.add("f1")
    with ours.watching(LAB.steps[0]) as onlooker:
        assert ours.prove(onlooker, listener).verdict is Verdict.PASSED
    assert ours.done() == {"s1"} and listener.only("note") == []
    ours.stay(LAB.steps[1])
    assert ours.place() == "clean-up"
    with ours.watching(LAB.steps[1]) as last:
        assert fake.soon(lambda: all(row.passed for row in last.rows))
        workspace.down()
        assert ours.prove(last, listener).verdict is Verdict.PASSED
    assert ours.done() == frozenset() and ours.place() == ""


def test_a_typed_step_on_top_of_a_missing_one_says_why_it_does_not_count(
    workspace: Workspace, tmp_path: Path
) -> None:
    lab = fake.lab(fake.step(1), fake.step(2))
    ours = LabHands(lab, "default", SilentProgress())
    listener = fake.Recorder()
    workspace.facts.true.add("f2")
    world: Any = workspace.world()
    onlooker = Onlooker(lab.steps[1], world, checks=fake.CHECKS, observers=fake.OBSERVERS)
    assert ours.prove(onlooker, listener).verdict is Verdict.PASSED
    assert ours.done() == frozenset()
    (note,) = listener.only("note")
    assert "Step 2" in note and "tep 1" in note


@pytest.fixture
def stopped(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Four steps of five done, the fourth the place, and the lab stopped for the night."""
    ours = LabHands(STEPS, "default", SilentProgress())
    for step in STEPS.steps[:4]:
        ours.run(step, fake.Recorder())
    ours.stay(STEPS.steps[3])
    workspace.stopped = True

    class Started:
        def close(self) -> None:
            workspace.stopped = False

    def start(name: str, told: object) -> Started:
        assert name == "default"
        return Started()

    monkeypatch.setattr("swarmlab.cluster.lifecycle.start", start)
    return workspace


DONE = {"s1", "s2", "s3", "s4"}


def walk(*choices: Choice, answers: tuple[bool, ...] = (), first: int | None = None) -> Script:
    guide = Script(*choices)
    guide.answers = list(answers)
    Tour(STEPS, LabHands(STEPS, "default", SilentProgress()), guide).walk(first)
    return guide


def test_a_stopped_lab_has_its_place_and_what_is_done(stopped: Workspace) -> None:
    guide = walk(Choice.ON, Choice.LEAVE)
    silent = "silent The lab is stopped."
    assert guide.heard == [silent, "at 4 done", "at 5 new", "leave 5"] and guide.kept
    assert walk(Choice.LEAVE).heard == [silent, "at 5 new", "leave 5"]


def test_nothing_on_a_stopped_lab_is_undone_unasked(stopped: Workspace) -> None:
    typed = list(stopped.shell.typed)
    for answers in ((False,), (True,)):
        guide = walk(Choice.AGAIN, Choice.LEAVE, answers=answers, first=1)
        # Once: what the lab says when it is up is what was shown.
        assert guide.asked == [(2, 3, 4)]
        if not answers[0]:
            assert stopped.stopped and stopped.shell.typed == typed
    assert LabHands(STEPS, "default", SilentProgress()).done() == {"s1"}


def test_a_stopped_lab_is_started_and_the_next_step_run(stopped: Workspace) -> None:
    walk(Choice.ON, Choice.RUN, Choice.LEAVE)
    assert LabHands(STEPS, "default", SilentProgress()).done() == {*DONE, "s5"}
    assert stopped.shell.typed.count("make f1") == 1


def test_a_lab_that_was_started_is_looked_at_with_patience(stopped: Workspace) -> None:
    ours = LabHands(STEPS, "default", SilentProgress())
    ours.wake()
    assert not stopped.settling and ours.silence() is None
    ours.run(STEPS.steps[4], fake.Recorder())
    assert stopped.settling
    ours.run(STEPS.steps[4], fake.Recorder())
    assert not stopped.settling


def test_what_does_not_come_back_is_said_and_nothing_is_lost(
    stopped: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(name: str, told: object) -> None:
        raise ClusterProblem("The lab cannot come back.")

    monkeypatch.setattr("swarmlab.cluster.lifecycle.start", start)
    guide = walk(Choice.ON, Choice.RUN, Choice.TYPE, Choice.LEAVE)
    assert guide.heard.count("trouble The lab cannot come back.") == 2
    stopped.stopped = False
    assert LabHands(STEPS, "default", SilentProgress()).done() == DONE


def test_where_nothing_is_done_a_silent_lab_is_mended_by_the_step(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.stopped = True
    monkeypatch.setattr(workspace, "world", lambda: _up(workspace))
    ours = LabHands(STEPS, "default", SilentProgress())
    ours.wake()  # lifecycle.start would look for an engine
    assert workspace.stopped
    assert ours.run(STEPS.steps[0], fake.Recorder()).verdict is Verdict.PASSED


def _up(workspace: Workspace) -> Any:
    workspace.stopped = False
    return fake.FakeWorkspace.world(workspace)
