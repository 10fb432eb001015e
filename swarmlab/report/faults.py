"""A fault on the terminal: what was done, what to look at, how it is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from swarmlab.console import mark, out
from swarmlab.naming import named, option
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.cluster.fault_tasks import Fault


def fault_made(fault: Fault) -> None:
    """What was done and what comes of it, the commands that show it, the one that undoes it."""
    _show(Text(fault.done, style="bold"))
    if fault.happens:
        _show(Text(fault.happens))
    if fault.look:
        _show(Text(say("Look (docker and curl: in the workstation):")))
        for command in fault.look:
            _show(Text(f"    {_of_this_lab(command)}"))
    if fault.undo:
        _show(Text(say("Undo:")))
        _show(Text(f"    {_of_this_lab(fault.undo)}"))


def healed(done: list[str]) -> None:
    """What was brought back."""
    console = out()
    for line in done:
        _show(Text.assemble((mark(console, True), "green"), f" {line}"))
    if not done:
        _show(Text(say("There was nothing to heal.")))


def _of_this_lab(command: str) -> str:
    return command + option() if command.startswith("swarmlab ") else command


def _show(text: Text) -> None:
    console = out()
    console.print(Text(named(text.plain), text.style) if not text.spans else text)
