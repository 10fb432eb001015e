"""Steps typed by hand, whole or half, in any order with swarmlab's own, against a simple model.

Commands here are like real ones: what is there cannot be created once more. Step 2 has a check of
a moment, and step 3 claims that nothing of step 4 is there until that is done.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typer.testing import CliRunner

from swarmlab import notes
from swarmlab.cli import chapter as cli
from swarmlab.cli.app import app
from swarmlab.model import CheckSpec, Step
from swarmlab.results import RunResult, Verdict
from swarmlab.runner import Runner
from tests.lab_fakes import Room, check, command, lab, last_step, step

LAST = 5
NUMBERS = st.integers(1, LAST)


def made(number: int) -> set[str]:
    """What a step leaves."""
    return {f"a{number}", f"f{number}"}


def one(number: int) -> Step:
    moment = (check(f"a{number}", id="moment"),) if number == 2 else ()
    claims = [check(f"f{number}"), check(f"a{number}")]
    if number == 3:
        claims.append(check("a4", id="not-yet", check="fact.absent", until="s4"))
    return step(
        number,
        commands=(
            command(f"create a{number}", "c1", checks=moment),
            command(f"create f{number}", "c2"),
        ),
        checks=tuple(claims),
        reset=(command(f"drop f{number}\ndrop a{number}", "r1"),),
    )


def room_of(folder: Path) -> Room:
    return Room(lab(*(one(number) for number in range(1, LAST + 1))), folder)


def hand(room: Room, number: int, commands: int = 2) -> None:
    """Type the first commands of a step as a student would, past swarmlab."""
    for typed in room.lab.steps[number - 1].commands[:commands]:
        room.shell.run(typed.run)


class Hands(RuleBasedStateMachine):
    """The model: `done` is how many steps are done, always the first ones; `loose` are facts that
    were typed by hand and are on no record."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.room = room_of(self.folder)
        self.done = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(number=st.integers(0, LAST))
    def somewhere(self, number: int) -> None:
        if number:
            self.reached(self.room.runner.run(None, number), number)

    @property
    def loose(self) -> set[str]:
        recorded = (made(number) for number in range(1, self.done + 1))
        return self.room.facts.true - set().union(*recorded)

    def reached(self, result: RunResult, number: int) -> None:
        """A move ended well: exactly the first steps are done, and all of them hold."""
        assert result.verdict is Verdict.PASSED
        self.done = number
        for earlier in range(1, number + 1):
            assert made(earlier) <= self.room.facts.true
        assert result.exit_code == 0

    def tried_again(self) -> bool:
        return bool(self.room.listener.only("note Step") and any(
            "run once more" in line for line in self.room.listener.heard
        ))  # fmt: skip

    @rule(number=NUMBERS, times=st.integers(1, 2))
    def step(self, number: int, times: int) -> None:
        for _ in range(times):
            clean = not self.loose
            sound = self.sound()
            self.room.listener.heard.clear()
            self.reached(self.room.runner.step(number), number)
            if clean and sound:
                assert not self.tried_again(), "nothing was in the way"

    @rule(number=NUMBERS)
    def goto(self, number: int) -> None:
        own = self.sound() and self.done >= number - 1
        self.reached(self.room.runner.goto(number), number - 1)
        if own:
            assert not made(number) & self.room.facts.true, "it was typed by hand, and stayed"

    @rule(number=NUMBERS)
    def reset(self, number: int) -> None:
        assert self.room.runner.reset(number).exit_code == 0
        assert not made(number) & self.room.facts.true
        self.done = min(self.done, number - 1)

    @rule(first=NUMBERS, last=NUMBERS)
    def run_from(self, first: int, last: int) -> None:
        first, last = min(first, last), max(first, last)
        self.reached(self.room.runner.run(first, last), last)

    @rule(last=NUMBERS)
    def run_on(self, last: int) -> None:
        # What a later step typed by hand has ended is done again, and then the record ends there.
        whole = self.sound(last)
        before = self.done
        self.reached(self.room.runner.run(None, last), last)
        self.done = max(before, last) if whole else last

    @precondition(lambda self: self.done < LAST and self.sound() and not self.loose)
    @rule()
    def by_hand(self) -> None:
        """The next step typed by hand counts once it is verified, and not before."""
        number = self.done + 1
        hand(self.room, number)
        assert self.room.done == {f"s{n}" for n in range(1, number)}
        self.room.listener.heard.clear()
        assert self.room.runner.verify([number]).verdict is Verdict.PASSED
        (told,) = [line for line in self.room.listener.only("note") if "recorded as done" in line]
        assert ("belongs to the moment" in told) == (number == 2)
        self.done = number

    @rule(number=NUMBERS, commands=st.integers(1, 2))
    def loosely(self, number: int, commands: int) -> None:
        """Some of a step typed by hand, wherever the lab stands; nobody is told."""
        hand(self.room, number, commands)

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def undone_by_hand(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.done))
        self.room.facts.true -= made(number)
        assert self.room.runner.verify([number]).verdict is Verdict.FAILED

    @rule(number=NUMBERS)
    def verify(self, number: int) -> None:
        """Recorded is what holds on top of what is done, and nothing else."""
        result = self.room.runner.verify([number])
        holds = self.holds(number)
        assert result.verdict is (Verdict.PASSED if holds else Verdict.FAILED)
        if holds and number == self.done + 1:
            self.done = number

    def holds(self, number: int) -> bool:
        right = made(number) <= self.room.facts.true
        early = number == 3 and self.done < 4 and "a4" in self.room.facts.true
        return right and not early

    def sound(self, last: int = LAST) -> bool:
        """Whether all that is done holds, as far as `last`."""
        return all(self.holds(number) for number in range(1, min(self.done, last) + 1))

    @invariant()
    def the_record_is_the_model(self) -> None:
        assert self.room.done == {f"s{n}" for n in range(1, self.done + 1)}
        assert self.room.begun == set()

    @invariant()
    def looking_says_how_it_is_and_changes_nothing(self) -> None:
        true, typed = set(self.room.facts.true), len(self.room.shell.typed)
        self.room.listener.heard.clear()
        assert (self.room.runner.verify().exit_code == 0) == self.sound()
        assert (self.room.facts.true, len(self.room.shell.typed)) == (true, typed)
        ahead = any("Was it typed by hand?" in line for line in self.room.listener.heard)
        early = self.done == 3 and "a4" in self.room.facts.true
        assert ahead == (early and made(4) <= self.room.facts.true)


TestHands = Hands.TestCase
TestHands.settings = settings(
    max_examples=100,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return room_of(tmp_path)


def test_what_was_never_typed_is_not_recorded_because_it_looks_so(room: Room) -> None:
    """The end of some steps looks like a fresh lab: they count only on top of those before."""
    hand(room, 2)
    assert room.runner.verify([2]).verdict is Verdict.PASSED
    assert room.done == set()
    assert any("step 1 is missing" in line for line in room.listener.heard)


def test_several_steps_typed_by_hand_are_recorded_in_one_go(room: Room) -> None:
    for number in (1, 2, 3):
        hand(room, number)
    room.runner.verify([3, 1, 2])
    assert room.done == {"s1", "s2", "s3"}


def test_half_of_a_step_is_not_recorded_and_not_in_the_way(room: Room) -> None:
    room.runner.run(None, 2)
    hand(room, 3, commands=1)
    assert room.runner.verify([3]).verdict is Verdict.FAILED
    result = room.runner.step(3)
    assert (result.verdict, [s.number for s in result.steps]) == (Verdict.PASSED, [3])
    assert room.done == {"s1", "s2", "s3"}


def test_a_step_that_fails_without_anything_in_its_way_fails(tmp_path: Path) -> None:
    wrong = step(2, commands=(command("make a2\nfail 3"),))
    room = Room(lab(step(1), wrong, step(3)), tmp_path)
    assert room.runner.run().verdict is Verdict.FAILED
    assert room.listener.only("step") == ["step 1", "step 2", "step 2"]
    room.listener.heard.clear()
    room.runner.reset(2)
    assert room.done == {"s1"}


def test_what_could_not_be_looked_at_is_no_reason_to_undo(room: Room) -> None:
    room.facts.hidden.add("f1")
    assert room.runner.step(1).verdict is Verdict.ERRORED
    assert room.listener.only("reset") == []


def telling(name: str) -> CheckSpec:
    """A check that cannot hold by itself."""
    return replace(check(name), before="does not hold")


def room_that_tells(folder: Path) -> Room:
    """Step 2 only looks; step 4 ends as it began; each other has a claim that tells."""
    steps = (
        step(1, checks=(telling("f1"),)),
        step(2, commands=(command("say so"),), checks=(check("f1", id="look"),), reset=()),
        step(3, checks=(telling("f3"), check("f1", id="still"))),
        step(
            4,
            commands=(command("make f4\ndrop f4"),),
            checks=(check("f4", check="fact.absent"),),
        ),
        step(5, checks=(telling("f5"),)),
        last_step(6),
    )
    return Room(lab(*steps), folder)


@pytest.mark.parametrize(
    ("done", "typed", "uncounted"),
    [
        (0, (), ()),
        (0, (1,), (1,)),
        (0, (1, 2, 3), (1, 2, 3)),
        (1, (), (2,)),
        (1, (2,), (2,)),
        (2, (), ()),
        (2, (3,), (3,)),
        (2, (3, 4, 5), (3, 4, 5)),
        (3, (4,), (4,)),
        (5, (), ()),
    ],
)
def test_what_was_typed_and_is_on_no_record_is_told(
    tmp_path: Path, done: int, typed: tuple[int, ...], uncounted: tuple[int, ...]
) -> None:
    room = room_that_tells(tmp_path)
    if done:
        room.runner.run(None, done)
    for number in typed:
        hand(room, number, commands=1)
    result = room.runner.verify()
    assert result.uncounted == uncounted
    assert room.done == {f"s{n}" for n in range(1, done + 1)}
    if uncounted:
        # What is advised is what counts them.
        advised = re.search(
            "`swarmlab verify ([0-9 ]+)`", notes.uncounted(room.lab, uncounted, room.done)
        )
        assert advised is not None
        asked = [int(number) for number in advised[1].split()]
        assert room.runner.verify(asked).uncounted == ()
        assert room.runner.verify().uncounted[:1] in ((), (2,), (4,))
        assert room.done == {f"s{n}" for n in range(1, uncounted[-1] + 1)}


def test_a_glance_at_the_rest_is_kept_nowhere(tmp_path: Path) -> None:
    room = room_that_tells(tmp_path)
    room.runner.run(None, 1)
    room.listener.heard.clear()
    assert [step.number for step in room.runner.verify().steps] == [1]
    assert room.listener.only("verified") == ["verified 1 passed"]
    failed = room.runner.verify([3]).steps[0].checks[0]
    assert failed.since is not None and not failed.since.held
    kept = json.loads((room.store.path.parent / "sightings.json").read_text())
    assert not [name for name in kept["claims"] if name.startswith("5/")]


def test_what_holds_without_what_comes_before_it_earns_nothing_and_is_told(tmp_path: Path) -> None:
    room = room_that_tells(tmp_path)
    result = room.runner.verify([1, 4])
    assert (result.verdict, result.uncounted, result.points.earned) == (Verdict.FAILED, (4,), 0)
    said = notes.uncounted(room.lab, result.uncounted, room.done)
    assert "step 1 is not done" in said
    assert "`swarmlab verify 1 2 3 4`" in said and "`swarmlab run --to 4`" in said
    assert room.runner.run(None, 4).exit_code == 0
    assert room.runner.verify([1, 4]).uncounted == ()


def test_where_nothing_can_be_seen_nothing_is_guessed(tmp_path: Path) -> None:
    room = room_that_tells(tmp_path)
    room.runner.run(None, 1)
    hand(room, 3, commands=1)
    room.facts.hidden.add("f1")
    assert room.runner.verify().uncounted == ()
    room.facts.hidden.clear()
    assert room.runner.verify(patient=True).uncounted == ()
    assert room.runner.verify().uncounted == (2, 3)


def test_a_look_at_all_tells_what_earns_nothing_for_want_of_a_record(tmp_path: Path) -> None:
    room = room_that_tells(tmp_path)
    assert room.runner.survey().uncounted == ()
    for number in (1, 3):
        hand(room, number, commands=1)
    result = room.runner.survey()
    assert result.uncounted == (2,)
    assert [step.points.earned for step in result.steps] == [1, 0, 2, 0, 0]
    room.runner.verify([1, 2, 3])
    assert room.runner.survey().uncounted == (4,)


@pytest.mark.parametrize(
    ("done", "words", "after"),
    [(1, (), "by step:"), (0, (), "nothing that should hold."), (1, ("--json",), "")],
)
def test_it_stands_below_the_points_and_beside_json(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    done: int,
    words: tuple[str, ...],
    after: str,
) -> None:
    room = room_that_tells(tmp_path)
    if done:
        room.runner.run(None, done)
    for number in (1, 3):
        hand(room, number, commands=1)

    @contextmanager
    def runner(*_: object, **__: object) -> Iterator[Runner]:
        yield room.runner

    monkeypatch.setattr(cli, "in_language", lambda *_: room.lab)
    monkeypatch.setattr(cli, "_runner", runner)
    monkeypatch.setattr(cli, "_progress", lambda *_: room.store)
    ended = CliRunner().invoke(app, ["verify", *words])
    assert ended.exit_code == 0
    told = "Not counted yet: steps " + ("2, 3" if done else "1, 2, 3")
    if words:
        assert told in ended.stderr and "uncounted" not in json.loads(ended.stdout)
        return
    said = " ".join(ended.stdout.split())
    assert told in said.partition(after)[2]
    assert "Next: swarmlab" not in said
