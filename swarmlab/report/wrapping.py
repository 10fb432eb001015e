"""Lines of Chinese text: broken between any two characters, but not where it hurts reading.

Rich breaks lines at spaces only, which leaves Chinese ragged: a run of characters without a
space is one long word to it. Here a line may also end between two wide characters, unless the
next would begin with a closing mark or this one end with an opening mark (the usual rules, as in
UAX #14 of Unicode). Text without wide characters is left to Rich.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

_NO_START = frozenset("，。、：；！？）》」』】”’…%,.:;!?)]}")
_NO_END = frozenset("（《「『【“‘([{")


def flowing(text: Text) -> RenderableType:
    """The text so that it wraps well in whatever room it gets."""
    return _Flowing(text) if cell_len(text.plain) != len(text.plain) else text


def pieces(text: str) -> Iterator[str]:
    """The text in parts that stay together; spaces belong to the part before them."""
    at = 0
    for here in range(1, len(text)):
        before, after = text[here - 1], text[here]
        if after == " " or after in _NO_START or before in _NO_END:
            continue
        if before == " " or cell_len(before) > 1 or cell_len(after) > 1:
            yield text[at:here]
            at = here
    if text:
        yield text[at:]


def ends(text: str, width: int) -> list[int]:
    """Where lines of at most `width` columns end: offsets into one line of text."""
    found: list[int] = []
    at = used = 0
    for piece in pieces(text):
        if used and used + cell_len(piece.rstrip(" ")) > width:
            found.append(at)
            used = 0
        # A part that is wider than a whole line is cut wherever the line is full.
        for character in piece:
            wide = cell_len(character)
            if used + wide > width and character != " " and used:
                found.append(at)
                used = 0
            used += wide
            at += 1
    return found


class _Flowing:
    """Text that wraps as this module says."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._text.split("\n", allow_blank=True):
            if options.no_wrap:
                yield line
                continue
            for part in line.divide(ends(line.plain, options.max_width)):
                part.rstrip()
                part.no_wrap, part.overflow = True, "ignore"
                yield part

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        lines = self._text.plain.split("\n")
        widest = max(map(cell_len, lines))
        least = max((cell_len(p.rstrip(" ")) for line in lines for p in pieces(line)), default=0)
        return Measurement(least, widest).with_maximum(options.max_width)
