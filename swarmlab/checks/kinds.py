"""What a check's parameters can be: types that say more than `int` or `str`.

A check that asks for nothing always passes, and one that asks for what cannot be never does. Lint
and the published schema both read these rules off the checks' signatures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from swarmlab import expressions
from swarmlab.words import say


class Rule(Protocol):
    """What a value of the right type must keep to besides."""

    def holds(self, value: Any) -> bool:
        """Whether the value keeps to it."""

    def words(self, kind: str) -> str:
        """What such a value is, where `kind` is what its type says."""

    def schema(self) -> Mapping[str, Any]:
        """The same for a JSON schema, as far as it can say that."""


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`."""

    low: float
    high: float

    def holds(self, value: Any) -> bool:
        return bool(self.low <= value <= self.high)

    def words(self, kind: str) -> str:
        return say("{kind} from {low:g} to {high:g}", kind=kind, low=self.low, high=self.high)

    def schema(self) -> Mapping[str, Any]:
        return {"minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Letters:
    """A text that is not empty."""

    def holds(self, value: str) -> bool:
        return bool(value.strip())

    def words(self, kind: str) -> str:
        return say("text that is not empty")

    def schema(self) -> Mapping[str, Any]:
        return {"pattern": r"\S"}


@dataclass(frozen=True)
class Items:
    """A list that is not empty."""

    def holds(self, value: Sized) -> bool:
        return len(value) > 0

    def words(self, kind: str) -> str:
        return say("{kind}, one at the least", kind=kind)

    def schema(self) -> Mapping[str, Any]:
        return {"minItems": 1}


@dataclass(frozen=True)
class Begins:
    """A text that begins with one of these."""

    starts: tuple[str, ...]

    def holds(self, value: str) -> bool:
        return value.startswith(self.starts)

    def words(self, kind: str) -> str:
        starts = say(" or ").join(self.starts)
        return say("{kind} that begins with {starts}", kind=kind, starts=starts)

    def schema(self) -> Mapping[str, Any]:
        return {"pattern": f"^(?:{'|'.join(map(re.escape, self.starts))})"}


@dataclass(frozen=True)
class NodeName:
    """The name of a node: whether the lab has it is seen when its managers are known."""

    def holds(self, value: str) -> bool:
        return bool(re.fullmatch("swarm-[1-9][0-9]?", value))

    def words(self, kind: str) -> str:
        return say("the name of a node, such as swarm-1")

    def schema(self) -> Mapping[str, Any]:
        return {"pattern": "^swarm-[1-9][0-9]?$"}


@dataclass(frozen=True)
class Expression:
    """A regular expression."""

    def holds(self, value: str) -> bool:
        return not expressions.amiss(value)

    def words(self, kind: str) -> str:
        return say("a regular expression of at most {most} letters", most=expressions.MOST_LETTERS)

    def schema(self) -> Mapping[str, Any]:
        return {"format": "regex", "maxLength": expressions.MOST_LETTERS}


@dataclass(frozen=True)
class OneIn:
    """A part and the whole, the part smaller."""

    def holds(self, value: list[int]) -> bool:
        return len(value) == 2 and value[0] < value[1]

    def words(self, kind: str) -> str:
        return say("a part and a whole that is larger, such as [1, 3]")

    def schema(self) -> Mapping[str, Any]:
        return {"minItems": 2, "maxItems": 2}


Count = Annotated[int, Range(0, 10000)]
Some = Annotated[int, Range(1, 10000)]
Port = Annotated[int, Range(1, 65535)]
Status = Annotated[int, Range(100, 599)]
Fraction = Annotated[float, Range(0, 1)]
Seconds = Annotated[float, Range(0.01, 60)]
Lifetime = Annotated[int, Range(0, 86400)]
Word = Annotated[str, Letters()]
Words = Annotated[list[Word], Items()]
Ports = Annotated[list[Port], Items()]
Path = Annotated[str, Begins(("/",))]
Url = Annotated[str, Begins(("http://", "https://"))]
Pattern = Annotated[str, Expression()]
Node = Annotated[str, NodeName()]
Nodes = Annotated[list[Node], Items()]
PerNode = dict[Node, Count]
Share = Annotated[list[Some], OneIn()]

ONE_OF: Mapping[str, tuple[str, ...]] = {"swarm.absent": ("services", "networks")}
"""Checks that ask for nothing unless they have one of these parameters at least."""
