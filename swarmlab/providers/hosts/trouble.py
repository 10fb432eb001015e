"""One thing that stops a lab on machines of one's own."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.words import say


@dataclass(frozen=True)
class Trouble:
    """One thing that stops a lab: on which node's machine, what, and what mends it."""

    node: str
    what: str
    mend: str

    def __str__(self) -> str:
        return say("{node}: {what}. {mend}", node=self.node, what=self.what, mend=self.mend)
