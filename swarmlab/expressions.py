"""The regular expressions of labs: read within bounds, since anybody may have written them.

To read one takes hardly any time, but for classes of characters from all over Unicode: a file full
of these would keep its reader busy for minutes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from swarmlab.words import say

MOST_LETTERS = 200
MOST_SECONDS = 0.4
"""Of the processor, for all expressions of a lab; those of a chapter take a tenth of it."""

_spent: ContextVar[list[float] | None] = ContextVar("_spent", default=None)


@contextmanager
def counted() -> Iterator[None]:
    """For the time of the block: what is read takes no longer than MOST_SECONDS in all."""
    before = _spent.set([0.0])
    try:
        yield
    finally:
        _spent.reset(before)


def amiss(text: str) -> str:
    """Why a text is no regular expression that a lab may have, in words; empty when it is one."""
    if len(text) > MOST_LETTERS:
        return say("it is longer than {most} letters", most=MOST_LETTERS)
    spent = _spent.get()
    if spent is not None and spent[0] > MOST_SECONDS:
        return say("with those before it, it takes too long to read")
    begun = time.thread_time()
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    finally:
        if spent is not None:
            spent[0] += time.thread_time() - begun
    return ""
