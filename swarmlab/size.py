"""How large a lab is: its managers and workers, what they are called, and what a quorum is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swarmlab import labels
from swarmlab.errors import UsageError
from swarmlab.words import later, say

USUAL = 3
"""Managers of a new lab, where no number is given."""
MANAGERS = (1, 3, 5, 7)
"""Numbers of managers that make sense: an even one survives no more losses than one less."""
MOST_WORKERS = 7


@dataclass(frozen=True)
class Size:
    """With how many managers and workers a lab is made. The nodes' names count on: managers first.

    Of a lab of which nothing tells its size, both are 0.
    """

    managers: int = USUAL
    workers: int = 0

    @classmethod
    def wanted(cls, managers: int | None, workers: int | None) -> Size:
        """The size that was asked for; None: the usual number. Raises UsageError for nonsense."""
        size = cls(USUAL if managers is None else managers, workers or 0)
        if size.managers not in MANAGERS:
            raise UsageError(
                say("A lab cannot have {count} managers.", count=size.managers),
                hint=_why(size.managers),
            )
        if not 0 <= size.workers <= MOST_WORKERS:
            raise UsageError(
                say("A lab cannot have {count} workers.", count=size.workers),
                hint=say("Use up to {most}, or none.", most=MOST_WORKERS),
            )
        return size

    @classmethod
    def told(cls, marks: Mapping[str, str]) -> Size:
        """What the labels of a lab's container, volume or network say of its size."""
        count = int(marks.get(labels.COUNT) or 0)
        # A lab that was made before there were workers has managers only.
        managers = int(marks.get(labels.MANAGERS) or count)
        return cls(managers, count - managers)

    @property
    def marks(self) -> dict[str, str]:
        """The labels that tell it."""
        return {labels.COUNT: str(self.count), labels.MANAGERS: str(self.managers)}

    @property
    def count(self) -> int:
        """How many nodes there are in all."""
        return self.managers + self.workers

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names in order: `swarm-1`, `swarm-2`, ..."""
        return tuple(f"swarm-{number}" for number in range(1, self.count + 1))

    @property
    def manager_names(self) -> tuple[str, ...]:
        return self.names[: self.managers]

    def role(self, node: str) -> str:
        """`manager` or `worker`: what the node of that name was made to be."""
        return "manager" if node in self.manager_names else "worker"

    def __str__(self) -> str:
        """`3 managers`, `1 manager and 2 workers`."""
        one, many = later("{count} manager"), later("{count} managers")
        managers = say(one if self.managers == 1 else many, count=self.managers)
        if not self.workers:
            return managers
        one, many = later("{count} worker"), later("{count} workers")
        workers = say(one if self.workers == 1 else many, count=self.workers)
        return say("{managers} and {workers}", managers=managers, workers=workers)


UNKNOWN = Size(0)


def majority(managers: int) -> int:
    """How many of so many managers must agree: more than half."""
    return managers // 2 + 1


def spare(managers: int) -> int:
    """How many of so many managers may be lost without the swarm losing its quorum."""
    return managers - majority(managers)


@dataclass(frozen=True)
class Quorum:
    """`managers` as the swarm counts them, `reachable` of them now; the rest is arithmetic."""

    managers: int
    reachable: int

    @property
    def needed(self) -> int:
        """How many must agree before anything is changed."""
        return majority(self.managers)

    @property
    def may_lose(self) -> int:
        """How many of all may be lost."""
        return spare(self.managers)

    @property
    def holds(self) -> bool:
        return self.reachable >= self.needed

    def to_dict(self) -> dict[str, int | bool]:
        return {
            "managers": self.managers,
            "needed": self.needed,
            "may_lose": self.may_lose,
            "reachable": self.reachable,
            "holds": self.holds,
        }


def _why(count: int) -> str:
    if count in range(2, max(MANAGERS), 2):
        return say(
            "Of {count} managers {needed} must agree, so {spare} may be lost: no more than of"
            " {less}, which is why the number is odd. Use {less} or {more}; `--workers` adds nodes"
            " that have no vote.",
            count=count,
            needed=majority(count),
            spare=spare(count),
            less=count - 1,
            more=count + 1,
        )
    return say(
        "Use an odd number of managers up to {most}; `--workers` adds nodes that have no vote.",
        most=max(MANAGERS),
    )
