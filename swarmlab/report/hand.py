"""Typing by hand: the greeting of a shell, and where a step's commands were put."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from swarmlab.console import err
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.model import Step
from swarmlab.report import pieces
from swarmlab.words import say


def greeting(lab: str) -> None:
    """What a student should know who opens a shell; on standard error, and on a terminal only."""
    if not err().is_terminal:
        return
    first = say("The workstation of the lab {lab!r}. Ctrl-D or `exit` leaves it.", lab=lab)
    second = say(
        "`docker-machine ls` lists the nodes; `eval $(docker-machine env swarm-1)` points docker "
        "at one, and the prompt names it."
    )
    for line in (first, second):
        pieces.show(err(), Text(line, style="dim"))


def unwritten(target: Path) -> None:
    """Raises UsageError for a file that is there: nothing is written over."""
    if target.is_file():
        raise UsageError(say("{path} exists already.", path=target), hint=say("Name another file."))


def drawn(target: Path) -> None:
    """Say where the drawing is."""
    pieces.show(err(), Text(say("The drawing is in {path}.", path=target)))


def written(target: Path, text: str) -> None:
    """Write the commands to a new file, and say so. Raises UsageError, EnvironmentProblem."""
    unwritten(target)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(
            say("{path} cannot be written: {reason}.", path=target, reason=error.strerror or error),
            hint=say("Name another file, or leave --out away to print the commands."),
        ) from error
    pieces.show(err(), Text(say("The commands are in {path}.", path=target)))


def copied(step: Step, tool: str) -> None:
    """Say where the commands are now."""
    words = say(
        "The commands of step {number} are in the clipboard ({tool}).",
        number=step.number,
        tool=tool,
    )
    pieces.show(err(), Text(words))
