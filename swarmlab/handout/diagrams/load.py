"""Reading diagrams.yaml: every field known, every word there in every language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from swarmlab import resources
from swarmlab.errors import LabFileError, Problem
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

LAB = "service-discovery"
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
def library(lab: str = LAB) -> Library:
    """The built-in lab's diagrams. Raises LabFileError for a file that is not right."""
    return read(resources.labs_dir() / lab / "diagrams.yaml")


def read(path: Path) -> Library:
    """The diagrams of one file. Raises LabFileError, which says where the file is wrong."""
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        words = {key: _label(value, f"words: {key}") for key, value in _map(raw, "words").items()}
        return Library(tuple(_diagram(one) for one in raw["diagrams"]), words)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise _wrong(path, f"is not YAML: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise _wrong(path, what) from error


def _wrong(path: Path, message: str) -> LabFileError:
    return LabFileError(path.parent.name, [Problem(path.name, 0, 0, message)])


def _map(raw: Any, key: str) -> dict[str, Any]:
    found = raw[key]
    if not isinstance(found, dict):
        raise ValueError(f"{key} must be a mapping")
    return found


def _diagram(raw: dict[str, Any]) -> Diagram:
    where = f"diagram {raw['name']}"
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
    where = f"{where}, part {raw['id']}"
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
    where = f"{where}, arrow {raw['from']} to {raw['to']}"
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
            raise ValueError(f"{where}: words in {sorted(raw)}, not in {', '.join(LANGUAGES)}")
        return Label({language: str(text).strip() for language, text in raw.items()})
    return same(str(raw)) if raw != "" else NOTHING


def _one_of(kind: type[E], value: str, where: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{where}: {value!r} is none of {', '.join(kind)}") from None


def _make(kind: type[T], raw: dict[str, Any], where: str, /, **ready: Any) -> T:
    """The dataclass from what is ready and the plain rest. Raises ValueError for what it lacks."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if strange := sorted(set(raw) - known):
        raise ValueError(f"{where}: {', '.join(strange)} is not known here")
    return kind(**{**raw, **ready})
