"""The guided tour in a real terminal: what a student sees and types, at several sizes.

`pexpect` is the terminal's other end and `pyte` the screen, so that what counts is what stands
there after all redrawing.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from swarmlab import keyboard, naming
from swarmlab.errors import ClusterProblem
from swarmlab.report.tour import TerminalGuide
from swarmlab.tour import Place
from tests import lab_fakes as fake

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 90
PRESSED_SECONDS = 5
REDRAWN = re.compile(r"\x1b\[[0-9;?]*[A-HJKfhl]")


class Screen:
    """The tour in a terminal of so many rows and columns."""

    def __init__(self, folder: Path, *options: str, rows: int = 24, columns: int = 80) -> None:
        self.folder = folder
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self.raw = ""
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1"}
        environment.pop("COLUMNS", None)
        environment.pop("NO_COLOR", None)
        if "no-colour" in options:
            environment["NO_COLOR"] = "1"
        words = [option for option in options if option != "no-colour"]
        self._tour: Any = pexpect.spawn(
            sys.executable,
            ["-m", "tests.tour_stage", str(folder), *words],
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(rows, columns),
            cwd=ROOT,
            env=environment,
        )

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def read(self) -> None:
        try:
            self._take(self._tour.read_nonblocking(65536, timeout=0.1))
        except pexpect.TIMEOUT:
            return

    def _take(self, text: str) -> None:
        self.raw += text
        self._stream.feed(text)

    def see(self, *wanted: str) -> None:
        """Wait until each of the texts stands on the screen."""
        for text in wanted:
            self.wait(lambda text=text: text in "\n".join(self.lines))  # type: ignore[misc]

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if condition():
                return
            self.read()
        raise AssertionError("\n".join(self.lines))

    def ask(self, keys: str = "") -> None:
        """Send keys, then wait for the next question."""
        before = self.raw.count("Your choice:")
        if keys:
            self._tour.send(keys)
        self.wait(lambda: self.raw.count("Your choice:") > before)

    def send(self, keys: str) -> None:
        self._tour.send(keys)

    def press(self, key: str, wanted: str) -> None:
        """Press a key until the text stands on the screen.

        Keys are none where they come together, as on a busy machine this one and those before it
        may: it is pressed again then. What is pressed too often must do no harm.
        """
        due = time.monotonic()

        def heard() -> bool:
            nonlocal due
            if wanted in "\n".join(self.lines):
                return True
            if time.monotonic() >= due:
                due = time.monotonic() + PRESSED_SECONDS
                self._tour.send(key)
            return False

        self.wait(heard)

    def fact(self, name: str, so: bool = True) -> None:
        path = self.folder / "facts" / name
        path.touch() if so else path.unlink()

    def end(self) -> int | None:
        """Read to the end; the exit code."""
        try:
            while True:
                self._take(self._tour.read_nonblocking(65536, timeout=SECONDS))
        except pexpect.EOF:
            self._tour.close()
            status: int | None = self._tour.exitstatus
            return status

    def close(self) -> None:
        self._tour.close(force=True)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    made: list[Screen] = []

    def start(*options: str, **size: int) -> Screen:
        made.append(Screen(tmp_path, *options, **size))
        return made[-1]

    yield start
    for screen in made:
        screen.close()


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (24, 60), (50, 133)])
def test_a_step_is_read_run_and_proven(
    opened: Callable[..., Screen], rows: int, columns: int
) -> None:
    screen = opened(rows=rows, columns=columns)
    screen.ask()
    screen.see("Step 1 of 3; 0 done", "Read this first.", "Enter or r: run the step")
    assert "And this afterwards." not in "\n".join(screen.lines)
    screen.ask("\r")
    screen.see("$ say hello", "And this afterwards.", "✔ passed   f1 is so", "f1 holds")
    screen.see("Step 1: 1 of 1 checks passed", "Enter or n: go on")
    assert "\n".join(screen.lines).count("Read this first.") == 1
    assert all(len(line) <= columns for line in screen.lines)


def test_a_done_step_can_be_read_and_undoes_nothing_unasked(
    opened: Callable[..., Screen],
) -> None:
    screen = opened()
    screen.ask()
    screen.ask("\r")
    screen.ask("n\r")
    screen.send("t\r")
    screen.see("waiting   first is so")
    screen.fact("first")
    screen.see("✔ passed    first is so")
    screen.fact("f2")
    screen.see("Step 2: 2 of 2 checks passed", "Enter or n: go on")
    screen.ask("b\r")
    screen.see("This step is done.", "Read this first.", "say hello", "And this afterwards.")
    screen.see("r: run it again from its beginning (undoes step 2 too)")
    screen.see("t: type it yourself (undoes step 2 too)")
    for answer in ("\r", "no\r"):
        screen.send("r\r")
        screen.see("This undoes step 2 too.", "Do it? (y for yes, Enter for no)")
        screen.ask(answer)
        assert "Step 1 is reset" not in screen.raw
    screen.send("r\r")
    screen.see("Do it?")
    screen.ask("y\r")
    assert "Step 1 is reset" in screen.raw
    screen.see("Step 1: 1 of 1 checks passed", "r: run it again from its beginning   t:")


def test_the_checks_follow_what_is_typed_elsewhere(opened: Callable[..., Screen]) -> None:
    screen = opened()
    screen.ask()
    screen.ask("\r")
    screen.ask("n\r")
    screen.send("t\r")
    screen.see("waiting   first is so", "waiting   f2 is so", "0 of 2 checks have passed")
    screen.fact("first")
    screen.see("✔ passed    first is so", "1 of 2 checks have passed")
    screen.send("h")
    screen.see("Hint 1 of 3: a nudge", "Think.")
    screen.send("h")
    screen.see("Hint 2 of 3: a pointer", "make f2")
    screen.send("s")
    screen.see("here is a shell")
    screen.fact("first", so=False)  # it was seen, and stays seen
    screen.fact("f2")
    screen.see("Step 2: 2 of 2 checks passed", "Enter or n: go on")
    # What was redrawn is gone: each check stands there once more, as proven.
    assert "\n".join(screen.lines).count("✔ passed   first is so") <= 1
    screen.send("q\r")
    assert screen.end() == 0
    assert "You leave at step 2" in screen.raw


def test_a_small_window_keeps_the_menu_and_what_still_waits(
    opened: Callable[..., Screen],
) -> None:
    screen = opened(rows=8, columns=60)
    screen.ask()
    screen.send("t\r")
    screen.see("waiting   f1 is so", "q: leave")
    assert all(len(line) <= 60 for line in screen.lines)


def test_a_failed_step_can_be_looked_at_again(opened: Callable[..., Screen]) -> None:
    screen = opened()
    screen.ask()
    screen.ask("\r")
    screen.ask("n\r")
    screen.send("t\r")
    screen.see("waiting   first is so")
    screen.send("l")
    screen.see("✘ FAILED", "f2 does not hold")
    screen.fact("f2")
    # Its moment went by unseen, so it takes the student's word that all is typed.
    screen.see("✔ passed    f2 is so")
    screen.send("\r")
    screen.see("Not seen as it went by", "Enter or n: go on")
    screen.ask("n\r")
    screen.see("A --> B")
    assert "leads to" not in screen.raw
    screen.ask("\r")
    screen.see("✘ FAILED", "mend is so", "Enter or r: run it again")
    screen.fact("mend")
    screen.send("\r")
    screen.see("the chapter is done")
    assert screen.end() == 0


@pytest.mark.parametrize(("keys", "code"), [("\x04", 0), ("\x03", 130)])
@pytest.mark.parametrize("typing", [False, True])
def test_the_end_of_input_and_ctrl_c_leave_cleanly(
    opened: Callable[..., Screen], keys: str, code: int, typing: bool
) -> None:
    screen = opened()
    screen.ask()
    if typing:
        screen.send("t\r")
        screen.see("waiting   f1 is so")
    screen.send(keys)
    assert screen.end() == code
    assert "You leave at step 1, Step 1. `swarmlab walk` goes on there." in " ".join(
        screen.raw.replace("\r\n", " ").split()
    )
    assert "Traceback" not in screen.raw
    # The cursor is back, if it was ever hidden.
    assert screen.raw.rfind("\x1b[?25l") <= screen.raw.rfind("\x1b[?25h")


def test_without_colour_nothing_is_lost(opened: Callable[..., Screen]) -> None:
    screen = opened("no-colour")
    screen.ask()
    screen.ask("\r")
    assert "✔ passed" in screen.raw
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", screen.raw)


def test_plain_redraws_nothing_and_says_every_change_in_words(
    opened: Callable[..., Screen],
) -> None:
    screen = opened("--plain")
    screen.ask()
    screen.ask("\r")
    screen.ask("n\r")
    screen.send("t\r")
    screen.see("waiting: first is so", "waiting: f2 is so", "h: hint")
    screen.fact("first")
    screen.see("passed: first is so")
    # A whole word counts, its first letter alone does not, and every line gets an answer.
    screen.send("hello\r")
    screen.see("'hello' is no choice here.")
    screen.send("hint\r")
    screen.see("Hint 1 of 3: a nudge")
    screen.fact("f2")
    screen.see("Step 2: 2 of 2 checks passed")
    screen.ask("quit\r")
    screen.see("'quit' is no choice here")
    screen.ask("n\r")
    screen.see("The third.", "Picture: A leads to B.")
    assert "-->" not in screen.raw
    screen.send("leave\r")
    assert screen.end() == 0
    assert not REDRAWN.search(screen.raw.replace("\x1b[?2004", "")), REDRAWN.findall(screen.raw)
    assert "\x1b[3" not in screen.raw


def test_a_command_in_the_wrong_window_resets_nothing_unasked(
    opened: Callable[..., Screen],
) -> None:
    screen = opened()
    screen.ask()
    screen.send("t\r")
    screen.see("waiting   f1 is so")
    reset = screen.raw.count("Step 1 is reset")
    screen.send("rm -rf *")  # pasted: it comes at once, and is no key
    screen.read()
    for key in "cu":
        screen.send(key)
    screen.press("r", "This undoes what was typed of this step.")
    screen.see("Do it? (y for yes, Enter for no)")
    screen.send("l -s swarm-1\r")
    screen.wait(lambda: screen.raw.rfind("waiting   f1") > screen.raw.rfind("Do it?"))
    assert screen.raw.count("This undoes") == 1 and "Hint" not in screen.raw
    assert screen.raw.count("Step 1 is reset") == reset
    screen.send("r")
    screen.wait(lambda: screen.raw.count("Do it?") == 2)
    screen.send("y\r")
    screen.wait(lambda: screen.raw.count("Step 1 is reset") == reset + 1)


def test_commands_pasted_into_the_menu_choose_nothing(opened: Callable[..., Screen]) -> None:
    screen = opened()
    screen.ask()
    screen.ask("docker ps\r\rdocker ls\r\r")
    screen.see("'docker ps' is no choice here.")
    screen.ask("h\r")
    screen.see("Hint 1 of 1")
    assert "docker ls' is" not in screen.raw and "$ say hello" not in screen.raw


def test_where_keys_can_only_be_waited_for_a_step_can_be_typed_too(
    opened: Callable[..., Screen],
) -> None:
    screen = opened("--no-keys")
    screen.ask()
    screen.ask("t\r")
    screen.see("waiting: f1 is so", "Enter or l: look whether it is done")
    screen.ask("look here\r")
    screen.see("'look here' is no choice here.")
    screen.ask("h\r")
    screen.see("Hint 1 of 1: the solution")
    screen.fact("f1")
    screen.ask("\r")
    screen.see("Step 1: 1 of 1 checks passed", "Enter or n: go on")
    screen.send("q\r")
    assert screen.end() == 0 and "Traceback" not in screen.raw


def test_it_speaks_chinese(opened: Callable[..., Screen]) -> None:
    screen = opened("--lang", "zh")
    screen.wait(lambda: "请选择" in screen.raw)
    screen.send("t\r")
    screen.wait(lambda: "等待中" in screen.raw)
    screen.fact("f1")
    screen.wait(lambda: "继续" in screen.raw)
    assert "Your choice" not in screen.raw and "waiting" not in screen.raw
    screen.send("q\r")
    assert screen.end() == 0


def test_a_silent_lab_is_named_and_only_a_kept_place_is_promised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "_current", "monday")
    guide = TerminalGuide(plain=True)
    why = ClusterProblem("The lab is stopped.", hint="`swarmlab start` starts it again.")
    guide.silent(why)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("The lab is stopped. So the steps are shown as they were recorded.")
    assert said.endswith("`swarmlab start --name monday` starts it again.")
    place = Place(fake.step(5), done=False, begun=False)
    for kept, words in ((True, "walk --name monday"), (False, "walk --from 5 --name monday")):
        guide.leave(place, kept=kept)
        assert f"`swarmlab {words}` goes on there." in " ".join(capsys.readouterr().out.split())


def test_a_burst_is_no_key_and_a_line_counts_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(theirs))

    def type(keys: bytes) -> None:
        os.write(ours, keys)

    with keyboard.Keyboard() as keys:
        for typed, found in ((b"reset", None), (b"r", "r"), (b"\n", ""), (b"\x1b[A", None)):
            assert keys.pressed() is None
            type(typed)
            assert select.select([theirs], [], [], SECONDS)[0]
            assert keys.pressed() == found
        type(b"q")
        # What is typed passes the terminal a moment later: only what is there can be forgotten.
        assert select.select([theirs], [], [], SECONDS)[0]
    with keyboard.Keyboard(lines=True) as lines:
        type(b"Leave it\nh\n")
        assert select.select([theirs], [], [], SECONDS)[0]
        assert lines.pressed() == "leave it"
        keyboard.forget()
        assert lines.pressed() is None
    os.close(ours)
