"""The checks of a step while somebody types it: redrawn on a terminal, or told one by one."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from swarmlab.onlooker import Row
from swarmlab.report import pieces
from swarmlab.results import Verdict
from swarmlab.words import say


class Board(Protocol):
    """A context manager that shows rows."""

    def __enter__(self) -> Board: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, rows: Sequence[Row]) -> None:
        """The checks as they stand now."""


class LiveBoard:
    """All checks, a line each, redrawn when something changes; `foot` is the menu below them.

    What does not fit into the window is left out from the top, beginning with what has passed,
    and counted.
    """

    def __init__(self, console: Console, foot: Sequence[str]) -> None:
        self._console = console
        self._foot = list(foot)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._drawn: tuple[object, ...] = ()

    def __enter__(self) -> LiveBoard:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, rows: Sequence[Row]) -> None:
        width, height = self._console.size
        lines = [line(row) for row in rows]
        room = max(3, height - len(self._foot) - 3)
        hidden = 0
        for at in sorted(range(len(rows)), key=lambda at: (not rows[at].passed, at)):
            if len(lines) - hidden <= room - (hidden > 0):
                break
            hidden += 1
            lines[at] = Text()
        passed = sum(row.passed for row in rows)
        head = say("{passed} of {count} checks have passed", passed=passed, count=len(rows))
        shown = [Text(head, style="bold"), *(one for one in lines if one.plain)]
        if hidden:
            more = say("... {count} lines more: make the window higher", count=hidden)
            shown.append(Text(f"  {more}", style="dim"))
        shown += [Text(), *(Text(words) for words in self._foot)]
        drawn = (width, height, *(one.plain for one in shown))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        for one in shown:
            one.truncate(max(20, width - 1), overflow="ellipsis")
        self._live.update(Group(*(_fit(self._console, one) for one in shown)), refresh=True)


class PlainBoard:
    """Says what changes, a line each, and nothing twice: for screen readers."""

    def __init__(self, console: Console, foot: Sequence[str]) -> None:
        self._console = console
        self._foot = list(foot)
        self._told: dict[str, str] = {}

    def __enter__(self) -> PlainBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def show(self, rows: Sequence[Row]) -> None:
        first = not self._told
        for row in rows:
            word = state(row)
            before = self._told.get(row.spec.id)
            self._told[row.spec.id] = word
            if before == word or (before is None and not first):
                continue
            told = say("{word}: {title}", word=word, title=row.spec.title)
            pieces.show(self._console, Text(told))
        if first:
            for words in self._foot:
                pieces.show(self._console, Text(words))


def state(row: Row) -> str:
    """The state of a check in one word or two."""
    if row.waits:
        return say("later")
    if row.result is None or row.result.verdict is not Verdict.PASSED:
        if row.result is not None and row.result.verdict is Verdict.ERRORED:
            return say("ERROR")
        return say("FAILED") if row.over else say("waiting")
    return say("passed")


def line(row: Row) -> Text:
    """A check in one line: its state, its title, and what was seen while it waits."""
    word = state(row)
    mark, style = " ", "dim" if row.waits else ""
    if row.result is not None and word != say("waiting"):
        mark, _, style = pieces.WORDS[row.result.verdict]
    wide = Text(f"  {mark} {word}", style=style)
    wide.pad_right(max(1, 14 - wide.cell_len))
    text = wide + Text(row.spec.title)
    if row.result is not None and not row.passed:
        seen = " ".join((row.result.actual or row.result.reason).split())
        if seen:
            text.append("  " + say("(seen: {seen})", seen=seen), style="dim")
    return text


def _fit(console: Console, text: Text) -> Text:
    encoding = console.encoding or "ascii"
    if encoding.lower().replace("-", "").startswith("utf"):
        return text
    return Text(pieces.plain(text.plain, encoding))
