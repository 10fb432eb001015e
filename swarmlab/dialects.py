"""Words without quotes that YAML's readers take differently: `yes`, `1_000`, `1:30`, `0x1F`.

Of a lab file only `true`, `false`, `null` and decimal numbers are more than text. YAML 1.1 knows
many more, YAML 1.2, which editors follow, some: who writes one of these meant one of ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from swarmlab.words import say

Plain = bool | int | float | None

_TRUTH = {
    **dict.fromkeys(("true", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "no", "n", "off"), False),
}
# Nobody writes larger ones into a lab, and what is read is bounded.
_MOST_LETTERS = 20
_BASED = re.compile(r"0x[0-9a-f]+|0o[0-7]+|0b[01]+")
_DECIMAL = re.compile(r"[0-9]+")
_OCTAL = re.compile(r"0[0-7]+")
_SIXTIES = re.compile(r"[0-9]+(:[0-5]?[0-9]){1,3}")
_FLOAT = re.compile(r"(\.[0-9]+|[0-9]+\.?[0-9]*)(e[-+]?[0-9]{1,2})?")
# What YAML 1.2 has beside text.
_NO_TEXT = re.compile(
    r"[Tt]rue|TRUE|[Ff]alse|FALSE|[Nn]ull|NULL|~"
    r"|[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


def meant(text: str) -> Iterator[Plain]:
    """What another reader, or a person, takes the word for; nothing for what is only text."""
    word = text.strip().lower()
    if len(word) > _MOST_LETTERS:
        return
    if word in _TRUTH:
        yield _TRUTH[word]
    elif word in ("null", "~"):
        yield None
    else:
        sign = -1 if word[:1] == "-" else 1
        digits = word.removeprefix("-" if sign < 0 else "+").replace("_", "")
        for number in dict.fromkeys(_numbers(digits)):
            yield sign * number


def _numbers(digits: str) -> Iterator[int | float]:
    if _BASED.fullmatch(digits):
        yield int(digits, 0)
    elif _DECIMAL.fullmatch(digits):
        yield int(digits)
        if _OCTAL.fullmatch(digits):
            # To YAML 1.1; a decimal number to 1.2.
            yield int(digits, 8)
    elif _SIXTIES.fullmatch(digits):
        seconds = 0
        for part in digits.split(":"):
            seconds = 60 * seconds + int(part)
        yield seconds
    elif _FLOAT.fullmatch(digits):
        value = float(digits)
        if math.isfinite(value):
            yield int(value) if value.is_integer() else value


def near(value: object, fits: Callable[[Plain], bool]) -> str:
    """` (did you mean ...?)` for a text in whose place that was meant which fits, or nothing."""
    if not isinstance(value, str):
        return ""
    words = [written(one) for one in meant(value) if fits(one)]
    return say(" (did you mean {names}?)", names=say(" or ").join(words)) if words else ""


def written(value: Plain) -> str:
    """The value as a lab file has it."""
    if value is None:
        return "null"
    return str(value).lower()


def no_text(word: str) -> bool:
    """Whether an editor takes the word without quotes for something else than text."""
    return _NO_TEXT.fullmatch(word) is not None
