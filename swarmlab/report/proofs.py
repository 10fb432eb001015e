"""What `swarmlab lab test` says: a line for each step or mistake, and why where it failed."""

from __future__ import annotations

from rich.markup import escape
from rich.padding import Padding
from rich.status import Status
from rich.text import Text

from swarmlab.authoring.proofs import Proof, Proofs
from swarmlab.console import err, out
from swarmlab.process import redact
from swarmlab.report import pieces
from swarmlab.report.wrapping import flowing
from swarmlab.results import Verdict
from swarmlab.words import later, say


class ProofTeller:
    """Tells how the test goes: progress on standard error and, unless `quiet`, each result."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._status: Status | None = None

    def started(self, name: str) -> None:
        if err().is_terminal:
            self._status = err().status(escape(say("proving {name}", name=name)))
            self._status.start()
        else:
            err().print(Text(say("· proving {name} ...", name=name)), soft_wrap=True)

    def ended(self, proof: Proof) -> None:
        self.stop()
        if not self._quiet:
            _proof(proof)

    def stop(self) -> None:
        """Take the spinner away, whatever happened."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def summary(proofs: Proofs) -> None:
    """The last lines: how many were proven, how long it took, how to draw the same again."""
    console = out()
    message = (
        later("{good} of {count} mistakes of {lab} are proven")
        if any(proof.mistake for proof in proofs.proofs)
        else later("{good} of {count} steps of {lab} are proven")
    )
    good = sum(1 for proof in proofs.proofs if proof.verdict is Verdict.PASSED)
    words = say(message, good=good, count=len(proofs.proofs), lab=proofs.lab.id)
    line = pieces.row(proofs.verdict, Text(words, style="bold"), pieces.seconds(proofs.seconds), 0)
    pieces.show(console, line)
    if proofs.seed is not None:
        seed = proofs.seed
        words = say("Drawn with seed {seed}: `--seed {seed}` draws the same again.", seed=seed)
        pieces.show(console, Text(words))


def _proof(proof: Proof) -> None:
    console = out()
    good = [p.claim for p in proof.parts if p.verdict is Verdict.PASSED]
    words = Text(proof.name, style="bold") + Text(say(": ") + say(", ").join(good) if good else "")
    pieces.show(console, pieces.row(proof.verdict, words, pieces.seconds(proof.seconds), 0))
    for part in proof.parts:
        if part.verdict is Verdict.PASSED:
            continue
        pieces.show(console, pieces.row(part.verdict, Text(part.claim), "", 2))
        for line in part.seen:
            text = Text(redact(line), style="dim" if part.verdict is Verdict.SKIPPED else "")
            pieces.show(console, Padding(flowing(text), (0, 0, 0, 13), expand=False))
