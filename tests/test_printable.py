"""What is shown commands no terminal, wherever it comes from."""

from __future__ import annotations

import io

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from swarmlab import console
from swarmlab.printable import called, harmless, odd

COMMANDS = ["\x00", "\x07", "\b", "\r", "\x1b[2J", "\x1b]0;pwn\x07", "\x7f", "\x9b2J", "\u202e"]


@pytest.mark.parametrize("text", COMMANDS)
def test_what_a_terminal_obeys_is_found_and_taken_away(text: str) -> None:
    found = odd(f"One{text}")
    assert found is not None
    assert found.start() == 3
    assert called("\x1b") == "U+001B"
    assert odd(harmless(f"One{text} two")) is None
    assert harmless(f"One{text}")[:3] == "One"


@pytest.mark.parametrize(
    "text", ["One\ttwo\nthree", "李安娜，一　二", "é ✔ 😀", "a\u00a0b", "\u200d"]
)
def test_what_is_shown_stays(text: str) -> None:
    assert odd(text) is None
    assert harmless(text) == text


def test_no_console_prints_it() -> None:
    made = console._console(stderr=False)
    made.file = io.StringIO()
    table = Table("Title \x1b[2J")
    table.add_row(Panel(Text("One\x1b[2J\x1b]0;pwn\x07 two")))
    for what in (table, "x\x1b[2Jy", Text("x\x9b2Jy")):
        made.print(what)
    assert odd(made.file.getvalue()) is None
    assert "two" in made.file.getvalue()


def test_colour_of_our_own_stays() -> None:
    file = io.StringIO()
    made = console._Console(file=file, force_terminal=True, color_system="standard", _environ={})
    made.print(Text("passed\x1b[2J", style="green"))
    assert file.getvalue() == "\x1b[32mpassed[2J\x1b[0m\n"
