"""The chapter on the terminal: the list of steps, a step to read, what was found, what is next."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text

from swarmlab.console import out
from swarmlab.model import Lab, Step
from swarmlab.naming import named, options
from swarmlab.report import pieces, runs, text
from swarmlab.report.cluster import program
from swarmlab.results import RunResult, Verdict
from swarmlab.words import say


def step_list(lab: Lab, done: Collection[str]) -> None:
    """Number, id, title and whether it is done, a line each."""
    console = out()
    pieces.show(console, Text(lab.title, style="bold"))
    width = max(len(step.id) for step in lab.steps)
    marks = {True: Text(say("done"), style="green"), False: Text(say("to do"), style="dim")}
    room = max(mark.cell_len for mark in marks.values()) + 1
    for mark in marks.values():
        mark.pad_right(room - mark.cell_len)
    for step in lab.steps:
        mark = marks[step.id in done]
        line = Text(f"{step.number:>3}  ") + mark + Text(f"{step.id:<{width}}  ", style="bold")
        pieces.show(console, line + Text(step.title))
    count = sum(1 for step in lab.steps if step.id in done)
    all_of = len(lab.steps)
    pieces.show(console, Text(say("{count} of {all} steps done.", count=count, all=all_of)))


def step_text(step: Step) -> None:
    """The step as a student reads it, with its commands; nothing is run."""
    text.step_text(out(), step)


def ready_for(step: Step, name: str) -> None:
    """After `goto`: the lab stands just before this step."""
    words = say(
        "The lab stands just before step {number} ({title}).", number=step.number, title=step.title
    )
    pieces.show(out(), Text(words))
    _next(f"swarmlab step {step.number}{options(name)}", say("runs it"))


def undone(step: Step, name: str) -> None:
    """After `reset`: the step is as if it had never been begun."""
    words = say("Step {number} ({title}) is undone.", number=step.number, title=step.title)
    pieces.show(out(), Text(words))
    _next(f"swarmlab step {step.number}{options(name)}", say("does it again"))


def what_next(lab: Lab, result: RunResult, done: Collection[str]) -> None:
    """After `step`: the next step, or how to go on after a failure."""
    last = result.steps[-1] if result.steps else None
    if last is None:
        return
    name = options(result.name)
    if result.verdict is not Verdict.PASSED:
        again = f"swarmlab step {last.number}{name}"
        _next(again, say("does the step again, once what is said above is mended"))
        return
    following = lab.find(last.number + 1)
    if following is not None:
        _next(f"swarmlab step {following.number}{name}", following.title)


def verified(
    lab: Lab, result: RunResult, done: Collection[str] = (), *, each: bool = False
) -> None:
    """After `verify`: all steps looked at, the evidence of what does not hold, and totals.

    With `each`, what was seen is shown for what holds as well.
    """
    console = out()
    if not result.steps:
        nothing = say("No step is done yet, so there is nothing that should hold.")
        pieces.show(console, Text(nothing))
        runs.uncounted(console, lab, result, done)
        if not result.uncounted:
            _next(f"swarmlab step 1{options(result.name)}", say("begins the chapter"))
        return
    name = options(result.name)
    failed = [step for step in result.steps if step.verdict in (Verdict.FAILED, Verdict.ERRORED)]
    early = [step for step in failed if step.id not in done]
    if each:
        for step in result.steps:
            head = say("Step {number}: {title}", number=step.number, title=step.title)
            pieces.show(console, Text(head, style="bold"))
            if step in early:
                words = say("not done yet: `swarmlab step {number}` does it", number=step.number)
                pieces.show(console, Text(f"  {named(words)}"))
            for check in step.checks:
                pieces.check_line(console, check)
                pieces.seen(console, check)
    else:
        runs.table(console, result)
        runs.problems(console, result)
    runs.totals(console, result)
    runs.uncounted(console, lab, result, done)
    if any(check.ended_by for step in result.steps for check in step.checks):
        words = say("skipped: was true at its moment, and a later step changed it")
        pieces.show(console, Text(words, style="dim"))
    lost = [step for step in failed if step not in early]
    if result.count(Verdict.ERRORED):
        _next(f"swarmlab up{name}", say("mends the lab, so that it can be looked at"))
    # Steps typed by hand may have ended on purpose what no longer holds: first they are recorded.
    elif lost and not result.uncounted:
        again = say("does again what no longer holds, from step {number}", number=lost[0].number)
        last = max((s.number for s in lab.steps if s.id in done), default=lost[-1].number)
        _next(f"swarmlab run --to {last}{name}", again)


def summary(lab: Lab, result: RunResult, done: Collection[str]) -> None:
    """After `run`: a line a step, the closing claims with their evidence, what is still to do."""
    console = out()
    pieces.show(console, Text(""))
    pieces.show(console, Text(say("Summary"), style="bold"))
    runs.table(console, result)
    runs.totals(console, result)
    _closing(result)
    if result.verdict is not Verdict.PASSED:
        what_next(lab, result, done)
        return
    shown = {step.number for step in result.steps}
    todo = [step for step in lab.steps if step.number not in shown and step.id not in done]
    if todo and todo == list(lab.steps[-len(todo) :]) and len(todo) > 2:
        first, final = todo[0].number, todo[-1].number
        words = say("Still to do: steps {first} to {last}", first=first, last=final)
        pieces.show(console, Text(words))
    else:
        for step in todo:
            words = say("Still to do: step {number}, {title}", number=step.number, title=step.title)
            pieces.show(console, Text(words))
    name = options(result.name)
    if todo:
        _next(f"swarmlab step {todo[0].number}{name}", say("does it"))
        _next(f"swarmlab verify{name}", say("looks again at all that should hold"))
        again = say("reads a step; without --show it is done again")
        example = lab.find(9) or lab.steps[-1]
        _next(f"swarmlab step {example.number} --show{name}", again)
        _next(f"swarmlab down{name}", say("removes the lab"))


def _closing(result: RunResult) -> None:
    """The chapter's two requirements, with the evidence of the step that proved them."""
    last = next((step for step in result.steps if step.id == "heal"), None)
    if last is None:
        return
    found = [check for check in last.checks if check.id in ("synchronised", "restored", "healed")]
    if found:
        pieces.show(out(), Text(say("What the chapter set out to show:"), style="bold"))
    for check in found:
        pieces.check_line(out(), check)
        pieces.seen(out(), check)


def _next(command: str, what: str) -> None:
    if command.startswith("swarmlab "):
        command = program() + command.removeprefix("swarmlab")
    line = (
        Text(say("Next: ")) + Text(command, style="bold") + Text("  " + say("({note})", note=what))
    )
    pieces.show(out(), line, wrap=False)
