"""A whole run on a terminal: its steps in a table, its totals, and the evidence of what failed."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.table import Table
from rich.text import Text

from swarmlab import notes
from swarmlab.model import Lab
from swarmlab.naming import named
from swarmlab.points import number
from swarmlab.report import pieces
from swarmlab.report.wrapping import flowing
from swarmlab.results import RunResult, Verdict
from swarmlab.words import later, say


def table(console: Console, result: RunResult) -> None:
    """All steps of a run: verdict, checks, time."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    grid.add_column(say("Step"), justify="right", no_wrap=True)
    grid.add_column(say("What"), overflow="fold", ratio=1)
    grid.add_column(say("Result"), no_wrap=True)
    grid.add_column(say("Checks"), justify="right", no_wrap=True)
    grid.add_column(say("Time"), justify="right", no_wrap=True)
    for step in result.steps:
        looked_at = len(step.checks) - step.count(Verdict.SKIPPED)
        grid.add_row(
            str(step.number),
            flowing(Text(step.title)),
            pieces.verdict(step.verdict),
            f"{step.count(Verdict.PASSED)}/{looked_at}",
            pieces.seconds(step.seconds),
        )
    pieces.show(console, grid)


def totals(console: Console, result: RunResult) -> None:
    """The run in a few lines: steps, checks, and what the time was spent on."""
    proven = sum(1 for step in result.steps if step.verdict is Verdict.PASSED)
    # A step whose claims have all ended since (a diverged state that was mended) has nothing left
    # to look at: it is no miss.
    looked_at = sum(1 for step in result.steps if step.verdict is not Verdict.SKIPPED)
    parts = [
        say(words, count=result.count(kind))
        for kind, words in (
            (Verdict.PASSED, later("{count} passed")),
            (Verdict.FAILED, later("{count} failed")),
            (Verdict.ERRORED, later("{count} could not be looked at")),
            (Verdict.SKIPPED, later("{count} skipped")),
        )
        if result.count(kind)
    ]
    head = pieces.verdict(result.verdict)
    steps = say("{proven} of {looked_at} steps", proven=proven, looked_at=looked_at)
    checks = say("checks: {verdicts}", verdicts=say(", ").join(parts) or say("none"))
    head.append(f"  {steps}{say('; ')}{checks}")
    pieces.show(console, head)
    if result.count(Verdict.ERRORED) and result.count(Verdict.FAILED):
        first = say("Mend first what could not be looked at: what FAILED may only follow from it.")
        pieces.show(console, Text(first))
    points(console, result)
    time = result.timing
    spent = [
        f"{say(name)} {pieces.seconds(value)}"
        for name, value in (
            (later("bringing the lab up"), time.lab),
            (later("commands"), time.commands),
            (later("waiting for the cluster"), time.waiting),
            (later("checks"), time.checks),
            (later("swarmlab itself"), time.own),
        )
        # Finding a lab that is up takes a moment; bringing one up takes seconds.
        if value >= (1.0 if value == time.lab else 0.05)
    ]
    if spent:
        sums = f"{pieces.seconds(result.seconds)}{say(': ')}{say(', ').join(spent)}"
        pieces.show(console, Text(sums, style="dim"))


def points(console: Console, result: RunResult) -> None:
    """What was earned, step by step, and what the whole lab is worth."""
    whole = result.points
    if not whole.of:
        return
    steps = "  ".join(f"{step.number}={step.points}" for step in result.steps if step.points.of)
    parts = [say("points: {points}", points=whole)]
    if whole.recorded:
        parts.append(say("{points} of them on record only", points=number(whole.recorded)))
    if whole.unknown:
        parts.append(say("{points} could not be looked at", points=number(whole.unknown)))
    if result.worth > whole.of:
        parts.append(say("the whole lab is worth {points}", points=number(result.worth)))
    pieces.show(console, Text(say("; ").join(parts)))
    if steps:
        pieces.show(console, Text(say("by step: {steps}", steps=steps), style="dim"))


def uncounted(console: Console, lab: Lab, result: RunResult, done: Collection[str]) -> None:
    """Which steps earn nothing yet though they may have been typed, and what to type for that."""
    if result.uncounted:
        pieces.show(console, Text(named(notes.uncounted(lab, result.uncounted, done))))


def problems(console: Console, result: RunResult) -> None:
    """The evidence of every check that did not pass, step by step, and what was skipped for it.

    What kept many checks from looking (a node that stands still, say) is told once.
    """
    told: set[str] = set()
    for step in result.steps:
        bad = [c for c in step.checks if c.verdict in (Verdict.FAILED, Verdict.ERRORED)]
        if bad:
            head = say("Step {number}: {title}", number=step.number, title=step.title)
            pieces.show(console, Text(head, style="bold"))
        for check in bad:
            if check.verdict is Verdict.ERRORED and check.reason in told:
                pieces.show(
                    console, pieces.row(check.verdict, Text(check.title), say("the same cause"))
                )
                continue
            told.add(check.reason)
            pieces.evidence(console, check)
        for check in step.checks:
            if check.blocked_by:
                pieces.check_line(console, check)
