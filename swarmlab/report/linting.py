"""What lint found, on the terminal: one line a problem, as compilers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from swarmlab.console import out
from swarmlab.words import later, say

if TYPE_CHECKING:
    from swarmlab.linting import Linted


def linted(found: Linted) -> None:
    """Each problem with its file, line and column, and how many there are."""
    for problem in found.problems:
        # Whole lines, however narrow the window: editors and terminals make them links.
        out().print(Text(f"{found.folder}/{problem}"), soft_wrap=True)
    count = len(found.problems)
    if count:
        out().print(say("1 problem.") if count == 1 else say("{count} problems.", count=count))
    elif found.lab is not None:
        text = say(
            "{lab}: {steps}, {checks}, {mistakes}, no problem in the files.",
            lab=found.lab.id,
            steps=_counted(found.steps, say("1 step"), later("{count} steps")),
            checks=_counted(found.checks, say("1 check"), later("{count} checks")),
            mistakes=_counted(found.mistakes, say("1 mistake"), later("{count} mistakes")),
        )
        out().print(Text(text), soft_wrap=True)


def _counted(count: int, one: str, many: str) -> str:
    return one if count == 1 else say(many, count=count)
