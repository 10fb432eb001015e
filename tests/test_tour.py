"""The guided tour: choices, places, hints, and looking on, with a guide that follows a script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from swarmlab.errors import SwarmlabError, UsageError
from swarmlab.hints import Hint, Hints, Tier
from swarmlab.listener import Listener, SilentListener
from swarmlab.loader import load_builtin
from swarmlab.loading.languages import localized, tags
from swarmlab.model import Lab, Step
from swarmlab.onlooker import Onlooker
from swarmlab.results import CheckResult, StepResult, Verdict
from swarmlab.student import ProgressStore
from swarmlab.tour import Choice, Place, Tour
from tests import lab_fakes as fake
from tests.tour_stage import FactHands

RUN, ON, AGAIN, TYPE, LOOK = Choice.RUN, Choice.ON, Choice.AGAIN, Choice.TYPE, Choice.LOOK
HINT, SHELL, BACK, LEAVE, MENU = Choice.HINT, Choice.SHELL, Choice.BACK, Choice.LEAVE, Choice.MENU


class Script:
    """A guide that chooses what it is told to, one after the other, then the end of input."""

    def __init__(self, *choices: Choice | type[BaseException]) -> None:
        self._choices = list(choices)
        self.heard: list[str] = []
        self.kept: bool | None = None
        self.hints: list[Hint] = []
        self.offered: list[Sequence[Choice]] = []
        self.asked: list[Sequence[int]] = []
        self.answers: list[bool] = []

    def silent(self, why: SwarmlabError) -> None:
        self.heard.append(f"silent {why.message}")

    def arrive(self, lab: Lab, place: Place, done: int) -> None:
        state = "done" if place.done else "begun" if place.begun else "new"
        self.heard.append(f"at {place.step.number} {state}")

    def ask(self, place: Place, choices: Sequence[Choice]) -> Choice:
        self.offered.append(choices)
        return self._next()

    def _next(self) -> Choice:
        if not self._choices:
            raise EOFError
        found = self._choices.pop(0)
        if isinstance(found, Choice):
            return found
        raise found

    def sure(self, numbers: Sequence[int]) -> bool:
        self.asked.append(numbers)
        return self.answers.pop(0)

    def listener(self, step: Step) -> Listener:
        return SilentListener()

    def hint(self, hint: Hint) -> None:
        self.hints.append(hint)

    def type_now(self, step: Step, *, again: bool) -> None:
        self.heard.append("type again" if again else "type")

    def watch(self, onlooker: Onlooker, choices: Sequence[Choice]) -> Choice | None:
        return self._next()

    def proof(self, onlooker: Onlooker, result: StepResult) -> None:
        self.heard.append(f"proof {result.verdict.value}")

    def trouble(self, error: SwarmlabError) -> None:
        self.heard.append(f"trouble {error.message}")

    def leave(self, place: Place | None, *, kept: bool = False) -> None:
        self.kept = kept
        self.heard.append(f"leave {place.step.number}" if place else "the end")


class Stage:
    """A tour through a lab of facts; each walk is a new one, as after leaving."""

    def __init__(self, folder: Path, *steps: Step) -> None:
        self.room = fake.Room(fake.lab(*(steps or map(fake.step, (1, 2, 3)))), folder)
        self.hands = FactHands(self.room)

    def walk(self, *choices: Choice | type[BaseException], first: int | None = None) -> Script:
        guide = Script(*choices)
        Tour(self.room.lab, self.hands, guide).walk(first)
        return guide


def test_it_leads_from_step_to_step_to_the_end(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    guide = stage.walk(RUN, ON, RUN, ON, RUN)
    assert guide.heard == ["at 1 new", "at 2 new", "at 3 new", "the end"]
    assert stage.room.done == {"s1", "s2", "s3"}


def test_whoever_leaves_comes_back_to_the_same_place(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert stage.walk(RUN, ON, RUN, LEAVE).heard[-1] == "leave 2"
    assert stage.walk(LEAVE).heard == ["at 2 done", "leave 2"]
    assert stage.walk(BACK, LEAVE).heard == ["at 2 done", "at 1 done", "leave 1"]
    assert stage.walk().heard == ["at 1 done", "leave 1"]  # the end of input leaves, too
    assert stage.walk(LEAVE, first=3).heard == ["at 3 new", "leave 3"]


@pytest.mark.parametrize("choice", [AGAIN, TYPE])
def test_what_undoes_later_steps_asks_first(tmp_path: Path, choice: Choice) -> None:
    stage = Stage(tmp_path)
    stage.walk(RUN, ON, RUN, ON, BACK, BACK, LEAVE)
    guide = Script(choice, LEAVE)
    guide.answers = [False]
    Tour(stage.room.lab, stage.hands, guide).walk()
    assert guide.asked == [(2,)] and stage.room.done == {"s1", "s2"}
    guide = Script(choice, LEAVE)
    guide.answers = [True]
    Tour(stage.room.lab, stage.hands, guide).walk()
    assert "s2" not in stage.room.done


def test_a_reset_while_typing_asks_first_too(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.walk(RUN, ON, RUN, LEAVE)
    stage.room.store.begin(stage.room.workspace.cluster_id, "s1")
    guide = Script(TYPE, Choice.RESET, Choice.RESET, LEAVE)
    guide.answers = [False, True]
    Tour(stage.room.lab, stage.hands, guide).walk(1)
    # What is begun stays when it is typed: only the resets undo the step after it.
    assert guide.asked == [(2,), (2,)]
    assert guide.heard.count("type again") == 1 and "s2" not in stage.room.done


def test_a_reset_while_typing_asks_also_where_nothing_follows(tmp_path: Path) -> None:
    """Its key may be a letter of a command that was typed into the wrong window."""
    stage = Stage(tmp_path)
    guide = Script(TYPE, Choice.RESET, LEAVE)
    guide.answers = [False]
    Tour(stage.room.lab, stage.hands, guide).walk()
    assert guide.asked == [()] and "type again" not in guide.heard


def test_what_another_terminal_has_done_meanwhile_is_asked_about(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.walk(RUN, LEAVE)

    class Meanwhile(Script):
        def ask(self, place: Place, choices: Sequence[Choice]) -> Choice:
            if not self.offered:
                stage.room.runner.run(2, 3)
            return super().ask(place, choices)

    guide = Meanwhile(AGAIN, LEAVE)
    guide.answers = [False]
    Tour(stage.room.lab, stage.hands, guide).walk()
    assert guide.asked == [(2, 3)] and stage.room.done == {"s1", "s2", "s3"}


def test_a_place_is_kept_before_there_is_a_lab(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.room.workspace.down()
    guide = stage.walk(LEAVE, first=2)
    assert guide.heard == ["at 2 new", "leave 2"] and guide.kept
    assert stage.walk(LEAVE).heard == ["at 2 new", "leave 2"]
    stage.room.workspace.world()
    assert stage.walk(LEAVE).heard == ["at 2 new", "leave 2"]


def test_a_place_that_is_not_kept_is_not_promised(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.walk(RUN, LEAVE)
    stage.room.workspace.down()  # behind swarmlab's back, or it is on another engine
    guide = stage.walk(LEAVE, first=2)
    assert guide.heard == ["at 2 new", "leave 2"] and guide.kept is False
    assert stage.room.store.done() == {"s1"}


def test_ctrl_c_says_where_it_goes_on_and_is_passed_on(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    guide = Script(RUN, ON, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        Tour(stage.room.lab, stage.hands, guide).walk()
    assert guide.heard[-1] == "leave 2"
    assert stage.walk().heard[0] == "at 2 new"


def test_a_new_cluster_begins_anew(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.walk(RUN, ON, RUN, LEAVE)
    stage.room.workspace.down()
    stage.room.workspace.world()
    assert stage.walk().heard == ["at 1 new", "leave 1"]


def test_a_step_that_fails_offers_no_way_on(tmp_path: Path) -> None:
    stage = Stage(tmp_path, fake.step(1, commands=(fake.command("fail 3"),)), fake.step(2))
    guide = stage.walk(RUN, LEAVE)
    assert guide.offered[0][0] is RUN and BACK not in guide.offered[0]
    assert guide.offered[1][0] is AGAIN and ON not in guide.offered[1]
    assert stage.walk().heard == ["at 1 begun", "leave 1"]


def test_what_goes_wrong_is_said_and_the_tour_goes_on(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    guide = stage.walk(SHELL, SHELL, RUN, LEAVE)
    assert guide.heard == ["at 1 new", "trouble the workstation is gone", "leave 1"]
    assert stage.room.done == {"s1"}


def test_a_step_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Stage(tmp_path).walk(first=9)


def test_hints_give_away_more_each_time_and_use_what_fails(tmp_path: Path) -> None:
    step = fake.step(1, commands=(fake.command("fail 3"),), nudge="Think.", pointer="Use it.")
    guide = Stage(tmp_path, step).walk(HINT, RUN, HINT, HINT, HINT, LEAVE)
    tiers = [(hint.tier, hint.number, hint.count) for hint in guide.hints]
    solution = (Tier.SOLUTION, 3, 3)
    assert tiers == [(Tier.NUDGE, 1, 3), (Tier.POINTER, 2, 3), solution, solution]
    nudge, pointer, end, _ = guide.hints
    assert nudge.text == "Think." and nudge.failing == () and nudge.commands == ()
    assert [check.hint for check in pointer.failing] == ["make f1"]
    assert end.commands == step.commands


def test_hints_of_a_lab_without_any_are_its_commands() -> None:
    hints = Hints(fake.step(1))
    found = hints.next([CheckResult("f", "F", "c", Verdict.FAILED, hint="do f")])
    assert (found.tier, found.number, found.count) == (Tier.SOLUTION, 1, 1)
    assert [check.id for check in found.failing] == ["f"]


@pytest.mark.parametrize("language", tags(load_builtin("service-discovery").folder))
def test_every_step_of_the_chapter_has_a_nudge_and_a_pointer(language: str) -> None:
    lab = localized(load_builtin("service-discovery"), language)
    for step in lab.steps:
        assert step.nudge and step.pointer and step.nudge != step.pointer
        # A nudge gives nothing away.
        assert not any(command.run.strip() in step.nudge for command in step.commands)


def test_what_is_typed_by_hand_is_proven_and_counts(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.walk(RUN, LEAVE)

    class Typist(Script):
        def watch(self, onlooker: Onlooker, choices: Sequence[Choice]) -> Choice | None:
            assert fake.soon(lambda: bool(onlooker.results)) and not onlooker.proven
            stage.room.facts.true.add("f2")
            assert fake.soon(lambda: onlooker.proven)
            return None

    guide = Typist(ON, TYPE, LEAVE)
    Tour(stage.room.lab, stage.hands, guide).walk()
    assert guide.heard == ["at 1 done", "at 2 new", "type", "proof passed", "leave 2"]
    assert stage.room.done == {"s1", "s2"}


def test_a_look_too_early_says_so_and_goes_on_looking(tmp_path: Path) -> None:
    guide = Stage(tmp_path).walk(TYPE, LOOK, LOOK, MENU, LEAVE)
    assert guide.heard == ["at 1 new", "type", "proof failed", "proof failed", "leave 1"]


def test_what_was_typed_half_stays_until_it_is_reset(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.walk(TYPE, LEAVE)
    stage.room.facts.true.add("half")
    typed = list(stage.room.shell.typed)
    assert stage.walk(TYPE, LEAVE).heard == ["at 1 begun", "type", "leave 1"]
    assert stage.room.shell.typed == typed
    guide = Script(TYPE, Choice.RESET, LEAVE)
    guide.answers = [True]
    Tour(stage.room.lab, stage.hands, guide).walk()
    assert guide.heard == ["at 1 begun", "type", "type again", "leave 1"]
    assert stage.room.shell.typed == [*typed, "drop f1"]


def test_a_tour_in_the_middle_of_typing_ends_with_the_input(tmp_path: Path) -> None:
    assert Stage(tmp_path).walk(TYPE).heard == ["at 1 new", "type", "leave 1"]


def test_the_place_survives_what_else_is_written_down(tmp_path: Path) -> None:
    store = ProgressStore("default", tmp_path)
    store.stay("c", "s2")
    store.begin("c", "s1")
    store.finish("c", "s1")
    store.undo("c", "s1")
    assert store.load("c").place == "s2"
    assert store.load("other").place == ""
    store.path.write_text('{"version": 1, "cluster": "c", "done": ["s1"], "begun": [], "place": 7}')
    assert store.load("c").place == "" and store.load("c").done == {"s1"}
