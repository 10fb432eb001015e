"""What was proven of a lab, and what was not: plain data that reports render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swarmlab.errors import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_PASSED
from swarmlab.model import Lab, Step
from swarmlab.results import Verdict, worst
from swarmlab.words import say

PROOFS_VERSION = 1


@dataclass(frozen=True)
class Part:
    """One claim about a step or a mistake: what is claimed, how that ended, and what was seen.

    FAILED is the lab's fault; ERRORED means that it could not be tried. `seconds` includes what
    had to be typed for it.
    """

    claim: str
    verdict: Verdict
    seen: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "claim": self.claim,
            "verdict": self.verdict.value,
            "seen": list(self.seen),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Proof:
    """All claims about one step, or about one of its mistakes (`mistake` is its id)."""

    step: Step
    parts: tuple[Part, ...]
    mistake: str = ""

    @property
    def name(self) -> str:
        """`step 5 (consul-agents)`, `consul-agents/no-retry-join`."""
        if self.mistake:
            return f"{self.step.id}/{self.mistake}"
        return say("step {number} ({id})", number=self.step.number, id=self.step.id)

    @property
    def verdict(self) -> Verdict:
        return worst(part.verdict for part in self.parts)

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step.number,
            "id": self.step.id,
            "mistake": self.mistake or None,
            "verdict": self.verdict.value,
            "seconds": round(self.seconds, 3),
            "parts": [part.to_dict() for part in self.parts],
        }


@dataclass(frozen=True)
class Proofs:
    """One run of `swarmlab lab test`. `seed` is None when nothing was drawn by lot."""

    lab: Lab
    name: str
    proofs: tuple[Proof, ...]
    seconds: float
    seed: int | None = None

    @property
    def verdict(self) -> Verdict:
        return worst(proof.verdict for proof in self.proofs)

    @property
    def exit_code(self) -> int:
        """0 all proven, 1 the lab is at fault, 3 it could not be tried."""
        codes = {Verdict.ERRORED: EXIT_ENVIRONMENT, Verdict.FAILED: EXIT_FAILED}
        return codes.get(self.verdict, EXIT_PASSED)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": PROOFS_VERSION,
            "kind": "swarmlab-lab-test",
            "lab": self.lab.id,
            "lab_version": self.lab.version,
            "name": self.name,
            "seed": self.seed,
            "verdict": self.verdict.value,
            "seconds": round(self.seconds, 3),
            "proofs": [proof.to_dict() for proof in self.proofs],
        }
