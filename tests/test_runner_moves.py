"""Any order of moves, with any bad luck in between, compared with a simple model.

The model knows four things: which facts must hold, that what is recorded as done holds, that what
may be half there is recorded as begun, and that a step runs only on the state just before it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swarmlab.errors import LabAbsent
from swarmlab.results import Verdict
from tests.lab_fakes import Room, command, lab, last_step, step

NUMBERS = st.integers(1, 4)
STEPS = [step(n, commands=(command(f"make a{n}\nmake f{n}"),),
              reset=(command(f"drop f{n}\ndrop a{n}", "r1"),)) for n in range(1, 5)]  # fmt: skip


class Killed(BaseException):
    """kill -9, as far as the runner can tell: nothing of it runs any more."""


class Moves(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.room = Room(lab(*STEPS, last_step(5)), self.folder)
        self.countdown = 0
        self.whole = True
        self.room.shell.before = self.before

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def before(self, line: str) -> None:
        word, _, fact = line.partition(" ")
        if word == "make":
            number = int(fact[1:])
            have = {f for f in self.room.facts.true if f.startswith("f")}
            wanted = {f"f{n}" for n in range(1, number)}
            assert have - {fact} == wanted, f"step {number} runs on {sorted(have)}"
        self.countdown -= 1
        if self.countdown == 0:
            raise Killed

    def done_up_to(self, number: int) -> None:
        wanted = {f"{kind}{n}" for n in range(1, number + 1) for kind in "af"}
        assert self.room.facts.true == wanted
        assert self.room.done == {f"s{n}" for n in range(1, number + 1)}
        assert self.room.begun == set()

    @rule(number=NUMBERS)
    def step(self, number: int) -> None:
        result = self.room.runner.step(number)
        assert result.verdict is Verdict.PASSED
        assert result.steps[-1].number == number
        self.done_up_to(number)

    @rule(number=NUMBERS)
    def goto(self, number: int) -> None:
        assert self.room.runner.goto(number).exit_code == 0
        self.done_up_to(number - 1)

    @rule(first=NUMBERS, last=NUMBERS)
    def run_from(self, first: int, last: int) -> None:
        first, last = min(first, last), max(first, last)
        assert self.room.runner.run(first, last).verdict is Verdict.PASSED
        self.done_up_to(last)

    @rule(last=NUMBERS)
    def run_on(self, last: int) -> None:
        done, begun = set(self.room.done), set(self.room.begun)
        have, typed = set(self.room.facts.true), len(self.room.shell.typed)
        before = len(done) if self.sound() else 0
        up = self.room.workspace.is_up
        result = self.room.runner.run(None, last)
        assert result.verdict is Verdict.PASSED
        assert [s.number for s in result.steps] == list(range(1, last + 1))
        if up and {f"s{n}" for n in range(1, last + 1)} <= done:
            # Nothing is left to run; what is half there behind those steps stays on record.
            assert (self.room.done, self.room.begun) == (done, begun)
            assert (self.room.facts.true, len(self.room.shell.typed)) == (have, typed)
        else:
            self.done_up_to(max(last, before))

    @rule(number=NUMBERS)
    def reset(self, number: int) -> None:
        if not self.room.workspace.is_up:
            with pytest.raises(LabAbsent):
                self.room.runner.reset(number)
            return
        self.room.runner.reset(number)
        assert not self.room.facts.true & {f"f{n}" for n in range(number, 5)}
        assert not self.room.done & {f"s{n}" for n in range(number, 5)}

    @precondition(lambda self: self.room.workspace.is_up)
    @rule(data=st.data())
    def disturb(self, data: st.DataObject) -> None:
        """Somebody takes away what a done step had made; `verify` must see it, `run` mend it."""
        done = sorted(self.room.done)
        if not done or not self.sound():
            return
        number = data.draw(st.sampled_from(done))[1:]
        self.room.facts.true.discard(f"f{number}")
        before = set(self.room.facts.true)
        assert self.room.runner.verify().verdict is Verdict.FAILED
        assert self.room.facts.true == before
        assert self.room.runner.run(None, 4).verdict is Verdict.PASSED
        self.done_up_to(4)

    @rule(number=NUMBERS, moment=st.integers(1, 20), move=st.sampled_from(["step", "goto", "run"]))
    def killed(self, number: int, moment: int, move: str) -> None:
        self.countdown = moment
        try:
            if move == "run":
                self.room.runner.run(None, number)
            else:
                getattr(self.room.runner, move)(number)
        except Killed:
            pass
        finally:
            self.countdown = 0

    @rule()
    def clean_up(self) -> None:
        assert self.room.runner.step(5).verdict is Verdict.PASSED
        assert not self.room.workspace.is_up
        assert self.room.store.done() == frozenset()

    @rule()
    def lose_the_lab(self) -> None:
        self.room.workspace.down()

    def sound(self) -> bool:
        """Whether nothing is half done and the done steps are the first ones."""
        done = self.room.done
        return not self.room.begun and done == {f"s{n}" for n in range(1, len(done) + 1)}

    @invariant()
    def what_is_recorded_is_true(self) -> None:
        have = self.room.facts.true
        for name in self.room.done:
            assert {f"a{name[1:]}", f"f{name[1:]}"} <= have
        touched = self.room.done | self.room.begun
        assert {fact[1:] for fact in have} <= {name[1:] for name in touched}

    @invariant()
    def looking_changes_nothing(self) -> None:
        if not self.room.workspace.is_up:
            return
        have, typed = set(self.room.facts.true), len(self.room.shell.typed)
        assert self.room.runner.verify().exit_code == 0
        assert self.room.facts.true == have
        assert len(self.room.shell.typed) == typed


TestMoves = Moves.TestCase
TestMoves.settings = settings(
    max_examples=30,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
