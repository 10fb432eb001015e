"""Proofs of steps and of mistakes, on a lab of plain facts: what is proven, and what is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from swarmlab import words
from swarmlab.authoring import run as authoring_run
from swarmlab.authoring import snapshot, steps, testing, wrong_moves
from swarmlab.authoring.bench import Bench
from swarmlab.authoring.proofs import Proof, Proofs
from swarmlab.authoring.snapshot import Snapshot
from swarmlab.checks.base import Finding, World
from swarmlab.errors import TimedOut, UsageError
from swarmlab.model import CheckSpec, Command, Lab, Mistake, Step
from swarmlab.results import Verdict
from tests import lab_fakes
from tests.lab_fakes import CHECKS, OBSERVERS, Facts, Room, command, lab, last_step

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that suit facts: they are there at once or never."""
    monkeypatch.setattr(wrong_moves, "CAUGHT_SECONDS", 0.2)
    monkeypatch.setattr(wrong_moves, "STAYS_SECONDS", 0.2)
    monkeypatch.setattr(snapshot, "CALM_SECONDS", 0.2)


def picture(world: World) -> Snapshot:
    facts = cast(Facts, world)
    return Snapshot(dict.fromkeys(facts.true, "there"))


def check(name: str, before: str = "does not hold$", **more: Any) -> CheckSpec:
    return replace(lab_fakes.check(name, **more), before=before)


def step(number: int, **more: Any) -> Step:
    return lab_fakes.step(number, **{"checks": (check(f"f{number}"),), **more})


def removing(number: int) -> Step:
    last = last_step(number)
    return replace(last, checks=(check("f1", "^f1$", id="anything", check="fact.absent"),))


def mistake(run: str, caught_by: str, id: str = "m", hint: str = "do it", **more: Any) -> Mistake:
    return Mistake(id, id, Command(id, run, exit_codes=()), caught_by, hint, **more)


Benched = Callable[..., tuple[Bench, Room]]


@pytest.fixture
def benched(tmp_path: Path) -> Benched:
    def of(*all_steps: Step) -> tuple[Bench, Room]:
        room = Room(lab(*all_steps), tmp_path)
        made = Bench(
            room.lab,
            workspace=room.workspace,
            progress=room.store,
            camera=picture,
            checks=CHECKS,
            observers=OBSERVERS,
            restore_seconds=0.2,
        )
        return made, room

    return of


def ends(proof: Proof) -> dict[str, Verdict]:
    return {part.claim: part.verdict for part in proof.parts}


def seen(proof: Proof) -> str:
    return "\n".join(line for part in proof.parts if part.verdict is not P for line in part.seen)


class Told:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, name: str) -> None:
        self.heard.append(f"started {name}")

    def ended(self, proof: Proof) -> None:
        self.heard.append(f"{proof.name} {proof.verdict.value}")

    def stop(self) -> None:
        return None


# Steps.

FOUR = {"fails before": P, "passes after": P, "undone by its reset": P, "the same again": P}


def test_a_sound_lab_is_proven_to_its_end(benched: Benched) -> None:
    bench, room = benched(step(1), step(2), removing(3))
    told = Told()
    first, second, last = testing.prove_steps(bench, room.lab.steps, told)
    assert ends(first) == ends(second) == FOUR
    assert ends(last) == {**FOUR, "undone by its reset": S}
    assert not room.workspace.present()
    assert told.heard[:2] == ["started step 1 (s1)", "step 1 (s1) passed"]
    # Each step is undone and done again.
    assert "make f1,drop f1,make f1," in typed(room)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (check("f1", ""), "saw 'f1 does not hold', and nothing says that it should: give `before`"),
        (check("f1", "^no f1"), "check f1 saw 'f1 does not hold', not '^no f1'"),
        (check("x", "holds", check="fact.absent"), "check x holds already, although it is to see"),
    ],
)
def test_a_check_that_fails_before_must_see_what_is_expected(
    benched: Benched, spec: CheckSpec, said: str
) -> None:
    bench, room = benched(step(1, checks=(check("f1", id="good"), spec)))
    proof = steps.prove(bench, room.lab.steps[0])
    assert ends(proof) == {"fails before": F}
    assert said in seen(proof)


@pytest.mark.parametrize(
    ("spec", "verdict", "said"),
    [
        (check("f2", needs=("f1",)), P, "failing for the expected reason: f1, f2"),
        (check("f2", "^no f2", needs=("f1",)), F, "check f2 saw 'f2 does not hold', not '^no f2'"),
        (check("f2", "", needs=("f1",)), F, "check f2 does not fail before the step, and no"),
    ],
)
def test_a_check_that_needs_a_failing_one_is_seen_failing_too(
    benched: Benched, spec: CheckSpec, verdict: Verdict, said: str
) -> None:
    """Students hear of what it needs only; with a `before` its own failing is proven as well."""
    make = (command("make f1\nmake f2"),)
    undo = (command("drop f1\ndrop f2", "r1"),)
    bench, room = benched(step(1, commands=make, checks=(check("f1"), spec), reset=undo))
    proof = steps.prove(bench, room.lab.steps[0])
    assert ends(proof)["fails before"] is verdict
    assert said in "\n".join(proof.parts[0].seen)


def test_what_holds_on_an_untouched_lab_must_be_marked(benched: Benched) -> None:
    gone = check("f1", "^f1$", id="gone", check="fact.absent")
    second = step(2, checks=(check("f2"), gone), commands=(command("drop f1\nmake f2"),))
    ended = step(1, checks=(check("f1", until="s2"),))
    assert ends(_first_of(benched(ended, replace(second, reset=()))))["fails before"] is F
    marked = replace(second, checks=(check("f2"), replace(gone, untouched=True)))
    assert ends(_first_of(benched(ended, marked))) == FOUR
    wrongly = replace(second, checks=(replace(check("f2"), untouched=True), marked.checks[1]))
    proof = _first_of(benched(ended, wrongly))
    assert "check f2 of step 2 is marked `untouched`" in seen(proof)


def _first_of(made: tuple[Bench, Room]) -> Proof:
    bench, room = made
    return steps.prove(bench, room.lab.steps[0])


def test_what_a_check_sees_is_compared_in_english(benched: Benched) -> None:
    bench, room = benched(step(1))
    words.use("zh")
    try:
        found = ends(steps.prove(bench, room.lab.steps[0]))
        assert found == {words.of("zh")(claim): verdict for claim, verdict in FOUR.items()}
    finally:
        words.use("en")


def test_a_check_may_hold_already_when_another_fails(benched: Benched) -> None:
    holding = check("x", "", check="fact.absent")
    shown = (mistake("make x", "x"),)
    bench, room = benched(step(1, checks=(check("f1"), holding), mistakes=shown))
    proof = steps.prove(bench, room.lab.steps[0])
    assert ends(proof) == FOUR
    assert proof.parts[0].seen[1] == "holding already: x"


def looking(*mistakes: Mistake) -> Step:
    return step(
        2,
        commands=(command("say hello"),),
        checks=(check("f1", "", id="still"),),
        reset=(),
        mistakes=mistakes,
    )


def test_a_step_that_only_looks_is_proven_by_its_mistakes(benched: Benched) -> None:
    bench, room = benched(step(1), looking(mistake("drop f1", "still")))
    assert ends(steps.prove(bench, room.lab.steps[1])) == FOUR
    bench, room = benched(step(1), looking())
    proof = steps.prove(bench, room.lab.steps[1])
    assert "check still does not fail before the step, and no mistake shows" in seen(proof)


def test_every_check_must_be_seen_failing(benched: Benched) -> None:
    """Before its step, or by a mistake; those of commands, which hold for a moment, too."""
    make = command("make f1", "c", checks=(check("now", ""),), during=(check("all", ""),))
    holding = check("x", "", check="fact.absent")
    one = step(1, commands=(make,), checks=(check("f1"), holding))
    bench, room = benched(one)
    told = "check {} does not fail before the step, and no mistake shows that it can"
    proof = steps.prove(bench, room.lab.steps[0])
    assert seen(proof).splitlines() == [told.format(id) for id in ("now", "all", "x")]
    # In a later step's mistake one is enough, whether it catches or fails as well.
    wrong = mistake("drop f1", "f1", also=("now", "all"))
    bench, room = benched(replace(one, mistakes=(wrong,)), step(2))
    proof = steps.prove(bench, room.lab.steps[0])
    assert seen(proof) == told.format("x")
    later = mistake("make x", "s1/x")
    bench, room = benched(replace(one, mistakes=(wrong,)), step(2, mistakes=(later,)))
    assert "no mistake shows" not in seen(steps.prove(bench, room.lab.steps[0]))


def test_a_step_whose_checks_hold_before_must_change_nothing(benched: Benched) -> None:
    changing = replace(looking(mistake("drop f1", "still")), commands=(command("make z"),))
    bench, room = benched(step(1), changing)
    proof = steps.prove(bench, room.lab.steps[1])
    assert ends(proof) == {"fails before": P, "passes after": F}
    assert seen(proof) == "no check fails before the step, yet it changes: z was not there before"


@pytest.mark.parametrize(
    ("more", "claim", "said"),
    [
        ({"commands": (command("fail 3"),)}, "passes after", "exit code 3 instead of 0"),
        ({"commands": (command("say no"),)}, "passes after", "check f1: saw f1 does not hold"),
        ({"reset": (command("say no", "r1"),)}, "undone by its reset", "f1 was not there before"),
        ({"reset": (command("fail 1", "r1"),)}, "fails before", "Step 1 could not be reset"),
    ],
)
def test_a_fault_of_the_lab_is_told(
    benched: Benched, more: dict[str, Any], claim: str, said: str
) -> None:
    bench, room = benched(step(1, **more))
    proof = steps.prove(bench, room.lab.steps[0])
    assert ends(proof)[claim] is F
    assert list(ends(proof))[-1] == claim
    assert said in seen(proof)


def test_another_outcome_the_second_time_is_told(benched: Benched) -> None:
    bench, room = benched(step(1))
    made: list[str] = []

    def before(line: str) -> None:
        made.append(line)
        if made.count("make f1") == 2:
            room.facts.true.add("left over")

    room.shell.before = before
    proof = steps.prove(bench, room.lab.steps[0])
    assert ends(proof)["the same again"] is F
    assert seen(proof) == "after the second time: left over was not there before"


def test_what_cannot_be_tried_is_no_fault_of_the_lab_and_ends_the_run(benched: Benched) -> None:
    bench, room = benched(step(1, commands=(command("lost f1"),)), step(2), step(3))
    found = testing.prove_steps(bench, room.lab.steps, Told())
    assert [ends(proof) for proof in found] == [
        {"fails before": P, "passes after": E},
        {"fails before": E},
    ]
    assert "command c1: the workstation is gone" in seen(found[0])
    proofs = Proofs(room.lab, "default", tuple(found), 1.0)
    assert (proofs.verdict, proofs.exit_code) == (E, 3)
    assert proofs.to_dict()["proofs"][0]["parts"][1]["verdict"] == "errored"


def test_a_check_that_cannot_look_is_told_and_the_next_step_is_tried(benched: Benched) -> None:
    broken = check("f1", "f1", check="fact.broken")
    bench, room = benched(step(1, checks=(check("f1", id="good"), broken)), step(2))
    found = testing.prove_steps(bench, room.lab.steps[:1], Told())
    assert ends(found[0]) == {"fails before": E}
    assert "check f1 could not look: TypeError" in seen(found[0])


# Mistakes.


def typed(room: Room) -> str:
    """What was typed, but for what shows the evidence."""
    return ",".join(line for line in room.shell.typed if line.split()[0] not in ("eval", "ask"))


def proven(bench: Bench, room: Room) -> list[Proof]:
    moves = testing.chosen_mistakes(room.lab.steps, [], None, 0)
    return testing.prove_mistakes(bench, moves, Told())


CAUGHT = {
    "typed": P,
    "caught, and its hint shown": P,
    "fails what it is to": P,
    "its evidence can be typed": P,
    "undone": P,
}
UNCAUGHT = {"typed": P, "caught, and its hint shown": F, "undone": P}
THREE = (command("make a", "a"), command("make b", "b"), command("make f1", "c"))
RESET = (command("drop a\ndrop b\ndrop f1\ndrop wrong", "r1"),)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ({"instead": "c"}, "make a,make b,make wrong"),
        ({"instead": "a", "go_on": True}, "make wrong,make b,make d1"),
        ({"instead": "a"}, "make wrong"),
        ({"after": "a"}, "make a,make wrong"),
        ({"after": "b", "go_on": True}, "make a,make b,make wrong,make d1"),
    ],
)
def test_a_mistake_is_typed_in_its_place(
    benched: Benched, place: dict[str, Any], wanted: str
) -> None:
    # The last command makes something else than the check wants, so that every place is caught.
    commands = (*THREE[:2], command("make d1", "c"))
    bench, room = benched(
        step(1, commands=commands, reset=(command("drop a\ndrop b\ndrop d1\ndrop wrong", "r1"),),
             mistakes=(mistake("make wrong", "f1", **place),))
    )  # fmt: skip
    (proof,) = proven(bench, room)
    assert ends(proof) == CAUGHT
    # Between the reset that brought the cluster there and the one that undid the mistake.
    assert f"drop wrong,{wanted},drop a," in typed(room)
    assert room.facts.true == set()


def test_without_a_place_it_is_typed_after_the_proven_step(benched: Benched) -> None:
    wrong = mistake("drop f1", "f1")
    bench, room = benched(step(1, commands=THREE, reset=RESET, mistakes=(wrong,)))
    (proof,) = proven(bench, room)
    assert ends(proof) == CAUGHT
    assert "make a,make b,make f1,drop f1," in typed(room)
    assert proof.parts[-1].seen == ("by the step's reset: 0 facts are as before",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (mistake("say nothing", "f1"), "check f1 is passed, saw f1 holds"),
        (mistake("drop f1", "f1", seen="something else"), "failed with another hint (its own)"),
        (mistake("drop f1", "needy"), "check needy is skipped: needs 'f1', which failed"),
    ],
)
def test_a_mistake_that_is_not_caught_is_told(benched: Benched, wrong: Mistake, said: str) -> None:
    checks = (check("f1"), check("needy", check="fact.absent", needs=["f1"]))
    bench, room = benched(step(1, checks=checks, mistakes=(wrong,)))
    (proof,) = proven(bench, room)
    assert ends(proof) == UNCAUGHT
    assert said in seen(proof)


def test_what_is_only_late_is_not_caught(benched: Benched) -> None:
    """The check fails once and then sees that all is well: no mistake was made at all."""
    bench, room = benched(step(1, mistakes=(mistake("say nothing", "f1"),)))
    room.shell.before = lambda line: room.facts.later.update(f1=1) if line[:3] == "say" else None
    (proof,) = proven(bench, room)
    assert ends(proof)["caught, and its hint shown"] is F
    assert "check f1 is passed" in seen(proof)


def test_the_check_and_the_observer_of_a_command_catch_at_their_moment(benched: Benched) -> None:
    watched = command("make f1", "c", checks=(check("now", ""),),
                      during=(check("all", "", check="fact.steady"),))  # fmt: skip
    first = command("make now\nmake all", "first")
    one = step(
        1,
        commands=(first, watched),
        reset=(command("drop now\ndrop all\ndrop f1", "r1"),),
        mistakes=(
            mistake("drop now", "now", "instead", instead="c"),
            mistake("drop now", "now", "gone-on", hint="later", instead="first", go_on=True),
            mistake("drop all", "all", "watched", instead="c"),
            mistake("drop now", "now", "after", hint="afterwards", after="c"),
        ),
    )
    bench, room = benched(one)
    # All four have no `seen`; the fourth hint would be one too many for one check.
    assert [ends(proof) for proof in proven(bench, room)] == [CAUGHT] * 4


def test_what_else_is_to_fail_must_fail(benched: Benched) -> None:
    make = command("make f1\nmake now", "c", checks=(check("now", ""),))
    reset = (command("drop f1\ndrop now\ndrop x", "r1"),)
    both = mistake("make x", "f1", "both", instead="c", also=("now",))
    none = mistake("make now", "f1", "none", instead="c", also=("now", "x"))
    checks = (check("f1"), check("x", "", check="fact.absent"))
    bench, room = benched(
        step(1, commands=(make,), checks=checks, reset=reset, mistakes=(both, none))
    )
    first, second = proven(bench, room)
    assert ends(first) == CAUGHT
    # All that fails is told, named or not.
    assert first.parts[2].seen == ("s1/f1, s1/now, s1/x",)
    assert ends(second)["fails what it is to"] is F
    assert seen(second) == "not failing: s1/now, s1/x"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fail 127", "fail 127: exit code 127"),
        ("hang", "hang: it was ended at its time limit of 60 s"),
        ("drop y", "drop y: exit code 0"),
    ],
)
def test_evidence_that_shows_nothing_is_told(
    benched: Benched, line: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told to type must run, end, and print something."""
    bench, room = benched(step(1, mistakes=(mistake("drop f1", "f1"),)))
    holds = CHECKS["fact.holds"]

    def told(world: World, *, name: str) -> Finding:
        return replace(holds(world, name=name), source=line)

    monkeypatch.setattr(bench, "_checks", {**CHECKS, "fact.holds": told})
    (proof,) = proven(bench, room)
    assert ends(proof) == {**CAUGHT, "its evidence can be typed": F}
    assert said in seen(proof)


def test_evidence_is_typed_in_a_shell_of_its_own(benched: Benched) -> None:
    bench, room = benched(step(1, mistakes=(mistake("drop f1", "f1"),)))
    begun = 0
    fresh = bench.fresh

    def counted() -> None:
        nonlocal begun
        begun += 1
        room.shell.typed.append(f"shell {begun}")
        fresh()

    bench.fresh = counted  # type: ignore[method-assign]
    (proof,) = proven(bench, room)
    assert proof.parts[3].seen == ("told",)
    at = room.shell.typed.index("ask")
    assert room.shell.typed[at - 1] == "eval $(docker-machine env swarm-1)"
    assert room.shell.typed[at - 2].startswith("shell")
    assert room.shell.typed[at + 1].startswith("shell")


def test_an_earlier_steps_check_catches_and_going_there_mends(benched: Benched) -> None:
    bench, room = benched(step(1), step(2, mistakes=(mistake("drop f1", "s1/f1"),)))
    (proof,) = proven(bench, room)
    assert ends(proof) == CAUGHT
    assert proof.parts[-1].seen == ("by `swarmlab goto 2`: 1 facts are as before",)
    assert room.facts.true == {"f1"}


def test_a_step_without_a_reset_is_gone_to_at_once(
    benched: Benched, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = step(2, commands=(command("say bye"),), checks=(), reset=())
    bench, room = benched(step(1), replace(last, mistakes=(mistake("drop f1", "s1/f1"),)))
    compared: list[str] = []
    compare = bench.compare

    def told(before: Snapshot, after: str, **more: Any) -> None:
        compared.append(after)
        compare(before, after, **more)

    monkeypatch.setattr(bench, "compare", told)
    (proof,) = proven(bench, room)
    assert ends(proof) == CAUGHT
    assert compared == ["after `swarmlab goto 2`"], "nothing comes of a reset, so none is awaited"


def test_what_is_not_undone_is_told_and_the_next_begins_anew(benched: Benched) -> None:
    wrong = (mistake("drop f1\nmake junk", "f1", "junk"), mistake("drop f1", "f1", "fine"))
    bench, room = benched(step(1, mistakes=wrong, reset=(command("drop f1", "r1"),)))
    first, second = proven(bench, room)
    assert ends(first) == {**CAUGHT, "undone": F}
    assert "after `swarmlab goto 1`: junk was not there before" in seen(first)
    assert ends(second) == CAUGHT


def test_what_is_printed_before_the_mistake_must_work(benched: Benched) -> None:
    commands = (command("fail 1", "a"), command("make f1", "b"))
    wrong = mistake("say no", "f1", instead="b")
    bench, room = benched(step(1, commands=commands, mistakes=(wrong,)))
    (proof,) = proven(bench, room)
    assert ends(proof) == {"typed": F, "undone": P}
    assert "what is typed before the mistake did not work" in seen(proof)


def test_a_lab_that_cannot_be_looked_at_ends_the_run(benched: Benched) -> None:
    wrong = tuple(mistake("drop f1", "f1", name, hint=name) for name in ("a", "b"))
    bench, room = benched(step(1, mistakes=(mistake("lost f1", "f1", "z"), *wrong)))
    one, *others = proven(bench, room)
    assert ends(one) == {"typed": E, "undone": P}
    assert [ends(proof) for proof in others] == [CAUGHT] * 2
    room.facts.hidden = {"f1"}
    found = proven(bench, room)
    assert [proof.verdict for proof in found] == [E, E]
    assert "check f1 could not look: cannot see f1" in seen(found[1])


# Choosing.


def of_two() -> Lab:
    ones = tuple(mistake("drop f1", "f1", id) for id in ("a", "b", "c"))
    twos = tuple(mistake("drop f2", "f2", id) for id in ("c", "d", "e"))
    return lab(step(1, mistakes=ones), step(2, mistakes=twos))


def names(moves: list[testing.Move]) -> list[str]:
    return [f"{step.id}/{one.id}" for step, one in moves]


def test_mistakes_are_chosen_by_step_and_by_name() -> None:
    both = of_two()
    everything = testing.chosen_mistakes(both.steps, [], None, 0)
    assert names(everything) == ["s1/a", "s1/b", "s1/c", "s2/c", "s2/d", "s2/e"]
    assert names(testing.chosen_mistakes(both.steps, ["c", "s2/d"], None, 0)) == [
        "s1/c", "s2/c", "s2/d",
    ]  # fmt: skip
    (second,) = testing.chosen_steps(both, ["02"])
    assert names(testing.chosen_mistakes([second], [], None, 0)) == ["s2/c", "s2/d", "s2/e"]
    assert testing.chosen_steps(both, ["s2", "1"]) == list(both.steps)


def test_a_sample_is_drawn_by_its_seed_and_keeps_the_labs_order() -> None:
    steps = of_two().steps
    drawn = {seed: tuple(names(testing.chosen_mistakes(steps, [], 3, seed))) for seed in range(20)}
    assert drawn == {
        seed: tuple(names(testing.chosen_mistakes(steps, [], 3, seed))) for seed in range(20)
    }
    assert len(set(drawn.values())) > 5
    assert all(len(one) == 3 and list(one) == sorted(one) for one in drawn.values())
    assert len(testing.chosen_mistakes(steps, [], 99, 1)) == 6


def test_what_is_not_there_is_wrong_usage() -> None:
    both = of_two()
    with pytest.raises(UsageError, match="no step 's3'") as caught:
        testing.chosen_steps(both, ["s3"])
    assert "Did you mean s1 or s2" in caught.value.hint or "s2" in caught.value.hint
    with pytest.raises(UsageError, match="no mistake 'x'") as unknown:
        testing.chosen_mistakes(both.steps, ["x"], None, 0)
    assert unknown.value.hint.startswith("There is: a, b, c, d, e, s1/a,")
    many = step(1, mistakes=tuple(mistake("drop f1", "f1", f"m{n}") for n in range(90)))
    with pytest.raises(UsageError) as unknown:
        testing.chosen_mistakes([many], ["???"], None, 0)
    assert len(unknown.value.hint) < 300 and unknown.value.hint.endswith(", ...")


# Snapshots.


def test_differences_are_readable_lines() -> None:
    before = Snapshot({"service a": {"Replicas": 3, "containers": {"healthy": 3}}, "volume v": 1})
    after = Snapshot({"service a": {"Replicas": 3, "containers": {"healthy": 2}}, "key k": "x"})
    assert snapshot.differences(before, after) == [
        "key k was not there before",
        "service a, containers, healthy: was 3, is 2",
        "volume v is gone",
    ]
    assert snapshot.differences(before, before) == []


def test_an_unquiet_cluster_is_waited_for_and_named() -> None:
    looks = iter([Snapshot({}, ("service a has 1 of 3",)), Snapshot({"x": 1}), Snapshot({})])
    found = snapshot.calm(lambda world: next(looks), cast(World, None))
    assert found.facts == {"x": 1}
    restless = Snapshot({}, ("service a has 1 of 3 containers",))
    with pytest.raises(TimedOut, match="last seen: service a has 1 of 3 containers"):
        snapshot.calm(lambda world: restless, cast(World, None))


def test_a_cluster_at_rest_as_something_else_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "REST_SECONDS", 0.2)
    world = cast(World, None)
    begun = time.monotonic()
    found = snapshot.restored(lambda world: Snapshot({"x": 2}), world, Snapshot({"x": 1}), 60.0)
    assert found == ["x: was 1, is 2"]
    assert time.monotonic() - begun < 10
    # One that still moves is waited for to the end.
    moving = Snapshot({"x": 2}, ("service a has 1 of 3 containers",))
    begun = time.monotonic()
    assert snapshot.restored(lambda world: moving, world, Snapshot({"x": 2}), 0.8) == [
        "still moving: service a has 1 of 3 containers"
    ]
    assert time.monotonic() - begun >= 0.8


@pytest.mark.parametrize("lost", [True, False])
def test_what_cannot_come_back_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(snapshot, "MOMENT_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "REST_SECONDS", 1.0)
    looks: list[int] = []
    asked: list[int] = []

    def camera(world: World) -> Snapshot:
        looks.append(1)
        return Snapshot({"x": 2})

    def is_lost() -> bool:
        asked.append(len(looks))
        return lost

    found = snapshot.restored(camera, cast(World, None), Snapshot({"x": 1}), 60.0, is_lost)
    assert found == ["x: was 1, is 2"]
    assert asked == [1], "once, as long as nothing changes"
    assert (len(looks) == 1) is lost


def test_proofs_are_made_on_a_cluster_that_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workspace that brings a lab up looks patiently at all that it looks at from then on."""
    told: list[str] = []

    class Workspace:
        def __init__(self, *_: object) -> None:
            self._me = len({one.partition(" ")[0] for one in told}) + 1

        def __enter__(self) -> Workspace:
            return self

        def __exit__(self, *_: object) -> None:
            told.append(f"{self._me} closed")

        def world(self) -> None:
            told.append(f"{self._me} brings it up")

    monkeypatch.setattr(authoring_run, "LabWorkspace", Workspace)
    with authoring_run._standing(lab(step(1)), "demo"):
        told.append("2 proves")
    assert told == ["1 brings it up", "1 closed", "2 proves", "2 closed"]
