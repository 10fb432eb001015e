"""A guided tour on the terminal: text, menus, hints, and the checks of a step being typed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from swarmlab import keyboard
from swarmlab.console import out, show_error
from swarmlab.errors import SwarmlabError
from swarmlab.hints import Hint, Tier
from swarmlab.listener import Listener
from swarmlab.model import Command, Lab, Step
from swarmlab.naming import named
from swarmlab.onlooker import Onlooker
from swarmlab.report import pieces, text
from swarmlab.report.board import Board, LiveBoard, PlainBoard
from swarmlab.report.live import LiveListener
from swarmlab.results import StepResult, Verdict
from swarmlab.tour import Choice, Place
from swarmlab.wait import Observation, poll
from swarmlab.words import later, say

# The letter of each choice, and what it does.
MENU = {
    Choice.RUN: ("r", later("run the step")),
    Choice.ON: ("n", later("go on")),
    Choice.AGAIN: ("r", later("run it again from its beginning")),
    Choice.TYPE: ("t", later("type it yourself")),
    Choice.HINT: ("h", later("hint")),
    Choice.SHELL: ("s", later("shell")),
    Choice.BACK: ("b", later("back")),
    Choice.LEAVE: ("q", later("leave")),
    Choice.LOOK: ("l", later("look whether it is done")),
    Choice.RESET: ("r", later("reset")),
    Choice.MENU: ("m", later("menu")),
}
TIERS = {
    Tier.NUDGE: later("a nudge"),
    Tier.POINTER: later("a pointer"),
    Tier.SOLUTION: later("the solution"),
}
_KEY_SECONDS = 0.1
_FOREVER = float("inf")


class TourListener(LiveListener):
    """Shows a step while it runs, without the part of its text that was shown before."""

    def __init__(self, step: Step, taken: Callable[[Step], int], console: Console) -> None:
        super().__init__(step.number, console)
        self._taken = taken

    def step_started(self, step: Step) -> None:
        super().step_started(step)
        if step.number == self._full_step:
            read = self._taken(step)
            next(islice(self._parts, read, read), None)


class TerminalGuide:
    """Implements `swarmlab.tour.Guide`; `plain` redraws nothing and asks for whole lines."""

    def __init__(self, *, plain: bool) -> None:
        self._console = out()
        self._plain = plain
        # How many parts of which step's text the student has just read.
        self._read = ("", 0)

    def silent(self, why: SwarmlabError) -> None:
        self._show("")
        self._show(named(why.message))
        recorded = say(
            "So the steps are shown as they were recorded. What you run or type brings the lab back"
            " first."
        )
        self._show(recorded)
        if why.hint:
            self._show(named(why.hint))

    def arrive(self, lab: Lab, place: Place, done: int) -> None:
        step = place.step
        self._show("")
        where = say(
            "Step {number} of {all}; {done} done",
            number=step.number,
            all=lab.steps[-1].number,
            done=done,
        )
        self._dim(where)
        text.heading(self._console, step)
        self._read = (step.id, 0)
        if place.done:
            # Whoever comes back to it wants to read it again, and not to do it again.
            self._show(say("This step is done."))
            self._to_type(text.parts(step))
            return
        if place.begun:
            self._show(say("This step was begun and is not done."))
        shown = 0
        for part in text.parts(step):
            if isinstance(part, Command):
                break
            self._show("")
            text.passage(self._console, part)
            shown += 1
        self._read = (step.id, shown)

    def ask(self, place: Place, choices: Sequence[Choice]) -> Choice:
        self._show("")
        while True:
            for words in menu(choices, self._console.width, self._plain, place):
                self._show(words)
            answer = self._answer(say("Your choice: "))
            found = chosen(answer, choices)
            if found is not None:
                return found
            self._unknown(answer)

    def sure(self, numbers: Sequence[int]) -> bool:
        first, last = (numbers[0], numbers[-1]) if numbers else (0, 0)
        if not numbers:
            words = say("This undoes what was typed of this step.")
        elif first == last:
            words = say("This undoes step {number} too.", number=first)
        else:
            words = say("This undoes steps {first} to {last} too.", first=first, last=last)
        self._show(words)
        answer = self._answer(say("Do it? (y for yes, Enter for no) ")).lower()
        return answer in ("y", "yes", say("yes"))

    def listener(self, step: Step) -> Listener:
        return TourListener(step, self._taken, self._console)

    def hint(self, hint: Hint) -> None:
        self._show("")
        head = say(
            "Hint {number} of {count}: {tier}",
            number=hint.number,
            count=hint.count,
            tier=say(TIERS[hint.tier]),
        )
        pieces.show(self._console, Text(head, style="bold"))
        if hint.text:
            text.prose(self._console, hint.text)
        for check in hint.failing:
            pieces.evidence(self._console, check)
        for command in hint.commands:
            self._show("")
            pieces.to_type(self._console, command)

    def type_now(self, step: Step, *, again: bool) -> None:
        if not again:
            self._to_type(islice(text.parts(step), self._taken(step), None))
        self._show("")
        where = say(
            "Type in another terminal, in `swarmlab shell`, one command after the other; the "
            "checks below follow what you do."
        )
        self._show(named(where))

    def watch(self, onlooker: Onlooker, choices: Sequence[Choice]) -> Choice | None:
        foot = menu(choices, self._console.width, self._plain)
        if not keyboard.usable():
            return self._asked(onlooker, choices, foot)
        board: Board = (PlainBoard if self._plain else LiveBoard)(self._console, foot)
        with keyboard.Keyboard(lines=self._plain) as keys, board:

            def look() -> Observation[Choice]:
                board.show(onlooker.rows)
                key = keys.pressed()
                choice = None if key is None else chosen(key, choices)
                if key is not None and choice is None and self._plain:
                    # A line was given, and whoever does not see the menu waits for an answer.
                    self._unknown(key)
                return Observation(choice is not None or onlooker.proven, "", choice)

            return poll(look, within=_FOREVER, every=_KEY_SECONDS).last.value

    def _asked(self, onlooker: Onlooker, choices: Sequence[Choice], foot: Sequence[str]) -> Choice:
        """The same where keys can only be waited for: the checks as they are, then a question."""
        with PlainBoard(self._console, foot) as board:
            while True:
                board.show(onlooker.rows)
                answer = self._answer(say("Your choice: "))
                choice = chosen(answer, choices)
                if choice is not None:
                    return choice
                self._unknown(answer)

    def proof(self, onlooker: Onlooker, result: StepResult) -> None:
        moments = [r.result for r in onlooker.rows if r.over and r.result is not None]
        for moment in moments:
            pieces.check_line(self._console, moment)
        unseen = [command.id for command in onlooker.unseen]
        if unseen and result.verdict is Verdict.PASSED:
            words = say(
                "Not seen as it went by, which is no fault: what follows {commands}.",
                commands=say(", ").join(unseen),
            )
            self._dim(words)
        for check in result.checks:
            pieces.check_line(self._console, check)
            pieces.seen(self._console, check)
        pieces.step_end(self._console, replace(result, checks=(*moments, *result.checks)))

    def trouble(self, error: SwarmlabError) -> None:
        show_error(error)

    def leave(self, place: Place | None, *, kept: bool = False) -> None:
        self._show("")
        if place is None:
            self._show(say("That was the last step: the chapter is done."))
            return
        back = "" if kept else f" --from {place.step.number}"
        words = say(
            "You leave at step {number}, {title}. `swarmlab walk{back}` goes on there.",
            number=place.step.number,
            title=place.step.title,
            back=back,
        )
        self._show(named(words))

    def _unknown(self, answer: str) -> None:
        # What was pasted into the wrong window has more lines, and empty ones would choose.
        keyboard.forget()
        self._show(say("{answer!r} is no choice here.", answer=answer))

    def _to_type(self, parts: Iterable[text.Part]) -> None:
        """Text as it is read, with its commands as they are typed."""
        for part in parts:
            self._show("")
            if isinstance(part, Command):
                pieces.to_type(self._console, part)
            else:
                text.passage(self._console, part)

    def _taken(self, step: Step) -> int:
        """How much of the step's text need not be shown again, this once."""
        known, shown = self._read
        self._read = ("", 0)
        return shown if known == step.id else 0

    def _answer(self, question: str) -> str:
        # Printed by us: what input() prints goes to the error output on some systems.
        self._console.file.write(question)
        self._console.file.flush()
        try:
            return input().strip()
        except (EOFError, KeyboardInterrupt):
            with contextlib.suppress(OSError):
                self._console.file.write("\n")
            raise

    def _show(self, words: str) -> None:
        pieces.show(self._console, Text(words))

    def _dim(self, words: str) -> None:
        pieces.show(self._console, Text(words, style="dim"))


def menu(
    choices: Sequence[Choice], width: int, plain: bool, place: Place | None = None
) -> list[str]:
    """The choices in as few lines as the width allows; one a line where `plain`.

    With a `place` each says which later steps it undoes.
    """
    items = []
    for number, choice in enumerate(choices):
        letter, word = MENU[choice]
        what = say(word)
        if undone := place.undone_by(choice) if place else ():
            first, last = undone[0], undone[-1]
            if first == last:
                what = say("{what} (undoes step {number} too)", what=what, number=first)
            else:
                what = say(
                    "{what} (undoes steps {first} to {last} too)", what=what, first=first, last=last
                )
        key = say("Enter or {letter}", letter=letter) if number == 0 else letter
        items.append(say("{key}: {what}", key=key, what=what))
    if plain:
        return items
    lines = [""]
    for item in items:
        longer = f"{lines[-1]}   {item}" if lines[-1] else item
        if lines[-1] and cell_len(longer) >= width:
            lines.append(item)
        else:
            lines[-1] = longer
    return lines


def chosen(answer: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that an answer means: Enter the first, else a letter or the whole word."""
    if not answer:
        return choices[0]
    low = answer.lower()
    for choice in choices:
        letter, what = MENU[choice]
        if low in (letter, choice.value, what, say(what)):
            return choice
    return None
