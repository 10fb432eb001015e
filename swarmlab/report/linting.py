"""What lint found, on the terminal: one line a problem, as compilers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from swarmlab.console import out

if TYPE_CHECKING:
    from swarmlab.linting import Linted


def linted(found: Linted) -> None:
    """Each problem with its file, line and column, and how many there are."""
    for problem in found.problems:
        # Whole lines, however narrow the window: editors and terminals make them links.
        out().print(Text(f"{found.folder}/{problem}"), soft_wrap=True)
    count = len(found.problems)
    if count:
        out().print(f"{count} problem{'' if count == 1 else 's'}.")
    elif found.lab is not None:
        what = f"{found.lab.id}: {_counted(found.steps, 'step')}, {_counted(found.checks, 'check')}"
        mistakes = _counted(found.mistakes, "mistake")
        out().print(Text(f"{what}, {mistakes}, no problem in the files."), soft_wrap=True)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
