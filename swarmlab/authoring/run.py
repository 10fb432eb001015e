"""`swarmlab lab test` from its words to its proofs: the lab, its cluster, and what is proven."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from swarmlab import loader
from swarmlab.authoring import testing
from swarmlab.authoring.bench import Bench
from swarmlab.authoring.proofs import Proofs
from swarmlab.authoring.testing import Teller
from swarmlab.cluster import lifecycle
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.console import ConsoleProgress
from swarmlab.errors import UsageError
from swarmlab.model import Lab
from swarmlab.student import ProgressStore
from swarmlab.words import say

# What is drawn by lot is drawn from so many seeds: short enough to be typed again.
SEEDS = 1_000_000


@dataclass(frozen=True)
class Choice:
    """What shall be proven: all steps or those named; or their mistakes, all or some of them."""

    steps: tuple[str, ...] = ()
    mistakes: bool = False
    only: tuple[str, ...] = ()
    sample: int | None = None
    seed: int | None = None


def prove(lab_name: str, name: str, choice: Choice, teller: Teller) -> Proofs:
    """Prove a lab (the id of a built-in one, or a folder) on the cluster called `name`.

    The cluster is brought up when it is missing, and stays up. Raises UsageError for a step or a
    mistake that there is not, LabFileError, LabBusy, EnvironmentProblem.
    """
    begun = time.monotonic()
    lab = loader.find(lab_name)
    steps = testing.chosen_steps(lab, choice.steps)
    seed = None
    if choice.mistakes and choice.sample is not None:
        seed = random.randrange(SEEDS) if choice.seed is None else choice.seed
    moves = testing.chosen_mistakes(steps, choice.only, choice.sample, seed or 0)
    if choice.mistakes and not moves:
        raise UsageError(
            say("The chosen steps of {id} list no mistakes.", id=lab.id),
            hint=say("`mistakes` of a step in lab.yaml lists them."),
        )
    with lifecycle.lock(name), _standing(lab, name) as workspace:
        bench = Bench(lab, workspace=workspace, progress=ProgressStore(name, lab=lab.id))
        try:
            if choice.mistakes:
                found = testing.prove_mistakes(bench, moves, teller)
            else:
                found = testing.prove_steps(bench, steps, teller)
        finally:
            teller.stop()
    return Proofs(lab, name, tuple(found), time.monotonic() - begun, seed)


def _standing(lab: Lab, name: str) -> LabWorkspace:
    """The lab's workspace, on a cluster that stands.

    In one that has just brought it up, every look is given the time that things need to start.
    """
    with LabWorkspace(name, lab, ConsoleProgress()) as coming:
        coming.world()
    return LabWorkspace(name, lab, ConsoleProgress())
