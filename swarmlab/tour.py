"""The chapter as a guided tour: where the student is, what can be chosen there, what that does.

Knows no terminal and no engine: a `Guide` shows and asks, `Hands` do. The place is written down
whenever it changes, so that whoever leaves, however, comes back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from swarmlab.byhand import proven
from swarmlab.errors import SwarmlabError, UsageError
from swarmlab.hints import Hint, Hints
from swarmlab.listener import Listener
from swarmlab.model import Lab, Step
from swarmlab.onlooker import Onlooker
from swarmlab.results import RunResult, StepResult
from swarmlab.words import say


class Choice(Enum):
    """What a student can choose."""

    RUN = "run"
    ON = "on"
    AGAIN = "again"
    TYPE = "type"
    HINT = "hint"
    SHELL = "shell"
    BACK = "back"
    LEAVE = "leave"
    # While a step is being typed.
    LOOK = "look"
    RESET = "reset"
    MENU = "menu"


@dataclass(frozen=True)
class Place:
    """Where the student stands: at a step, which is done or was begun, or neither.

    `later` are the numbers of the steps after it that are done or begun: done anew, it undoes them.
    """

    step: Step
    done: bool
    begun: bool
    later: tuple[int, ...] = ()

    def undone_by(self, choice: Choice) -> tuple[int, ...]:
        """The numbers of the later steps that the choice undoes."""
        stays = choice is Choice.TYPE and self.begun
        anew = choice in (Choice.RUN, Choice.AGAIN, Choice.TYPE, Choice.RESET)
        return self.later if anew and not stays else ()


class Hands(Protocol):
    """What a tour does to the lab. Everything here raises SwarmlabError."""

    def silence(self) -> SwarmlabError | None:
        """Why a lab that is there does not say which it is: it is stopped, or no manager answers.

        As long as it does not, what is recorded is taken for what is so.
        """

    def wake(self) -> None:
        """Ask the lab again which it is.

        One that does not say, and on which anything was done, is started; it is not made anew.
        """

    def place(self) -> str:
        """The id of the step at which the student left, or empty."""

    def stay(self, step: Step) -> None:
        """Write down that the student is at this step, where that will be found again."""

    def done(self) -> frozenset[str]:
        """Ids of the steps that are done."""

    def begun(self) -> frozenset[str]:
        """Ids of the steps that were begun."""

    def run(self, step: Step, listener: Listener) -> RunResult:
        """Run the step, anew when it was done."""

    def prepare(self, step: Step, listener: Listener, *, anew: bool) -> bool:
        """Bring the lab to the state before the step, for someone who types it.

        Without `anew` a step that was begun is left as it is. False when an earlier step that
        had to be run along failed.
        """

    def watching(self, step: Step) -> AbstractContextManager[Onlooker]:
        """Look on while the step is typed."""

    def prove(self, onlooker: Onlooker, listener: Listener) -> RunResult:
        """Look at the step's own checks once and record it as done when all pass."""

    def shell(self) -> None:
        """Lend the terminal to the workstation until the student comes back."""


class Guide(Protocol):
    """What a tour shows and asks. `ask` and `watch` raise EOFError at the end of input."""

    def silent(self, why: SwarmlabError) -> None:
        """The lab does not answer, and what is shown is what was recorded."""

    def arrive(self, lab: Lab, place: Place, done: int) -> None:
        """The student comes to a step; `done` steps of the lab are done."""

    def ask(self, place: Place, choices: Sequence[Choice]) -> Choice:
        """Wait for a choice; the first is that of whoever just presses Enter."""

    def sure(self, numbers: Sequence[int]) -> bool:
        """Whether the student wants to undo these later steps; none: what is typed of this one.

        Raises EOFError at the end of input.
        """

    def listener(self, step: Step) -> Listener:
        """Who shows a step while it runs."""

    def hint(self, hint: Hint) -> None:
        """Show a hint."""

    def type_now(self, step: Step, *, again: bool) -> None:
        """Show what is to be typed, and where; `again` after a reset or a menu."""

    def watch(self, onlooker: Onlooker, choices: Sequence[Choice]) -> Choice | None:
        """Show the checks until the student chooses something or the step is proven (None)."""

    def proof(self, onlooker: Onlooker, result: StepResult) -> None:
        """What the look at a typed step found, and which moments were seen before."""

    def trouble(self, error: SwarmlabError) -> None:
        """Something could not be done; the tour goes on."""

    def leave(self, place: Place | None, *, kept: bool = False) -> None:
        """The student leaves; without a place the tour is over.

        `kept`: the place is written down, so that the next tour begins there.
        """


class Tour:
    """One student's way through `lab`."""

    def __init__(self, lab: Lab, hands: Hands, guide: Guide) -> None:
        self._lab = lab
        self._hands = hands
        self._guide = guide

    def walk(self, first: int | None = None) -> None:
        """Lead from step number `first`, or from where the student left, until they leave.

        Raises UsageError for a step that there is not, SwarmlabError when the lab cannot be
        looked at at all, KeyboardInterrupt after having said where the tour goes on.
        """
        index: int | None = self._begin(first)
        silence = self._hands.silence()
        if silence is not None:
            self._guide.silent(silence)
        while index is not None and index < len(self._lab.steps):
            step = self._lab.steps[index]
            try:
                index = self._at(index)
            except EOFError:
                index = None
            except KeyboardInterrupt:
                self._leave(step)
                raise
            if index is None:
                self._leave(step)
        if index is not None:
            self._guide.leave(None)

    def _leave(self, step: Step) -> None:
        self._guide.leave(self._place(step, None), kept=self._hands.place() == step.id)

    def _begin(self, first: int | None) -> int:
        ids = [step.id for step in self._lab.steps]
        if first is not None:
            step = self._lab.find(first)
            if step is None:
                raise UsageError(
                    say("There is no step {number} in {lab}.", number=first, lab=self._lab.id),
                    hint=say("`swarmlab steps` lists them."),
                )
            return ids.index(step.id)
        left = self._hands.place()
        if left in ids:
            return ids.index(left)
        done = self._hands.done()
        return next((at for at, one in enumerate(ids) if one not in done), len(ids) - 1)

    def _place(self, step: Step, result: StepResult | None) -> Place:
        shown = result is not None and proven(result)
        done = shown or step.id in self._hands.done()
        begun = self._hands.begun()
        touched = begun | self._hands.done()
        after = self._lab.steps[self._lab.steps.index(step) + 1 :]
        later = tuple(one.number for one in after if one.id in touched)
        return Place(step, done, not done and step.id in begun, later)

    def _sure(self, place: Place, choice: Choice, seen: StepResult | None) -> bool:
        """Whether the student wants what the choice undoes, as shown and as it is by now.

        Meanwhile other terminals may have done more, and a lab that did not answer may not be the
        one on record. A reset is always asked about: its key may have been typed into the wrong
        window.
        """
        shown = place.undone_by(choice)
        if (shown or choice is Choice.RESET) and not self._guide.sure(shown):
            return False
        self._hands.wake()
        now = self._place(place.step, seen).undone_by(choice)
        return set(now) <= set(shown) or self._guide.sure(now)

    def _at(self, index: int) -> int | None:
        """Be at a step until the student goes on (its index), or leaves (None)."""
        step = self._lab.steps[index]
        hints = Hints(step)
        seen: StepResult | None = None
        self._hands.stay(step)
        place = self._place(step, None)
        self._guide.arrive(self._lab, place, len(self._hands.done()))
        while True:
            choice = self._guide.ask(place, self._choices(index, place))
            try:
                if choice is Choice.LEAVE:
                    return None
                if choice is Choice.BACK:
                    return index - 1
                if choice is Choice.ON:
                    return index + 1
                if choice is Choice.HINT:
                    self._guide.hint(hints.next(seen.checks if seen else ()))
                elif choice is Choice.SHELL:
                    self._hands.shell()
                elif not self._sure(place, choice, seen):
                    pass
                elif choice is Choice.TYPE:
                    seen, left = self._typed(step, hints, place)
                    if left:
                        return None
                else:
                    seen = _last(self._hands.run(step, self._guide.listener(step)))
            except SwarmlabError as error:
                self._guide.trouble(error)
            if seen is not None and proven(seen) and index == len(self._lab.steps) - 1:
                # The last step takes the lab away: nothing is left to go back to.
                return index + 1
            self._hands.stay(step)
            place = self._place(step, seen)

    def _choices(self, index: int, place: Place) -> list[Choice]:
        first = Choice.ON if place.done else Choice.AGAIN if place.begun else Choice.RUN
        choices = [first]
        if first is Choice.ON:
            choices.append(Choice.AGAIN)
        choices.append(Choice.TYPE)
        if not place.done:
            choices.append(Choice.HINT)
        choices.append(Choice.SHELL)
        if index > 0:
            choices.append(Choice.BACK)
        return [*choices, Choice.LEAVE]

    def _typed(self, step: Step, hints: Hints, place: Place) -> tuple[StepResult | None, bool]:
        """Look on while the student types; what was found at last, and whether they leave."""
        anew = place.done
        again = False
        while True:
            listener = self._guide.listener(step)
            if not self._hands.prepare(step, listener, anew=anew):
                return None, False
            with self._hands.watching(step) as onlooker:
                self._guide.type_now(step, again=again)
                found = self._look_on(self._place(step, None), hints, onlooker)
            if found is not Choice.RESET:
                break
            anew = again = True
        if isinstance(found, Choice):
            return None, found is Choice.LEAVE
        return found, False

    def _look_on(self, place: Place, hints: Hints, onlooker: Onlooker) -> StepResult | Choice:
        choices = [
            Choice.LOOK, Choice.HINT, Choice.SHELL, Choice.RESET, Choice.MENU, Choice.LEAVE,
        ]  # fmt: skip
        while True:
            choice = self._guide.watch(onlooker, choices)
            if choice is Choice.RESET and not self._sure(place, choice, None):
                continue
            if choice in (Choice.RESET, Choice.MENU, Choice.LEAVE):
                return choice
            if choice is Choice.HINT:
                self._guide.hint(hints.next(onlooker.results))
            elif choice is Choice.SHELL:
                self._hands.shell()
            else:
                listener = self._guide.listener(place.step)
                found = _last(self._hands.prove(onlooker, listener))
                if found is None:
                    continue
                self._guide.proof(onlooker, found)
                if proven(found):
                    return found


def _last(result: RunResult) -> StepResult | None:
    return result.steps[-1] if result.steps else None
