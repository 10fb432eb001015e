"""Help in three steps: a nudge, a pointer, the solution. Pure; what was seen last is handed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from swarmlab.model import Command, Step
from swarmlab.results import CheckResult, Verdict


class Tier(Enum):
    """How much a hint gives away."""

    NUDGE = "nudge"
    POINTER = "pointer"
    SOLUTION = "solution"


@dataclass(frozen=True)
class Hint:
    """One hint, the `number`th of `count`.

    `failing` are checks that do not pass now, with their own hints; `commands` is the solution.
    """

    tier: Tier
    number: int
    count: int
    text: str = ""
    failing: tuple[CheckResult, ...] = ()
    commands: tuple[Command, ...] = ()


class Hints:
    """The hints of one step, each time one that gives away more; the last one stays."""

    def __init__(self, step: Step) -> None:
        self._step = step
        texts = {Tier.NUDGE: step.nudge, Tier.POINTER: step.pointer}
        self._tiers = [tier for tier in Tier if texts.get(tier, "solution")]
        self._texts = texts
        self._given = 0

    def next(self, seen: Iterable[CheckResult] = ()) -> Hint:
        """The next hint; `seen` are the checks as they were last looked at.

        What a failing check advises is specific, so it comes with the pointer, and with the
        solution where the step has no pointer.
        """
        at = min(self._given, len(self._tiers) - 1)
        self._given += 1
        tier = self._tiers[at]
        failing = tuple(c for c in seen if c.verdict is Verdict.FAILED and c.hint)
        return Hint(
            tier,
            at + 1,
            len(self._tiers),
            text=self._texts.get(tier, ""),
            failing=failing if tier is not Tier.NUDGE else (),
            commands=self._step.commands if tier is Tier.SOLUTION else (),
        )
