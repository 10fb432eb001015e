"""Looking on while a step is typed: moments in their order, the step's checks as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from swarmlab.checks.base import World
from swarmlab.model import Step
from swarmlab.onlooker import Onlooker, Row
from swarmlab.results import Verdict
from tests import lab_fakes as fake


@contextmanager
def looking(step: Step, facts: fake.Facts) -> Iterator[Onlooker]:
    world = cast(World, facts)
    with Onlooker(step, world, checks=fake.CHECKS, observers=fake.OBSERVERS) as onlooker:
        yield onlooker


def moments(*names: str, **more: object) -> tuple[object, ...]:
    return tuple(
        fake.command(f"make {name}", f"c{name}", checks=(fake.check(name),)) for name in names
    )


def row(onlooker: Onlooker, name: str) -> Row:
    return next(one for one in onlooker.rows if one.spec.id == name)


def test_moments_are_seen_in_their_order_and_stay_seen() -> None:
    facts = fake.Facts()
    step = fake.step(1, commands=moments("a", "b"))
    with looking(step, facts) as onlooker:
        facts.true |= {"b", "f1"}  # too early: it is not its moment
        assert fake.soon(lambda: row(onlooker, "f1").passed)
        assert not row(onlooker, "b").passed and row(onlooker, "b").waits
        assert "b" not in facts.looks
        facts.true = {"a"}
        assert fake.soon(lambda: row(onlooker, "a").over)
        facts.true = {"b"}
        assert fake.soon(lambda: row(onlooker, "b").over)
        assert row(onlooker, "a").passed and not onlooker.unseen
        assert not onlooker.proven
        assert fake.soon(lambda: not row(onlooker, "f1").passed)  # as it is now, not as it was
        facts.true = {"f1"}
        assert fake.soon(lambda: onlooker.proven)


def test_a_moment_counts_only_when_all_of_it_is_true_at_once() -> None:
    facts = fake.Facts()
    both = fake.command("x", checks=(fake.check("old"), fake.check("new")))
    with looking(fake.step(1, commands=(both,)), facts) as onlooker:
        facts.true = {"old"}
        assert fake.soon(lambda: row(onlooker, "old").passed)
        facts.true = {"new"}
        assert fake.soon(lambda: row(onlooker, "new").passed)
        assert not row(onlooker, "old").passed and [c.id for c in onlooker.unseen] == ["c1"]


def test_what_was_true_before_anything_was_typed_proves_nothing() -> None:
    facts = fake.Facts()
    facts.true.add("f1")
    with looking(fake.step(1), facts) as onlooker:
        assert fake.soon(lambda: facts.looks.count("f1") >= 2)
        assert row(onlooker, "f1").passed and not onlooker.proven


def test_a_step_is_proven_only_after_its_moments() -> None:
    facts = fake.Facts()
    with looking(fake.step(1, commands=moments("a")), facts) as onlooker:
        assert fake.soon(lambda: "f1" in facts.looks)
        facts.true = {"f1"}
        assert fake.soon(lambda: row(onlooker, "f1").passed)
        assert not onlooker.proven
        facts.true = {"f1", "a"}
        assert fake.soon(lambda: onlooker.proven)


def test_observers_watch_from_before_their_command_to_its_end() -> None:
    facts = fake.Facts()
    steady = fake.check("calm", check="fact.steady")
    scale = fake.command("x", checks=(fake.check("a"),), during=(steady,))
    with looking(fake.step(1, commands=(scale,)), facts) as onlooker:
        assert fake.soon(lambda: facts.watched == [("start", "calm")])
        facts.true = {"a", "f1"}
        assert fake.soon(lambda: ("finish", "calm") in facts.watched)
        assert fake.soon(lambda: row(onlooker, "calm").result is not None)
        result = row(onlooker, "calm").result
        assert result is not None and result.verdict is Verdict.FAILED
        assert fake.soon(lambda: row(onlooker, "f1").passed)
        assert not onlooker.proven  # what was to be so all the time was not
    assert facts.watched == [("start", "calm"), ("finish", "calm")]


def test_leaving_ends_all_looking() -> None:
    facts = fake.Facts()
    steady = fake.check("calm", check="fact.steady")
    scale = fake.command("x", checks=(fake.check("a"),), during=(steady,))
    with looking(fake.step(1, commands=(scale,)), facts):
        assert fake.soon(lambda: bool(facts.watched) and "f1" in facts.looks)
    looks = len(facts.looks)
    assert facts.watched == [("start", "calm"), ("finish", "calm")]
    assert len(facts.looks) == looks


def test_what_cannot_be_looked_at_is_no_pass() -> None:
    facts = fake.Facts()
    facts.hidden.add("f1")
    with looking(fake.step(1), facts) as onlooker:
        assert fake.soon(lambda: bool(onlooker.results))
        assert onlooker.results[0].verdict is Verdict.ERRORED and not onlooker.proven
