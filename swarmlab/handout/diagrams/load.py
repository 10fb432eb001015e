"""Reading diagrams.yaml: every field known, every word there in every language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from swarmlab import resources
from swarmlab.errors import LabFileError
from swarmlab.handout.diagrams.model import (
    NOTHING,
    Arrow,
    Count,
    Diagram,
    Kind,
    Label,
    Part,
    Row,
    Side,
    State,
    Way,
    same,
)
from swarmlab.loading import nodes
from swarmlab.loading.fields import Fields, Notes
from swarmlab.loading.file import content
from swarmlab.words import say

LAB = "service-discovery"
FILE = "diagrams.yaml"
LANGUAGES = ("en", "zh")

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


@dataclass(frozen=True)
class Library:
    """A lab's diagrams in their order, and the words that all of them use."""

    diagrams: tuple[Diagram, ...]
    words: Mapping[str, Label]

    def find(self, name: str) -> Diagram:
        """The diagram of that name. Raises KeyError."""
        for diagram in self.diagrams:
            if diagram.name == name:
                return diagram
        raise KeyError(name)


@lru_cache(maxsize=4)
def library(folder: Path | None = None) -> Library:
    """The diagrams of the lab in `folder` (default: the chapter's); none without the file.

    Raises LabFileError for a file that is not right.
    """
    path = (folder or resources.labs_dir() / LAB) / FILE
    return read(path) if folder is None or path.exists() else Library((), {})


def read(path: Path) -> Library:
    """The diagrams of one file. Raises LabFileError with all that are wrong, and where."""
    notes = Notes(path.name)
    found = _library(path, notes)
    if notes.problems:
        raise LabFileError(path.parent.name, notes.problems)
    return found


def _library(path: Path, notes: Notes) -> Library:
    """What is sound in the file; what is not is noted."""
    diagrams: list[Diagram] = []
    words: dict[str, Label] = {}
    try:
        root = nodes.parse(content(path, nodes.MAX_BYTES), notes.at)
    except OSError as error:
        notes.add(None, say("cannot be read: {why}", why=error.strerror or error))
        return Library((), {})
    if root is not None:
        around = Fields(notes, root, say("the file"), ("words", "diagrams"))
        shared = around.value("words")
        entries = shared.entries if isinstance(shared, nodes.Mapping) else {}
        if shared is not None and not isinstance(shared, nodes.Mapping):
            around.wrong("words", say("words must be a mapping"))
        for key, entry in entries.items():
            with _noting(notes, entry.value):
                words[key] = _label(nodes.plain(entry.value), say("words: {key}", key=key))
        for node in around.items("diagrams", required=True):
            with _noting(notes, node):
                diagrams.append(_diagram(nodes.plain(node)))
    return Library(tuple(diagrams), words)


@contextmanager
def _noting(notes: Notes, node: nodes.Node) -> Iterator[None]:
    """Note at the node what is wrong with what is made of it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        missing = isinstance(error, KeyError)
        notes.add(node, say("{name} is missing", name=error.args[0]) if missing else str(error))


def _diagram(raw: dict[str, Any]) -> Diagram:
    where = say("diagram {name}", name=raw["name"])
    count = raw.pop("count", None)
    return _make(
        Diagram,
        raw,
        where,
        title=_label(raw["title"], where),
        description=_label(raw["description"], where),
        rows=tuple(_row(one, where) for one in raw["rows"]),
        arrows=tuple(_arrow(one, where) for one in raw.get("arrows", [])),
        steps=tuple(raw.get("steps", [])),
        figure=str(raw.get("figure", "")),
        count=Count(int(count["wanted"]), int(count["running"])) if count else None,
        notes=tuple(_label(one, where) for one in raw.get("notes", [])),
        marks={key: _label(one, where) for key, one in raw.get("marks", {}).items()},
    )


def _row(raw: dict[str, Any], where: str) -> Row:
    return _make(Row, raw, where, parts=tuple(_part(one, where) for one in raw["parts"]))


def _part(raw: dict[str, Any], where: str) -> Part:
    where = say("{what}, part {id}", what=where, id=raw["id"])
    return _make(
        Part,
        raw,
        where,
        kind=_one_of(Kind, raw["kind"], where),
        state=_one_of(State, raw.get("state", "runs"), where),
        label=_label(raw.get("label", ""), where),
        lines=tuple(_label(one, where) for one in raw.get("lines", [])),
        holds=tuple(_part(one, where) for one in raw.get("holds", [])),
    )


def _arrow(raw: dict[str, Any], where: str) -> Arrow:
    where = say("{what}, arrow {start} to {end}", what=where, start=raw["from"], end=raw["to"])
    return _make(
        Arrow,
        {key: value for key, value in raw.items() if key not in ("from", "to")},
        where,
        way=_one_of(Way, raw["way"], where),
        side=_one_of(Side, raw.get("side", "auto"), where),
        label=_label(raw.get("label", ""), where),
        sources=_ids(raw["from"]),
        targets=_ids(raw["to"]),
    )


def _ids(raw: str | list[str]) -> tuple[str, ...]:
    return (raw,) if isinstance(raw, str) else tuple(raw)


def _label(raw: Any, where: str) -> Label:
    """A name, or words in every language."""
    if isinstance(raw, dict):
        if set(raw) != set(LANGUAGES) or not all(raw.values()):
            raise ValueError(
                say(
                    "{what}: words in {found}, and must be in {languages}",
                    what=where,
                    found=say(", ").join(sorted(map(str, raw))) or say("none"),
                    languages=say(", ").join(LANGUAGES),
                )
            )
        return Label({language: str(text).strip() for language, text in raw.items()})
    return same(str(raw)) if raw != "" else NOTHING


def _one_of(kind: type[E], value: str, where: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(
            say(
                "{what}: {value!r} is none of {names}",
                what=where,
                value=value,
                names=say(", ").join(kind),
            )
        ) from None


def _make(kind: type[T], raw: dict[str, Any], where: str, /, **ready: Any) -> T:
    """The dataclass from what is ready and the plain rest. Raises ValueError for what it lacks."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if strange := sorted(set(raw) - known):
        raise ValueError(
            say("{what}: {names} is not known here", what=where, names=say(", ").join(strange))
        )
    return kind(**{**raw, **ready})
