"""YAML as a tree of nodes that know their line and column, and nothing more than plain data.

Built from the parser's events: no tags, so nothing is ever constructed or executed; no anchors,
so no small file unfolds into a large one; bounded size, depth and number of values, so no input
takes long. Words such as `yes` and `on` stay words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from swarmlab.printable import called, odd
from swarmlab.words import say

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
# Values in one file, keys among them: ten times what a long chapter has.
MAX_NODES = 25_000

# The parser in C is ten times as fast; where PyYAML was built without it, the other reads the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Report = Callable[[int, int, str], None]
"""Called with line, column (from 1; 0 when unknown) and what is wrong."""

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}(?:[eE][-+]?[0-9]{1,2})?")
_WORDS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
}


@dataclass(frozen=True)
class Scalar:
    """A single value; `plain` when it was written without quotes and not as a block."""

    text: str
    plain: bool
    line: int
    column: int

    @property
    def value(self) -> str | int | float | bool | None:
        """The value: quoted and block text stays text."""
        if not self.plain:
            return self.text
        if self.text in _WORDS:
            return _WORDS[self.text]
        if _INT.fullmatch(self.text):
            return int(self.text)
        if _FLOAT.fullmatch(self.text):
            return float(self.text)
        return self.text


@dataclass(frozen=True)
class Sequence:
    """A list."""

    items: list[Node]
    line: int
    column: int


@dataclass(frozen=True)
class Mapping:
    """A mapping; keys are texts, each once, with the place of the key."""

    entries: dict[str, Entry]
    line: int
    column: int


@dataclass(frozen=True)
class Entry:
    """A key and its value."""

    key: Scalar
    value: Node


Node = Scalar | Sequence | Mapping


def unprintable(character: str) -> str:
    """What is wrong with a text that holds such a character."""
    return say(
        "{character}: a character that is not shown and that a terminal obeys",
        character=called(character),
    )


def plain(node: Node) -> Any:
    """The node as Python's own values."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    node: Sequence | Mapping
    key: Scalar | None = None
    keyless: bool = field(default=False)


def parse(data: bytes, report: Report) -> Node | None:
    """The tree of one YAML document, or None where there is none to be had.

    Everything wrong is reported; None means that at least one problem was.
    """
    text = _decode(data, report)
    if text is None:
        return None
    builder = _Builder(report)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not builder.take(event):
                return None
    except yaml.YAMLError as error:
        line, column, words = _explain(error, text)
        report(line, column, words)
        return None
    if builder.root is None:
        report(1, 1, say("the file is empty"))
    return builder.root


def _decode(data: bytes, report: Report) -> str | None:
    if len(data) > MAX_BYTES:
        report(0, 0, say("the file is larger than {size} KiB", size=MAX_BYTES // 1024))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        report(data[: error.start].count(b"\n") + 1, 0, say("the file is not UTF-8 text"))
        return None


class _Builder:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._open: list[_Open] = []
        self._documents = 0
        self._nodes = 0
        self.root: Node | None = None

    def take(self, event: Any) -> bool:
        """Take the next event; False when it makes no sense to go on."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._report(line, column, say("there is a second document; only one is read"))
                return False
        elif isinstance(event, yaml.AliasEvent):
            self._report(
                line,
                column,
                say("*{name}: aliases are not used in lab files", name=event.anchor),
            )
            self._place(Scalar("", True, line, column))
            return self._few(line, column)
        elif isinstance(event, yaml.NodeEvent):
            self._look(event, line, column)
            return self._few(line, column) and self._begin(event, line, column)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._place(self._open.pop().node)
        return True

    def _few(self, line: int, column: int) -> bool:
        """Count one more value; False when there are too many."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._report(line, column, say("more than {most} values in one file", most=MAX_NODES))
        return self._nodes <= MAX_NODES

    def _begin(self, event: Any, line: int, column: int) -> bool:
        if isinstance(event, yaml.ScalarEvent):
            if found := odd(event.value):
                self._report(line, column, unprintable(found.group()))
            # libyaml says "" where the parser in Python says None for a plain scalar.
            self._place(Scalar(event.value, event.style in (None, ""), line, column))
            return True
        if len(self._open) >= MAX_DEPTH:
            self._report(line, column, say("nested more than {most} levels deep", most=MAX_DEPTH))
            return False
        if isinstance(event, yaml.SequenceStartEvent):
            self._open.append(_Open(Sequence([], line, column)))
        else:
            self._open.append(_Open(Mapping({}, line, column)))
        return True

    def _look(self, event: Any, line: int, column: int) -> None:
        if event.anchor is not None:
            self._report(
                line,
                column,
                say("&{name}: anchors are not used in lab files", name=event.anchor),
            )
        if event.tag is not None:
            self._report(
                line, column, say("the tag {tag}: tags are not used in lab files", tag=event.tag)
            )

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        if not self._open:
            self.root = node
            return
        holder = self._open[-1]
        if isinstance(holder.node, Sequence):
            holder.node.items.append(node)
        elif holder.key is None and not holder.keyless:
            if isinstance(node, Scalar):
                holder.key = node
            else:
                self._report(node.line, node.column, say("a key must be a single word or text"))
                holder.keyless = True
        else:
            if holder.key is not None:
                self._enter(holder.node, holder.key, node)
            holder.key, holder.keyless = None, False

    def _enter(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        first = mapping.entries.get(key.text)
        if first is None:
            mapping.entries[key.text] = Entry(key, value)
        else:
            self._report(
                key.line,
                key.column,
                say(
                    "{key!r} stands here a second time; the first is in line {line}",
                    key=key.text,
                    line=first.key.line,
                ),
            )


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    """Where and what, from the parser's exceptions."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        words = [getattr(error, "context", None), getattr(error, "problem", None)]
        why = ", ".join(word for word in words if word) or say("this is not YAML")
        return mark.line + 1, mark.column + 1, say("not valid YAML: {why}", why=why)
    position = getattr(error, "position", None)
    if isinstance(position, int) and 0 <= position <= len(text):
        line = text.count("\n", 0, position) + 1
        return line, 0, say("not valid YAML: a character that is not allowed")
    return 0, 0, say("not valid YAML: {why}", why=" ".join(str(error).split())[:200])
