"""One run of `swarmlab lab test`: which steps or mistakes, in which order, and when to stop."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

from swarmlab.authoring import steps as of_steps
from swarmlab.authoring import wrong_moves
from swarmlab.authoring.bench import Bench, tried
from swarmlab.authoring.proofs import Proof
from swarmlab.authoring.snapshot import Snapshot
from swarmlab.errors import UsageError
from swarmlab.model import Lab, Mistake, Step
from swarmlab.results import Verdict
from swarmlab.words import say

Move = tuple[Step, Mistake]

MOST_NAMED = 20
"""So many names a hint lists; a lab may have a hundred mistakes."""


class Teller(Protocol):
    """Who is told how the test goes."""

    def started(self, name: str) -> None:
        """A proof begins."""

    def ended(self, proof: Proof) -> None:
        """A proof is over."""

    def stop(self) -> None:
        """Nothing more comes, whatever happened."""


def chosen_steps(lab: Lab, wanted: Sequence[str]) -> list[Step]:
    """The steps of those numbers or ids in the lab's order; all when none is named.

    Raises UsageError for one that there is not.
    """
    found = []
    for name in wanted:
        step = lab.find(name.lstrip("0") or name)
        if step is None:
            raise UsageError(
                say("There is no step {name!r} in {id}.", name=name, id=lab.id),
                hint=_near(name, [s.id for s in lab.steps]),
            )
        found.append(step)
    return [step for step in lab.steps if not wanted or step in found]


def chosen_mistakes(
    steps: Sequence[Step], only: Sequence[str], sample: int | None, seed: int
) -> list[Move]:
    """The mistakes of those steps in the lab's order: all, those named, or some drawn by lot.

    A name is the mistake's id, or `STEP/MISTAKE` where two steps have one of the same id. Raises
    UsageError for a name that there is not.
    """
    moves = [(step, mistake) for step in steps for mistake in step.mistakes]
    if only:
        names = [one.id for _, one in moves] + [f"{step.id}/{one.id}" for step, one in moves]
        for name in only:
            if name not in names:
                raise UsageError(
                    say("There is no mistake {name!r} in the steps that were chosen.", name=name),
                    hint=_near(name, names),
                )
        moves = [(step, one) for step, one in moves if {one.id, f"{step.id}/{one.id}"} & set(only)]
    if sample is not None and sample < len(moves):
        drawn = random.Random(seed).sample(range(len(moves)), sample)
        moves = [moves[index] for index in sorted(drawn)]
    return moves


def _near(name: str, names: Sequence[str]) -> str:
    known = list(dict.fromkeys(names))
    near = difflib.get_close_matches(name, known, n=2)
    if near:
        return say("Did you mean {near}?", near=say(" or ").join(near))
    more = ", ..." if len(known) > MOST_NAMED else "."
    return say("There is: {known}{more}", known=", ".join(known[:MOST_NAMED]), more=more)


def prove_steps(bench: Bench, steps: Iterable[Step], teller: Teller) -> list[Proof]:
    """Prove each step; two in a row that could not even be tried end the run."""
    proofs: list[Proof] = []
    for step in steps:
        teller.started(say("step {number} ({id})", number=step.number, id=step.id))
        proofs.append(of_steps.prove(bench, step))
        teller.ended(proofs[-1])
        if _hopeless(proofs):
            break
    return proofs


def prove_mistakes(bench: Bench, moves: Sequence[Move], teller: Teller) -> list[Proof]:
    """Prove each mistake; two in a row that could not even be tried end the run.

    The cluster is brought to each step once, because undoing a mistake leaves it there. Where
    that failed it is brought there from the lab's start, so that one fault is not told twice.
    """
    proofs: list[Proof] = []
    for step, group in groupby(moves, key=lambda move: move[0]):
        for proof in _of_step(bench, step, [mistake for _, mistake in group], teller):
            proofs.append(proof)
            teller.ended(proof)
            if _hopeless(proofs):
                return proofs
    return proofs


def _hopeless(proofs: Sequence[Proof]) -> bool:
    """Whether the environment is at fault, and not a single check that cannot look."""
    last = [proof.verdict for proof in proofs[-2:]]
    return last == [Verdict.ERRORED, Verdict.ERRORED]


def _of_step(
    bench: Bench, step: Step, mistakes: Sequence[Mistake], teller: Teller
) -> Iterator[Proof]:
    before: Snapshot | None = None
    for number, mistake in enumerate(mistakes):
        teller.started(f"{step.id}/{mistake.id}")
        if before is None:
            found: list[Snapshot] = []
            part = tried(
                say("brought to just before step {number}", number=step.number),
                _bring(bench, step, anew=number > 0, found=found),
            )
            if not found:
                yield Proof(step, (part,), mistake.id)
                continue
            before = found[0]
        proof = wrong_moves.prove(bench, step, mistake, before)
        if proof.parts[-1].verdict is not Verdict.PASSED:
            before = None
        yield proof


def _bring(
    bench: Bench, step: Step, *, anew: bool, found: list[Snapshot]
) -> Callable[[], Iterator[str]]:
    def bring() -> Iterator[str]:
        if anew:
            bench.fresh()
            bench.runner().reset(bench.lab.steps[0].number)
        found.append(bench.ready(step))
        yield say("brought there")

    return bring
