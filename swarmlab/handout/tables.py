"""Wide tables on narrow paper: the columns of an output moved together, nothing of it lost.

The engine's client parts columns by more spaces than it needs, and ends its tables with columns
that are mostly empty. On a terminal that is no matter; on paper it makes small print.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from swarmlab.varying import Piece

# A line as wide as this is still printed in full size.
WIDE = 88
GAP = 2
# A wider one goes on in a second line of each row, from the last column that begins before.
FOLD = 108
INDENT = "    "

_HEADER = re.compile(r"[A-Z][A-Z]*(?: [A-Z]+)*(?: {2,}[A-Z]+(?: [A-Z]+)*)+ *")

Line = list[Piece]


def narrow(lines: Sequence[Line]) -> list[Line]:
    """The lines, in which each wide table (a header in capitals, then its rows) is moved together.

    Between columns stay two spaces; columns at the end of which there is nothing but the header
    become `…`. A table that is too wide even so has two lines a row. All else stays as it is.
    """
    made: list[Line] = []
    at = 0
    while at < len(lines):
        end = at + 1
        if _HEADER.fullmatch(_text(lines[at])):
            while end < len(lines) and _text(lines[end]).strip():
                end += 1
        block = list(lines[at:end])
        wide = max(len(_text(line)) for line in block) > WIDE
        made += _together(block) if len(block) > 1 and wide else block
        at = end
    return made


def _text(line: Line) -> str:
    return "".join(piece.text for piece in line)


def _together(block: list[Line]) -> list[Line]:
    header, *rows = [_text(line) for line in block]
    used = max(len(row.rstrip()) for row in rows)
    width = max(len(header), used)
    # What stands to the right of every row is a name of the header alone, or several.
    first = next((m.start() for m in re.finditer(r"(?<= {2})\S", header) if m.start() >= used), 0)
    empty = [
        all(len(line) <= column or line[column] == " " for line in (header, *rows))
        for column in range(width)
    ]
    keep = [not (empty[c] and all(empty[max(0, c - GAP) : c])) or c < GAP for c in range(width)]
    made = [_kept(line, keep, 0, first or width) for line in block]
    top = _text(made[0]).rstrip()
    texts = [_text(line) for line in made]
    starts = [
        start
        for start in (found.start() for found in re.finditer(r"(?<= {2})\S", top))
        if all(text[start - 1 : start] in ("", " ") for text in texts)
    ]
    fold = max((start for start in starts if start <= FOLD), default=0)
    if first:
        made[0] = [*_kept(made[0], [], 0, len(top)), Piece(" …", "left-out")]
    if fold and max(len(_text(line)) for line in made) > FOLD:
        return [part for line in made for part in _folded(line, fold)]
    return made


def _folded(line: Line, at: int) -> list[Line]:
    """The line, and what stands beyond the column `at` in a line of its own."""
    rest = _kept(line, [], at, len(_text(line)))
    return [_kept(line, [], 0, at), *([[Piece(INDENT), *rest]] if _text(rest).strip() else [])]


def _kept(line: Line, keep: Sequence[bool], begin: int, end: int) -> Line:
    """What of the line stands in these columns, and is to be kept (`[]`: all), in its pieces."""
    made, at = [], 0
    for piece in line:
        text = "".join(
            letter
            for column, letter in enumerate(piece.text, at)
            if begin <= column < end and (not keep or keep[column])
        )
        at += len(piece.text)
        if text:
            made.append(replace(piece, text=text))
    return made
