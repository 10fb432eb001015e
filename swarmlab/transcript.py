"""From the bytes that a shell prints to the text that a student reads.

Finds the mark that ends a command, turns bytes into clean lines (progress that overwrites itself
is reduced to its last state, control sequences go), removes secrets, and keeps a bounded amount.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from swarmlab.process import redact

# Kept of one command's output: so much of its beginning and, when there is more, of its end.
HEAD = 64 * 1024
TAIL = 32 * 1024

_RECORD = b"\x1e"
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_END = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_KEY_LINES = 200

# Not being interactive, bash says where in the typed text an error is; typed by hand it does not.
_BASH = re.compile(r"^/dev/stdin: (?:eval: )?line \d+: ")


def clean(line: str) -> str:
    """One line as a dumb terminal would show it in the end, without control characters."""
    line = line.rstrip("\r")
    if "\r" in line:
        line = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    return _BASH.sub("bash: ", _CONTROLS.sub("", _ESCAPES.sub("", line)))


class Transcript:
    """Takes chunks of bytes until the mark; `on_output` gets clean text as it comes.

    When there is more than `HEAD`, the rest is only looked through for the mark and its end kept:
    endless output must not cost more than the time to read it.
    """

    def __init__(self, mark: bytes, on_output: Callable[[str], None] | None) -> None:
        self._own = mark
        self._mark = re.compile(_RECORD + re.escape(mark) + rb" (\d+)" + _RECORD)
        self._longest = len(mark) + 8
        self._on_output = on_output
        self._pending = b""
        self._secret: list[str] = []
        self._kept: list[str] = []
        self._size = 0
        self._dropped = 0
        self._finished = False
        self.exit_code: int | None = None

    def feed(self, chunk: bytes) -> None:
        """Take what the shell printed next; after the mark `exit_code` is set."""
        if self.exit_code is not None:
            return
        searched = max(0, len(self._pending) - self._longest)
        self._pending += chunk
        found = self._mark.search(self._pending, searched)
        if found:
            self.exit_code = int(found.group(1))
            self._pending = self._pending[: found.start()]
        while self._size < HEAD and b"\n" in self._pending:
            line, _, self._pending = self._pending.partition(b"\n")
            self._line(line, "\n")
        if len(self._pending) > 4 * TAIL:
            self._drop()

    def finish(self) -> str:
        """The whole output, once there is no more to come."""
        if not self._finished:
            self._finished = True
            if len(self._pending) > TAIL and (self._dropped or self._size >= HEAD):
                self._drop()
            if self._dropped:
                self._release()
                self._keep(f"[... {self._dropped} bytes are not shown ...]\n")
                self._pending = _without_key_end(self._pending)
            *lines, last = self._pending.split(b"\n")
            for line in lines:
                self._line(line, "\n")
            if last:
                self._line(last, "")
            self._release()
        return "".join(self._kept)

    def _drop(self) -> None:
        """Keep the end of what is pending, from the start of a line where there is one."""
        cut = len(self._pending) - TAIL
        at = self._pending.find(b"\n", cut)
        cut = at + 1 if 0 <= at < len(self._pending) - self._longest else cut
        self._dropped += cut
        self._pending = self._pending[cut:]

    def _line(self, raw: bytes, end: str) -> None:
        # After `set -v` the shell shows what it reads, also what nobody but us has typed.
        if self._own in raw:
            return
        text = clean(raw.decode("utf-8", errors="replace"))
        # A private key spans lines; it is held back until its end, to be seen as one.
        if self._secret or _KEY_BEGIN.search(text):
            self._secret.append(text + end)
            if _KEY_END.search(text) or len(self._secret) > _KEY_LINES:
                self._release()
            return
        self._keep(redact(text) + end)

    def _release(self) -> None:
        held, self._secret = "".join(self._secret), []
        if held:
            self._keep(redact(held))

    def _keep(self, text: str) -> None:
        self._kept.append(text)
        self._size += len(text)
        if self._on_output is not None and text:
            self._on_output(text)


def _without_key_end(tail: bytes) -> bytes:
    """The tail without the rest of a private key whose beginning was dropped."""
    text = tail.decode("latin-1")
    end = _KEY_END.search(text)
    if end and not _KEY_BEGIN.search(text, 0, end.start()):
        return b"[private key removed]" + tail[end.end() :]
    return tail
