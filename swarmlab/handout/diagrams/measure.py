"""How wide a text is, and where it may be broken, without asking any font.

Which font draws the text is not known here: the reader's browser, or the PDF's. So Latin letters
get the widths of DejaVu Sans, the widest of the usual sans-serif fonts (from its `hmtx` table, in
em); what fits by these fits in narrower ones. Chinese characters are 1 em wide in every font.
"""

from __future__ import annotations

import re
import unicodedata

_WIDTHS = {
    0.30: "'ijlIJ",
    0.36: " ,./:;\\|f-",
    0.41: "()[]tr!",
    0.53: '"*_`sz?',
    0.59: "cLFkvxy",
    0.64: "PTYaoeESbdghnpqu$0123456789{}",
    0.70: "KAVBRXZC",
    0.79: "UHNDG&OQ",
    0.87: "w#+<=>^~M",
    1.00: "%mW@",
}
_WIDTH = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
_OTHER = 0.66  # accented letters and the like
_BOLD = 1.13  # DejaVu Sans Bold against DejaVu Sans

# Chinese typesetting: these never begin a line (closing marks), those never end one (opening).
_NOT_FIRST = "，。；：！？、）》」』】”’…"
_NOT_LAST = "（《「『【“‘"
# A word of Latin letters (with the marks inside it), a space, or one other character.
_PIECES = re.compile(r"[!-~·…→×≠%]+|\s+|.", re.DOTALL)


def is_wide(letter: str) -> bool:
    """Whether the character may take a full em, as Chinese characters and their marks do."""
    return unicodedata.east_asian_width(letter) in ("W", "F", "A")


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of one line in the units of `size`; rather too wide than too narrow."""
    em = 0.0
    for letter in text:
        if is_wide(letter):
            em += 1.0
        else:
            em += _WIDTH.get(letter, _OTHER) * (_BOLD if bold else 1.0)
    return em * size


def wrap(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """The text in as few lines as are at most `room` wide, and these about equally long.

    Broken at spaces and between Chinese characters. A single word that is too long stays whole:
    a command or a name must not be cut, so its box has to be made wider.
    """
    lines = _filled(text, room, size, bold)
    if len(lines) == 1:
        return lines
    while room > size:
        room -= size / 4
        tighter = _filled(text, room, size, bold)
        if len(tighter) > len(lines) or any(width(t, size, bold=bold) > room for t in tighter):
            break
        lines = tighter
    return lines


def _filled(text: str, room: float, size: float, bold: bool) -> list[str]:
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if line and width((line + piece).rstrip(), size, bold=bold) > room:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    lines.append(line.rstrip())
    return lines


def _pieces(text: str) -> list[str]:
    """What must stay on one line; closing marks stay with what is before them."""
    pieces: list[str] = []
    for piece in _PIECES.findall(text):
        glued = pieces and (piece[0] in _NOT_FIRST or pieces[-1][-1] in _NOT_LAST)
        if glued:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces
