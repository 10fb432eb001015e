"""The runner on a lab of plain facts: order, resets, verdicts, and progress that stays true."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swarmlab import inspection, stepping, wait
from swarmlab.errors import (
    EXIT_ENVIRONMENT,
    EXIT_FAILED,
    ClusterProblem,
    EnvironmentProblem,
    LabAbsent,
    UsageError,
)
from swarmlab.model import CheckSpec, Step
from swarmlab.results import CheckResult, RunResult, StepResult, Verdict
from tests.lab_fakes import Room, check, command, lab, last_step, soon, step

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(lab(step(1), step(2), step(3), step(4)), tmp_path)


def one(tmp_path: Path, only: Step) -> Room:
    return Room(lab(only), tmp_path)


def verdicts(result: StepResult) -> dict[str, Verdict]:
    return {found.id: found.verdict for found in result.checks}


def found(result: RunResult, check_id: str) -> CheckResult:
    return next(c for s in result.steps for c in s.checks if c.id == check_id)


# Walking.


def test_step_brings_missing_steps_along_and_says_so(room: Room) -> None:
    result = room.runner.step(3)
    assert [s.number for s in result.steps] == [1, 2, 3]
    assert result.verdict is P
    assert room.done == {"s1", "s2", "s3"}
    assert any("Steps 1 to 2 are missing" in line for line in room.listener.only("note"))


def test_step_again_resets_it_and_what_follows_in_reverse(room: Room) -> None:
    room.runner.run()
    room.listener.heard.clear()
    result = room.runner.step(2)
    assert room.listener.only("reset", "step") == ["reset 4", "reset 3", "reset 2", "step 2"]
    assert [s.number for s in result.steps] == [2]
    assert room.done == {"s1", "s2"}
    assert room.facts.true == {"f1", "f2"}


def test_goto_leaves_the_state_just_before_the_step(room: Room) -> None:
    room.runner.run(None, 4)
    result = room.runner.goto(2)
    assert (room.facts.true, room.done, result.steps) == ({"f1"}, {"s1"}, ())
    assert result.exit_code == 0
    room.runner.goto(4)
    assert (room.facts.true, room.done) == ({"f1", "f2", "f3"}, {"s1", "s2", "s3"})


def test_reset_undoes_a_step_and_what_follows(room: Room) -> None:
    room.runner.run()
    room.runner.reset(3)
    assert (room.facts.true, room.done) == ({"f1", "f2"}, {"s1", "s2"})


def test_reset_of_a_step_far_ahead_leaves_the_cluster_as_it_is_on_record(tmp_path: Path) -> None:
    """The reset of a step may make again what the step before it made."""
    remaking = step(3, reset=(command("drop f3\nmake f2", "r1"),))
    room = Room(lab(step(1), step(2), remaking), tmp_path)
    room.runner.run(None, 1)
    room.runner.reset(3)
    assert (room.facts.true, room.done) == ({"f1"}, {"s1"})
    assert room.listener.only("reset") == ["reset 3", "reset 2"]


def covering_room(tmp_path: Path) -> Room:
    """Step 2's reset drops what step 3 made as well; step 4 stands for itself."""
    both = (command("drop f2\ndrop f3", "r1"),)
    third = step(3, reset_covered_by=("s2",))
    return Room(lab(step(1), step(2, reset=both), third, step(4)), tmp_path)


def test_a_reset_that_an_earlier_one_covers_is_left_to_that(tmp_path: Path) -> None:
    room = covering_room(tmp_path)
    room.runner.run()
    room.listener.heard.clear()
    room.runner.goto(2)
    assert room.listener.only("reset") == ["reset 4", "reset 2"]
    assert (room.facts.true, room.done) == ({"f1"}, {"s1"})
    assert room.store.load(room.workspace.cluster_id).touched == {"s1"}


def test_a_covered_reset_is_done_where_the_covering_one_is_not(tmp_path: Path) -> None:
    room = covering_room(tmp_path)
    room.runner.run()
    room.listener.heard.clear()
    room.runner.goto(3)
    assert room.listener.only("reset") == ["reset 4", "reset 3"]
    assert (room.facts.true, room.done) == ({"f1", "f2"}, {"s1", "s2"})


def test_a_covered_step_stays_on_record_until_the_covering_reset_worked(tmp_path: Path) -> None:
    failing = step(2, reset=(command("fail 1", "r1"),))
    room = Room(lab(step(1), failing, step(3, reset_covered_by=("s2",))), tmp_path)
    room.runner.run()
    with pytest.raises(ClusterProblem):
        room.runner.goto(2)
    assert (room.done, room.begun) == ({"s1"}, {"s2", "s3"})


@pytest.mark.parametrize("move", ["step", "goto", "run"])
def test_what_was_undone_by_hand_is_done_again_before_a_step(room: Room, move: str) -> None:
    room.runner.run()
    room.facts.true.discard("f2")
    room.listener.heard.clear()
    runner = room.runner
    result = runner.run(4, 4) if move == "run" else getattr(runner, move)(4)
    numbers = [s.number for s in result.steps]
    assert numbers == ([2, 3] if move == "goto" else [2, 3, 4])
    assert result.verdict is P
    assert room.facts.true >= {"f1", "f2", "f3"}


def test_nothing_is_reset_while_a_node_does_not_answer(room: Room) -> None:
    """What it holds would stay; and what is typed for it would hang."""
    room.runner.run(last=2)
    typed = list(room.workspace.shell.typed)
    room.workspace.asleep = "swarm-2"
    with pytest.raises(EnvironmentProblem, match="swarm-2 does not run"):
        room.runner.reset(2)
    assert room.workspace.shell.typed == typed
    assert room.done == {"s1", "s2"}


def test_reset_without_a_lab_brings_nothing_up(tmp_path: Path) -> None:
    room = Room(lab(step(1)), tmp_path, up=False)
    with pytest.raises(LabAbsent):
        room.runner.reset(1)
    assert room.workspace.ups == 0


def test_a_lab_that_is_missing_is_brought_up(tmp_path: Path) -> None:
    room = Room(lab(step(1)), tmp_path, up=False)
    result = room.runner.step(1)
    assert (room.workspace.ups, result.cluster, result.data_plane) == (1, "cluster-1", "ipvs")


def test_run_goes_on_and_only_looks_at_what_is_done(room: Room) -> None:
    room.runner.run(None, 2)
    room.shell.typed.clear()
    result = room.runner.run()
    assert room.shell.typed == ["make f3", "make f4"]
    assert [s.number for s in result.steps] == [1, 2, 3, 4]
    assert [len(s.commands) for s in result.steps] == [0, 0, 1, 1]
    assert room.listener.only("verified") == ["verified 1 passed", "verified 2 passed"]


def test_run_of_a_whole_lab_again_changes_nothing(room: Room) -> None:
    room.runner.run()
    room.shell.typed.clear()
    assert room.runner.run().verdict is P
    assert room.shell.typed == []


def test_run_does_again_from_the_first_step_that_no_longer_holds(room: Room) -> None:
    room.runner.run()
    room.facts.true.discard("f2")
    room.listener.heard.clear()
    result = room.runner.run()
    assert result.verdict is P
    assert room.listener.only("reset", "step") == [
        "reset 4", "reset 3", "reset 2", "step 2", "step 3", "step 4",
    ]  # fmt: skip
    assert [s.number for s in result.steps] == [1, 2, 3, 4]
    assert room.facts.true == {"f1", "f2", "f3", "f4"}


def test_run_stops_when_what_is_done_cannot_be_looked_at(room: Room) -> None:
    room.runner.run()
    room.facts.hidden.add("f1")
    room.shell.typed.clear()
    result = room.runner.run()
    assert (result.exit_code, room.shell.typed) == (EXIT_ENVIRONMENT, [])
    assert room.done == {"s1", "s2", "s3", "s4"}


def test_run_from_a_step_runs_it_anew(room: Room) -> None:
    room.runner.run()
    room.shell.typed.clear()
    result = room.runner.run(3, 3)
    assert room.shell.typed == ["drop f4", "drop f3", "make f3"]
    assert [s.number for s in result.steps] == [3]
    assert room.done == {"s1", "s2", "s3"}


def test_run_from_a_step_brings_earlier_ones_along(room: Room) -> None:
    result = room.runner.run(2, 3)
    assert [s.number for s in result.steps] == [1, 2, 3]


def test_a_step_that_was_left_out_is_made_up_for_before_what_follows(room: Room) -> None:
    """Steps are proven on the state after all before them: 3 is done again on top of 2."""
    room.runner.run()
    room.store.undo("cluster-1", "s2")
    room.facts.true.discard("f2")
    room.shell.typed.clear()
    room.runner.step(4)
    assert room.shell.typed == ["drop f4", "drop f3", "make f2", "make f3", "make f4"]


@pytest.mark.parametrize("number", [0, 5, -1])
def test_unknown_steps_are_wrong_usage(room: Room, number: int) -> None:
    for move in (room.runner.step, room.runner.goto, room.runner.reset, room.runner.run):
        with pytest.raises(UsageError):
            move(number)
    with pytest.raises(UsageError):
        room.runner.verify([number])
    with pytest.raises(UsageError):
        room.runner.run(3, 2)


def test_a_reset_that_is_spared_itself_covers_nothing(tmp_path: Path) -> None:
    second, third = step(2, reset_covered_by=("s1",)), step(3, reset_covered_by=("s2",))
    room = Room(lab(step(1), second, third), tmp_path)
    room.runner.run()
    room.shell.typed.clear()
    room.runner.goto(1)
    assert room.shell.typed == ["drop f3", "drop f1"]
    assert (room.done, room.begun) == (set(), set())


# Failing.


def test_run_stops_at_a_step_that_fails_and_says_what_is_begun(tmp_path: Path) -> None:
    wrong = step(2, commands=(command("say hello"),))
    room = Room(lab(step(1), wrong, step(3)), tmp_path)
    result = room.runner.run()
    assert [s.verdict for s in result.steps] == [P, F]
    assert result.exit_code == EXIT_FAILED
    assert (room.done, room.begun) == ({"s1"}, {"s2"})
    bad = found(result, "f2")
    assert (bad.expected, bad.actual, bad.source) == ("f2 holds", "f2 does not hold", "ask")
    assert bad.hint == "make f2"


def test_what_a_step_was_found_to_be_stands_when_it_cannot_be_undone(tmp_path: Path) -> None:
    """The student's fault stays the student's, and all that was found is in the result."""
    stuck = step(2, commands=(command("say hello"),), reset=(command("fail 3", "r1"),))
    room = Room(lab(step(1), stuck), tmp_path)
    result = room.runner.run()
    assert [s.verdict for s in result.steps] == [P, F]
    assert result.exit_code == EXIT_FAILED
    assert any("Step 2 could not be reset" in line for line in room.listener.heard)


def test_a_step_that_failed_is_reset_before_the_next_try(tmp_path: Path) -> None:
    room = one(tmp_path, step(1, commands=(command("make f1\nmake rubbish\nfail 3"),)))
    room.runner.step(1)
    room.shell.typed.clear()
    room.runner.step(1)
    assert room.shell.typed[0] == "drop f1"


def test_a_failed_command_ends_the_typing_and_checks_are_looked_at_once(tmp_path: Path) -> None:
    commands = (
        command("make f1"),
        command("fail 7", "bad", checks=(check("now", within=30.0),)),
        command(
            "make f2", "late", checks=(check("f2"),), during=(check("x", check="fact.steady"),)
        ),
    )
    room = one(tmp_path, step(1, commands=commands, checks=(check("f1"), check("f3", within=30.0))))
    began = time.monotonic()
    result = room.runner.step(1)
    assert time.monotonic() - began < 10
    assert [c.verdict for c in result.steps[0].commands] == [P, F, S]
    assert "exit code 7 instead of 0" in result.steps[0].commands[1].reason
    assert "'bad' before it failed" in result.steps[0].commands[2].reason
    assert verdicts(result.steps[0]) == {"now": F, "f2": S, "x": S, "f1": P, "f3": F}
    # Once in each of the two tries: what is not on record may have been in the way of the first.
    assert room.facts.looks.count("f3") == 2
    assert room.shell.typed == ["make f1", "fail 7", "drop f1", "make f1", "fail 7"]
    assert room.facts.watched == []


def test_exit_codes_may_be_others_or_any(tmp_path: Path) -> None:
    good = (
        command("make f1\nfail 22", "a", exit_codes=(0, 22)),
        command("fail 9", "b", exit_codes=()),
    )
    assert one(tmp_path, step(1, commands=good)).runner.step(1).verdict is P


def test_a_command_at_its_time_limit_failed(tmp_path: Path) -> None:
    late = command("make f1\nhang", exit_codes=(), timeout=5)
    result = one(tmp_path, step(1, commands=(late,))).runner.step(1)
    assert result.steps[0].commands[0].verdict is F
    assert result.steps[0].commands[0].exit_code is None
    assert "time limit of 5 s" in result.steps[0].commands[0].reason


def test_the_time_limit_that_is_told_is_the_one_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMLAB_PATIENCE", "3")
    late = command("make f1\nhang", exit_codes=(), timeout=5)
    result = one(tmp_path, step(1, commands=(late,))).runner.step(1)
    assert "time limit of 15 s" in result.steps[0].commands[0].reason


def test_a_lost_workstation_is_not_the_students_fault(tmp_path: Path) -> None:
    result = one(tmp_path, step(1, commands=(command("lost"),))).runner.step(1)
    assert result.steps[0].commands[0].verdict is E
    assert result.exit_code == EXIT_ENVIRONMENT


def test_a_moment_check_that_fails_ends_the_typing(tmp_path: Path) -> None:
    commands = (command("say x", "a", checks=(check("f9"),)), command("make f1", "b"))
    result = one(tmp_path, step(1, commands=commands)).runner.step(1)
    assert [c.verdict for c in result.steps[0].commands] == [P, S]
    assert verdicts(result.steps[0]) == {"f9": F, "f1": F}


def test_a_reset_that_fails_stops_everything_and_shows_why(tmp_path: Path) -> None:
    room = one(tmp_path, step(1, reset=(command("say no such volume\nfail 1", "r1"),)))
    room.runner.step(1)
    with pytest.raises(ClusterProblem) as caught:
        room.runner.step(1)
    assert "no such volume" in caught.value.evidence
    assert (room.done, room.begun) == (set(), {"s1"})


# Checks.


def test_an_exception_out_of_a_check_is_an_error_with_its_cause(tmp_path: Path) -> None:
    checks = (check("f1"), check("f1", id="bad", check="fact.broken", within=30.0))
    room = one(tmp_path, step(1, checks=checks))
    began = time.monotonic()
    result = room.runner.step(1)
    assert time.monotonic() - began < 10, "a bug does not go away by waiting"
    assert verdicts(result.steps[0]) == {"f1": P, "bad": E}
    assert found(result, "bad").reason == "TypeError: f1 is not callable, token=***"
    assert result.exit_code == EXIT_ENVIRONMENT
    assert room.done == set()


def test_an_unknown_check_is_an_error(tmp_path: Path) -> None:
    result = one(tmp_path, step(1, checks=(check("f1", check="fact.nothing"),))).runner.step(1)
    assert result.verdict is E
    assert "fact.nothing" in found(result, "f1").reason


def test_what_cannot_be_looked_at_brings_the_errors_own_hint(room: Room) -> None:
    room.runner.run(None, 1)
    room.facts.hidden.add("f1")
    bad = found(room.runner.verify(), "f1")
    assert (bad.verdict, bad.reason) == (E, "cannot see f1")
    assert bad.hint == "look for the light switch"


def test_checks_are_polled_until_they_hold(tmp_path: Path) -> None:
    room = one(tmp_path, step(1, checks=(check("f1", within=30.0),)))
    room.facts.later["f1"] = 2
    result = room.runner.step(1)
    assert result.verdict is P
    assert room.facts.looks.count("f1") == 3
    assert found(result, "f1").waited > 0
    assert "waiting f1: f1 does not hold" in room.listener.heard


def test_a_hiccup_while_waiting_is_looked_at_again(tmp_path: Path) -> None:
    room = one(tmp_path, step(1, checks=(check("f1", within=30.0),)))
    room.facts.hidden.add("f1")
    threading.Timer(0.3, lambda: room.facts.hidden.discard("f1")).start()
    assert room.runner.step(1).verdict is P


def test_verify_looks_once(room: Room) -> None:
    room.lab = lab(step(1, checks=(check("f1", within=60.0),)))
    room.runner.step(1)
    room.facts.true.clear()
    room.facts.looks.clear()
    assert room.runner.verify().verdict is F
    assert room.facts.looks == ["f1"]


def test_needs_are_honoured_through_a_chain(tmp_path: Path) -> None:
    checks = (
        check("f1", id="c", needs=["b"]),
        check("f1", id="b", needs=["a"]),
        check("f9", id="a"),
        check("f1", id="free"),
    )
    result = one(tmp_path, step(1, checks=checks)).runner.step(1)
    assert verdicts(result.steps[0]) == {"c": S, "b": S, "a": F, "free": P}
    assert found(result, "b").reason == "needs 'a', which failed"
    assert found(result, "c").reason == "needs 'b', which was skipped"


def test_a_step_check_may_need_a_moment_check(tmp_path: Path) -> None:
    commands = (command("make f1", checks=(check("f9", id="moment"),)),)
    checks = (check("f1", needs=["moment"]),)
    result = one(tmp_path, step(1, commands=commands, checks=checks)).runner.step(1)
    assert verdicts(result.steps[0]) == {"moment": F, "f1": S}


def test_verify_does_not_wait_for_moment_checks(tmp_path: Path) -> None:
    commands = (command("make f1", checks=(check("f1", id="moment"),)),)
    room = one(tmp_path, step(1, commands=commands, checks=(check("f1", needs=["moment"]),)))
    room.runner.step(1)
    assert verdicts(room.runner.verify().steps[0]) == {"f1": P}


def test_checks_that_need_each_other_are_skipped(tmp_path: Path) -> None:
    checks = (check("f1", id="a", needs=["b"]), check("f1", id="b", needs=["a"]))
    result = one(tmp_path, step(1, checks=checks)).runner.step(1)
    assert verdicts(result.steps[0]) == {"a": S, "b": S}
    assert "ring" in found(result, "a").reason


def test_checks_of_a_step_are_looked_at_side_by_side(room: Room) -> None:
    many = tuple(check(f"g{n}") for n in range(8))
    room.lab = lab(step(1, checks=many))
    meet = threading.Barrier(8, timeout=60)
    look = room.facts.look
    room.facts.look = lambda name: meet.wait() >= 0 and look(name)  # type: ignore[method-assign]
    result = room.runner.verify([1])
    assert result.count(E) == 0, "each look waits for the seven others"


def test_observers_watch_over_command_and_moment_checks(tmp_path: Path) -> None:
    watch = check("f1", id="w", check="fact.steady")
    typed = command("make f1", checks=(check("f1", id="now"),), during=(watch,))
    room = one(tmp_path, step(1, commands=(typed,)))
    result = room.runner.step(1)
    assert verdicts(result.steps[0]) == {"now": P, "w": P, "f1": P}
    assert room.facts.watched == [("start", "f1"), ("finish", "f1")]
    assert room.listener.heard.index("check now passed") < room.listener.heard.index(
        "check w passed"
    )


def test_an_observer_that_cannot_start_is_an_error_and_the_command_runs(tmp_path: Path) -> None:
    typed = command("make f1", during=(check("x", id="w", check="fact.blind"),))
    room = one(tmp_path, step(1, commands=(typed,)))
    result = room.runner.step(1)
    assert verdicts(result.steps[0]) == {"w": E, "f1": P}
    assert found(result, "w").reason == "no eyes"


def test_observers_end_when_the_command_is_interrupted(tmp_path: Path) -> None:
    typed = command("interrupt", during=(check("f1", id="w", check="fact.steady"),))
    room = one(tmp_path, step(1, commands=(typed,)))
    with pytest.raises(KeyboardInterrupt):
        room.runner.step(1)
    assert room.facts.watched == [("start", "f1"), ("finish", "f1")]


def test_an_interruption_ends_waiting_checks_soon(room: Room) -> None:
    room.lab = lab(step(1, checks=(check("f9", within=600.0),)))

    def interrupt(spec: CheckSpec, seen: str) -> None:
        raise KeyboardInterrupt

    room.listener.check_waiting = interrupt  # type: ignore[method-assign]
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        room.runner.step(1)
    assert soon(lambda: threading.active_count() <= before)


@pytest.mark.parametrize("move", ["step", "goto", "run"])
def test_what_a_broken_clean_up_took_away_is_made_again(tmp_path: Path, move: str) -> None:
    first = step(1, checks=(check("f1", until="clean-up"),))
    broken = replace(last_step(2), commands=(command("drop f1\nfail 1"), *last_step(2).commands))
    room = Room(lab(first, broken), tmp_path)
    assert room.runner.run().exit_code == 1
    assert "f1" not in room.facts.true
    if move == "goto":
        room.runner.goto(2)
        assert "f1" in room.facts.true
        return
    result = room.runner.step(2) if move == "step" else room.runner.run(2)
    assert [s.number for s in result.steps] == [1, 2]


# Verifying.


def test_verify_looks_at_done_steps_and_leaves_out_what_was_superseded(tmp_path: Path) -> None:
    second = step(2, commands=(command("drop f1\nmake f2"),))
    room = Room(lab(step(1, until="s2"), second, step(3)), tmp_path)
    room.runner.run(None, 1)
    assert verdicts(room.runner.verify().steps[0]) == {"f1": P}
    room.runner.step(2)
    result = room.runner.verify()
    assert [(s.number, verdicts(s)) for s in result.steps] == [(1, {"f1": S}), (2, {"f2": P})]
    assert found(result, "f1").reason == "no longer to be so since step 2 (Step 2)"
    assert result.exit_code == 0


def test_a_superseded_check_holds_up_nobody(tmp_path: Path) -> None:
    first = step(1, checks=(check("f1", until="s2"), check("f0", needs=["f1"])),
                 commands=(command("make f1\nmake f0"),))  # fmt: skip
    room = Room(lab(first, step(2)), tmp_path)
    room.runner.run()
    assert verdicts(room.runner.verify([1]).steps[0]) == {"f1": S, "f0": P}


def test_verify_changes_nothing(room: Room) -> None:
    room.runner.run(None, 3)
    room.facts.true.discard("f2")
    before, typed = set(room.facts.true), list(room.shell.typed)
    assert room.runner.verify().exit_code == EXIT_FAILED
    assert (room.facts.true, room.shell.typed) == (before, typed)
    assert room.done == {"s1", "s2", "s3"}


def test_verify_without_a_lab_says_so(tmp_path: Path) -> None:
    room = Room(lab(step(1)), tmp_path, up=False)
    with pytest.raises(LabAbsent, match="no running lab"):
        room.runner.verify()
    assert room.workspace.ups == 0


def test_verify_before_anything_is_done_passes_and_says_so(room: Room) -> None:
    result = room.runner.verify()
    assert (result.steps, result.exit_code) == ((), 0)
    assert any("No step is done" in line for line in room.listener.heard)


def test_a_step_typed_by_hand_is_accepted_and_recorded(room: Room) -> None:
    room.facts.true.add("f1")
    assert room.runner.verify([1]).verdict is P
    assert room.done == {"s1"}
    assert any("recorded as done" in line for line in room.listener.heard)
    assert room.runner.verify([2]).verdict is F
    assert room.done == {"s1"}


# Truth in bad luck.


@pytest.mark.parametrize("line", ["make f1", "make f2", "drop f3", "drop f2"])
def test_a_kill_at_any_moment_leaves_progress_true(room: Room, line: str) -> None:
    """Whatever is recorded as done holds, and what may be half there is recorded as begun."""
    if line.startswith("drop"):
        room.runner.run(None, 3)
    states = []

    def kill(typed: str) -> None:
        if typed == line:
            states.append(json.loads(room.store.path.read_text()))
            raise SystemExit("killed")

    room.shell.before = kill
    with pytest.raises(SystemExit):
        room.runner.step(2)
    recorded = states[0]
    for done in recorded["done"]:
        assert f"f{done[1:]}" in room.facts.true
    assert [f"s{line[-1]}"] == recorded["begun"]
    room.shell.before = lambda typed: None
    assert room.runner.run().verdict is P
    assert room.facts.true == {"f1", "f2", "f3", "f4"}


def test_another_cluster_means_that_nothing_is_done(room: Room) -> None:
    room.runner.run()
    room.workspace.down()
    room.shell.typed.clear()
    room.runner.step(2)
    assert room.shell.typed == ["make f1", "make f2"]
    assert room.done == {"s1", "s2"}


def test_the_last_step_takes_the_lab_away_and_the_result_stands(tmp_path: Path) -> None:
    room = Room(lab(step(1), last_step(2)), tmp_path)
    result = room.runner.run()
    assert [s.verdict for s in result.steps] == [P, P]
    assert (result.cluster, result.data_plane) == ("cluster-1", "ipvs")
    assert result.steps[1].commands[0].output == "gone\n"
    assert not room.store.done()
    assert room.workspace.ups == 1
    with pytest.raises(LabAbsent):
        room.runner.verify()


class Hours:
    """A clock that only what the test lets take time moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def taking(self, seconds: float, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, which takes so long by this clock."""

        def slow(*arguments: Any) -> Any:
            self.now += seconds
            return act(*arguments)

        return slow


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    made = Hours()
    for module in (wait, stepping, inspection):
        monkeypatch.setattr(module, "time", made)
    return made


def test_time_is_accounted_for(
    tmp_path: Path, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part for itself, whatever of them a run spends the most on."""
    room = Room(lab(step(1, checks=(check("f1", within=30.0),))), tmp_path, up=False)
    room.facts.later["f1"] = 2
    monkeypatch.setattr(room.workspace, "world", hours.taking(3.0, room.workspace.world))
    monkeypatch.setattr(room.facts, "look", hours.taking(0.25, room.facts.look))
    monkeypatch.setattr(
        room.listener, "step_started", hours.taking(1.0, room.listener.step_started)
    )
    room.shell.before = hours.taking(2.0, lambda line: None)
    result = room.runner.run()
    spent = result.timing
    assert (spent.lab, spent.commands, spent.own) == pytest.approx((3.0, 2.0, 1.0))
    # Two looks in vain and a pause after each are waiting; the third would have been needed anyway.
    assert (spent.waiting, spent.checks) == pytest.approx((0.9, 0.25))
    assert result.seconds == pytest.approx(7.15)


def test_looking_that_is_slow_is_not_taken_for_waiting(
    tmp_path: Path, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = one(tmp_path, step(1, checks=(check("f1", within=30.0),)))
    monkeypatch.setattr(room.facts, "look", hours.taking(5.0, room.facts.look))
    spent = room.runner.run().timing
    assert (spent.waiting, spent.checks) == pytest.approx((0.0, 5.0))
