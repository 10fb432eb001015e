"""Reading the fields of a mapping: each with its type, each problem noted with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, TypeGuard

from swarmlab import dialects, expressions
from swarmlab.errors import Problem
from swarmlab.loading.nodes import Entry, Mapping, Node, Scalar, Sequence
from swarmlab.words import later, say

# Suggestions cost the most of all that reading does: so many for one file, among so many words.
MOST_MEANT = 150
MOST_KNOWN = 150
# No list of a lab is longer.
MOST_ITEMS = 300
# A file with more problems than this is no lab file, and nobody reads on.
MOST_PROBLEMS = 1000

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def meant(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` for the nearest known words, or nothing."""
    words = list(dict.fromkeys(known))
    if len(words) > MOST_KNOWN:
        return ""
    close = difflib.get_close_matches(word[:80], words, n=2, cutoff=0.6)
    return say(" (did you mean {names}?)", names=say(" or ").join(close)) if close else ""


def short(text: str) -> str:
    """A value as a message shows it, in one line."""
    shown = repr(text)
    return shown if len(shown) <= 50 else shown[:48] + "…" + shown[0]


def unquoted(text: str) -> str:
    """What is wrong with a word that is text here and something else to an editor."""
    return say(
        "{text} is text here, and something else in an editor: put it in quotes", text=short(text)
    )


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


class Notes:
    """The problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._meant = 0

    def add(self, place: Node | None, message: str) -> None:
        """Note a problem at a node, or of the file as a whole."""
        line, column = (place.line, place.column) if place is not None else (0, 0)
        self.at(line, column, message)

    def at(self, line: int, column: int, message: str) -> None:
        """Note a problem at a line and column; after very many, say once that there are more."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(self.file, line, column, message))
        elif len(self.problems) == MOST_PROBLEMS:
            more = say(
                "there are more than these {most} problems; mend them first", most=MOST_PROBLEMS
            )
            self.problems.append(Problem(self.file, line, column, more))

    def meant(self, word: str, known: Iterable[str]) -> str:
        """As the function `meant`, for so many words of one file."""
        self._meant += 1
        return meant(word, known) if self._meant <= MOST_MEANT else ""

    def none_of(self, text: str, known: Iterable[str]) -> dict[str, str]:
        """What a message about a text that is none of `known` says of it: {text} and {near}."""
        return {"text": short(text), "near": self.meant(text, known)}


class Fields:
    """The fields of one mapping `node`, called `what` in messages.

    `known` are all field names there may be. Each reading method notes what is wrong and then
    gives the default, so that one mistake does not hide the next.
    """

    def __init__(self, notes: Notes, node: Node, what: str, known: Iterable[str]) -> None:
        self.notes = notes
        self.node = node
        self.what = what
        self._entries: dict[str, Entry] = {}
        # Of lists of texts: where each text stands, the first of several.
        self._items: dict[str, dict[str, Node]] = {}
        names = list(known)
        if isinstance(node, Mapping):
            self._entries = node.entries
        else:
            some = say(", ").join(names[:4])
            notes.add(
                node, say("{what} must be a mapping with {some} and so on", what=what, some=some)
            )
        for name, entry in self._entries.items():
            if name not in names:
                told = notes.none_of(name, names)
                notes.add(entry.key, say("{what} has no field {text}{near}", what=what, **told))

    @property
    def sound(self) -> bool:
        """Whether this is a mapping at all."""
        return isinstance(self.node, Mapping)

    def place(self, name: str) -> Node:
        """Where the field's value stands, or the mapping itself."""
        entry = self._entries.get(name)
        return entry.value if entry else self.node

    def value(self, name: str) -> Node | None:
        """The field's value as a node; None when it is absent or empty."""
        entry = self._entries.get(name)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.value is None):
            return None
        return entry.value

    def wrong(self, name: str, message: str) -> None:
        """Note a problem of a field."""
        self.notes.add(self.place(name), self.told(message))

    def item(self, name: str, text: str) -> Node:
        """Where a text of the list `name` stands; of another field its value, as `place`."""
        return self._items.get(name, {}).get(text) or self.place(name)

    def wrong_item(self, name: str, text: str, message: str) -> None:
        """Note a problem of one text of a list."""
        self.notes.add(self.item(name, text), self.told(message))

    def told(self, message: str) -> str:
        """A message with what it is about."""
        return say("{what}: {why}", what=self.what, why=message)

    def text(self, name: str, default: str | None = None) -> str:
        """A text, required without `default`; a plain number is taken as it is written."""
        node = self.value(name)
        if node is None:
            if default is None and self.sound:
                self.wrong(name, say("{name} is missing", name=name))
            return default or ""
        if not isinstance(node, Scalar):
            self.wrong(name, say("{name} must be text", name=name))
            return default or ""
        text = node.text.strip()
        if node.plain and text in ("Null", "NULL"):
            self.wrong(name, unquoted(text))
        if not text and default is None:
            self.wrong(name, say("{name} is empty", name=name))
        return text or default or ""

    def slug(self, name: str, default: str | None = None) -> str:
        """A text of small letters, digits and hyphens."""
        text = self.text(name, default)
        if text and not SLUG.fullmatch(text):
            self.wrong(
                name,
                say(
                    "{name} {text} must be small letters, digits and single hyphens",
                    name=name,
                    text=short(text),
                ),
            )
        return text

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number between `low` and `high`."""
        value = self._plain(name)
        if value is None:
            return default
        if not _number(value):
            near = dialects.near(value, lambda one: _number(one) and low <= float(one) <= high)
            words = later("{name} must be a number, such as {usual:g}{near}")
            self.wrong(name, say(words, name=name, usual=default, near=near))
            return default
        if not low <= value <= high:
            self.wrong(
                name,
                say(
                    "{name} must lie between {low:g} and {high:g}, not {value:g}",
                    name=name,
                    low=low,
                    high=high,
                    value=value,
                ),
            )
            return default
        return float(value)

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A required whole number between `low` and `high`; None when it is not."""
        value = self._plain(name)
        if value is None:
            if self.sound:
                self.wrong(name, say("{name} is missing", name=name))
            return None
        if not _whole(value) or not low <= value <= high:
            self.wrong(
                name,
                say(
                    "{name} must be a whole number from {low} to {high}{near}",
                    name=name,
                    low=low,
                    high=high,
                    near=dialects.near(value, lambda one: _whole(one) and low <= one <= high),
                ),
            )
            return None
        return value

    def pattern(self, name: str) -> str:
        """A regular expression; empty when it is absent or none."""
        text = self.text(name, "")
        if why := expressions.amiss(text):
            self.wrong(
                name,
                say("{text} is no regular expression: {why}", text=short(text), why=why),
            )
            return ""
        return text

    def flag(self, name: str) -> bool:
        """`true` or `false`; false when it is absent."""
        value = self._plain(name)
        if value is not None and not isinstance(value, bool):
            near = dialects.near(value, lambda one: isinstance(one, bool))
            self.wrong(name, say("{name} must be true or false{near}", name=name, near=near))
        return value is True

    def items(self, name: str, required: bool = False) -> list[Node]:
        """The items of a list."""
        node = self.value(name)
        if node is None:
            if required and self.sound:
                self.wrong(name, say("{name} is missing", name=name))
            return []
        if not isinstance(node, Sequence):
            self.wrong(name, say("{name} must be a list", name=name))
            return []
        if required and not node.items:
            self.wrong(name, say("{name} is empty", name=name))
        if len(node.items) > MOST_ITEMS:
            self.wrong(name, say("{name} has more than {most} entries", name=name, most=MOST_ITEMS))
        return node.items[:MOST_ITEMS]

    def texts(self, name: str) -> list[str]:
        """The items of a list of texts."""
        found = []
        places = self._items.setdefault(name, {})
        for item in self.items(name):
            if isinstance(item, Scalar) and item.text.strip():
                found.append(item.text.strip())
                places.setdefault(found[-1], item)
            else:
                self.notes.add(item, self.told(say("each of {name} must be text", name=name)))
        return found

    def codes(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A list of exit codes."""
        if self.value(name) is None:
            return default
        found = []
        for item in self.items(name):
            value = item.value if isinstance(item, Scalar) else None
            if _whole(value) and 0 <= value <= 255:
                found.append(value)
            else:
                near = dialects.near(value, lambda one: _whole(one) and 0 <= one <= 255)
                words = say("an exit code is a whole number up to 255{near}", near=near)
                self.notes.add(item, self.told(words))
        return tuple(found)

    def choice(self, name: str, known: Iterable[str], default: str) -> str:
        """One of a few words."""
        text = self.text(name, default)
        words = list(known)
        if text not in words:
            self.wrong(
                name,
                say(
                    "{name} must be {words}, not {text}{near}",
                    name=name,
                    words=say(" or ").join(words),
                    **self.notes.none_of(text, words),
                ),
            )
            return default
        return text

    def _plain(self, name: str) -> Any:
        node = self.value(name)
        if node is None:
            return None
        return node.value if isinstance(node, Scalar) else node
