"""The student's keyboard while something else goes on: asked now and then, never waited for."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from types import TracebackType
from typing import Any

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]


def usable() -> bool:
    """Whether this system's keyboard can be asked without waiting."""
    return termios is not None and sys.stdin.isatty()


def forget() -> None:
    """Drop what was typed ahead, where this system can."""
    if usable():
        with contextlib.suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


class Keyboard:
    """Keys as they are pressed, or whole lines; a context manager.

    With `lines` the terminal stays as it is and each line counts as it is: for screen readers,
    which follow what the terminal itself echoes. Without, a key counts at once and is not shown.
    Only where this system's keyboard is `usable`.
    """

    def __init__(self, *, lines: bool = False) -> None:
        self._lines = lines
        self._fd = sys.stdin.fileno()
        self._before: Any = None
        self._found = False

    def __enter__(self) -> Keyboard:
        if not self._lines:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSANOW)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            # Where no key ended it, what was typed ahead was meant for here and not for what is
            # asked next.
            when = termios.TCSADRAIN if self._found else termios.TCSAFLUSH
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, when, self._before)
            self._before = None

    def pressed(self) -> str | None:
        """The key or the line in small letters, empty for Enter alone; None when there is none.

        Several keys at once are no key but something pasted into the wrong window, and none.
        Raises EOFError at the end of input: Ctrl-D, or a terminal that is gone.
        """
        self._found = False
        if not select.select([self._fd], [], [], 0)[0]:
            return None
        try:
            data = os.read(self._fd, 1024)
        except OSError as error:
            raise EOFError from error
        text = data.decode("utf-8", "replace")
        if not text or text[0] == "\x04":
            raise EOFError
        if text[0] == "\x1b":
            # An arrow or another key that is no letter.
            return None
        text = text.strip().lower()
        if not self._lines and len(text) > 1:
            return None
        self._found = True
        return text
