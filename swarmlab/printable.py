"""Characters that a terminal obeys instead of showing them.

Labs come in bundles from others, and a title may clear a screen, rename a window or turn letters
round. Lint refuses such characters, and no console of ours prints them.
"""

from __future__ import annotations

import re

# Control characters but tab and new line; separators of lines and paragraphs; what turns the
# direction of letters; halves of characters.
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def odd(text: str) -> re.Match[str] | None:
    """The first such character, if there is one."""
    return _ODD.search(text)


def harmless(text: str) -> str:
    """The text without them."""
    return _ODD.sub("", text)


def called(character: str) -> str:
    """What a message says in a character's place: `U+001B`."""
    return f"U+{ord(character):04X}"
