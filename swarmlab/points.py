"""What claims are worth: points earned, and what of them stands on record only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Points:
    """`earned` points `of` all.

    Of those earned, `recorded` are for claims that a later step has ended on purpose and that held
    at their time, as the student's record says: nobody can look at them now. `unknown` points
    are not earned because the cluster could not be looked at, which is not the student's fault.
    """

    earned: float
    of: float
    recorded: float = 0.0
    unknown: float = 0.0

    @property
    def share(self) -> float:
        """The part that is earned, 0 to 1; of nothing it is 0."""
        return self.earned / self.of if self.of else 0.0

    def __str__(self) -> str:
        return f"{number(self.earned)}/{number(self.of)}"

    def to_dict(self) -> dict[str, float]:
        return {
            "earned": round(self.earned, 3),
            "of": round(self.of, 3),
            "recorded": round(self.recorded, 3),
            "unknown": round(self.unknown, 3),
        }


def total(parts: Iterable[Points]) -> Points:
    """The sum."""
    earned = of = recorded = unknown = 0.0
    for part in parts:
        earned += part.earned
        of += part.of
        recorded += part.recorded
        unknown += part.unknown
    return Points(earned, of, recorded, unknown)


def number(value: float) -> str:
    """Points as people write them: `7`, `2.5`."""
    return f"{round(value, 2):g}"
