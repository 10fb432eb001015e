"""The one place that sets Rich up: consoles, marks, and progress for long work.

Results go to standard output; progress, notes and errors go to standard error, so that
`swarmlab status --json | jq` works while something is still being said. On a terminal a stage
is a spinner that becomes a line; anywhere else (a pipe, a log, CI) it is plain lines. NO_COLOR
is honoured by Rich; nothing is said by colour alone.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from swarmlab.errors import SwarmlabError, Unheard
from swarmlab.naming import named
from swarmlab.printable import harmless
from swarmlab.progress import Stage
from swarmlab.words import say

# Without a terminal, a stage that goes on repeats what it is doing no more often than this.
PLAIN_SECONDS = 2.0

_plain = False


@cache
def out() -> Console:
    """The console of results: standard output."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """The console of progress, notes and errors: standard error."""
    return _console(stderr=True)


def plain() -> None:
    """From now on redraw nothing and use no colour, also on a terminal: for screen readers."""
    global _plain
    _plain = True
    out.cache_clear()
    err.cache_clear()


def is_plain() -> bool:
    """Whether nothing is to be drawn, because somebody has it read out."""
    return _plain


def _console(*, stderr: bool) -> Console:
    terminal = False if _plain else None
    width = height = None
    if not _plain and (sys.stderr if stderr else sys.stdout).isatty() and _dumb():
        # Rich would take it for one of 80 columns, whatever it has.
        width, height = shutil.get_terminal_size()
    return _Console(
        stderr=stderr,
        highlight=False,
        soft_wrap=False,
        force_terminal=terminal,
        width=width,
        height=height,
    )


def _dumb() -> bool:
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


class _Console(Console):
    """A console whose reader may go away, and which no text that it shows can command."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(harmless(part.text), part.style)

    def on_broken_pipe(self) -> None:
        """Raises Unheard for results; work and clean-up go on where only progress is unheard."""
        self.quiet = True
        deafen(sys.stderr if self.stderr else sys.stdout)
        if not self.stderr:
            raise Unheard


def deafen(stream: TextIO) -> None:
    """Give a stream without a reader somewhere to go: Python writes the rest of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def mark(console: Console, good: bool) -> str:
    """A mark and a word's worth of meaning, in ASCII where the encoding has no more."""
    plain = not (console.encoding or "").lower().startswith("utf")
    if plain:
        return "ok" if good else "FAILED"
    return "✔" if good else "✘"


def aside(line: str) -> None:
    """A whole line for engineers on standard error, secrets removed."""
    from swarmlab.process import redact

    err().print(Text(redact(line), style="dim"), soft_wrap=True)


def show_error(error: SwarmlabError) -> None:
    """What happened, what was seen, what to do next; secrets removed."""
    from swarmlab.process import redact
    from swarmlab.report.wrapping import flowing

    console = err()
    # A log or another program wants whole lines; only a terminal has a width to keep to.
    whole = not console.is_terminal
    head = Text(say("Error: "), style="bold red")
    said = head + Text(redact(named(error.message)))
    console.print(said if whole else flowing(said), soft_wrap=whole)
    if error.evidence:
        for line in redact(error.evidence).splitlines():
            console.print(Text(f"  {line}", style="dim"), soft_wrap=whole)
    if error.hint:
        what_next = Text(say("What next: "), style="bold")
        said = what_next + Text(redact(named(error.hint)))
        console.print(said if whole else flowing(said), soft_wrap=whole)


class ConsoleProgress:
    """Progress on standard error; safe to use from several threads.

    Stages may overlap. The spinner shows the one that spoke last.
    """

    def __init__(self) -> None:
        self._console = err()
        self._lock = threading.Lock()
        self._active: list[_ConsoleStage] = []
        self._status: Status | None = None

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        stage = _ConsoleStage(self, title)
        self._enter(stage)
        good = False
        try:
            yield stage
            good = True
        finally:
            self._leave(stage, good)

    def note(self, text: str) -> None:
        from swarmlab.report.wrapping import flowing

        with self._lock:
            self._console.print(flowing(Text.assemble(("·", "dim"), " ", named(text))))

    def _enter(self, stage: _ConsoleStage) -> None:
        with self._lock:
            self._active.append(stage)
            if self._console.is_terminal:
                self._spin(stage)
            else:
                self._console.print(f"· {escape(stage.title)} ...")

    def _leave(self, stage: _ConsoleStage, good: bool) -> None:
        with self._lock:
            self._active.remove(stage)
            if not self._active and self._status is not None:
                self._status.stop()
                self._status = None
            seconds = time.monotonic() - stage.started
            colour = "green" if good else "red"
            self._console.print(
                f"[{colour}]{mark(self._console, good)}[/{colour}] {escape(stage.title)}"
                f" [dim]{say('{seconds} s', seconds=f'{seconds:.1f}')}[/dim]"
            )
            if self._active and self._console.is_terminal:
                self._spin(self._active[-1])

    def spoke(self, stage: _ConsoleStage) -> None:
        """A stage has something new to say."""
        with self._lock:
            if self._console.is_terminal:
                self._spin(stage)
                return
            now = time.monotonic()
            if now - stage.told >= PLAIN_SECONDS:
                stage.told = now
                self._console.print(f"  {escape(stage.line)}")

    def _spin(self, stage: _ConsoleStage) -> None:
        width = max(20, self._console.width - 4)
        line = Text(stage.line)
        line.truncate(width, overflow="ellipsis")
        text = line.plain
        if self._status is None:
            self._status = self._console.status(escape(text))
            self._status.start()
        else:
            self._status.update(escape(text))


class _ConsoleStage:
    def __init__(self, progress: ConsoleProgress, title: str) -> None:
        self._progress = progress
        self.title = title
        self.text = ""
        self.started = time.monotonic()
        self.told = self.started

    @property
    def line(self) -> str:
        """What it does, and how far it is."""
        if not self.text:
            return self.title
        return say("{what}: {why}", what=self.title, why=self.text)

    def say(self, text: str) -> None:
        from swarmlab.process import redact

        line = redact(" ".join(text.split()))
        if line and line != self.text:
            self.text = line
            self._progress.spoke(self)
