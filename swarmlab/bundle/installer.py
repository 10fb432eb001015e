"""The program that a bundle runs: `install.py`, with what it says in every language.

It runs where there is no swarmlab yet, and so no catalog: its translations travel in its text.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from swarmlab import words

_EMPTY = re.compile(r"^WORDS: [^\n]* = (\{\})$", re.MULTILINE)


def program() -> bytes:
    """The text of the program, for a bundle's `__main__.py`."""
    text = Path(__file__).with_name("install.py").read_text(encoding="utf-8")
    place = _EMPTY.search(text)
    assert place is not None, "install.py has a place for its words"
    # In ASCII, which every Python reads alike; what JSON writes of texts, Python reads.
    told = json.dumps(translations(text))
    return f"{text[: place.start(1)]}{told}{text[place.end(1) :]}".encode()


def translations(text: str) -> dict[str, dict[str, str]]:
    """By language, what a program says with its own `say`, in its English and translated."""
    messages = [
        call.args[0].value
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "say"
        and isinstance(call.args[0], ast.Constant)
    ]
    return {
        language: {str(one): words.of(language).catalog[str(one)] for one in messages}
        for language in words.languages()
        if language != words.MAIN
    }
