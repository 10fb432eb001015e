"""The chapter on the terminal: the list of steps, a step to read, what was found, what is next."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text

from swarmlab.console import out
from swarmlab.model import Lab, Step
from swarmlab.report import pieces, text
from swarmlab.report.cluster import option, program
from swarmlab.results import RunResult, Verdict


def step_list(lab: Lab, done: Collection[str]) -> None:
    """Number, id, title and whether it is done, a line each."""
    console = out()
    pieces.show(console, Text(lab.title, style="bold"))
    width = max(len(step.id) for step in lab.steps)
    for step in lab.steps:
        mark = Text("done  ", style="green") if step.id in done else Text("to do ", style="dim")
        line = Text(f"{step.number:>3}  ") + mark + Text(f"{step.id:<{width}}  ", style="bold")
        pieces.show(console, line + Text(step.title))
    count = sum(1 for step in lab.steps if step.id in done)
    pieces.show(console, Text(f"{count} of {len(lab.steps)} steps done."))


def step_text(step: Step) -> None:
    """The step as a student reads it, with its commands; nothing is run."""
    text.step_text(out(), step)


def ready_for(step: Step, name: str) -> None:
    """After `goto`: the lab stands just before this step."""
    words = f"The lab stands just before step {step.number} ({step.title})."
    pieces.show(out(), Text(words))
    _next(f"swarmlab step {step.number}{option(name)}", "runs it")


def what_next(lab: Lab, result: RunResult, done: Collection[str]) -> None:
    """After `step`: the next step, or how to go on after a failure."""
    last = result.steps[-1] if result.steps else None
    if last is None:
        return
    name = option(result.name)
    if result.verdict is not Verdict.PASSED:
        again = f"swarmlab step {last.number}{name}"
        _next(again, "does the step again, once what is said above is mended")
        return
    following = lab.find(last.number + 1)
    if following is not None:
        _next(f"swarmlab step {following.number}{name}", following.title)


def verified(lab: Lab, result: RunResult) -> None:
    """After `verify`: all steps looked at, the evidence of what does not hold, and totals."""
    console = out()
    if not result.steps:
        pieces.show(console, Text("No step is done yet, so there is nothing that should hold."))
        _next(f"swarmlab step 1{option(result.name)}", "begins the chapter")
        return
    pieces.table(console, result)
    pieces.problems(console, result)
    pieces.totals(console, result)


def summary(lab: Lab, result: RunResult, done: Collection[str]) -> None:
    """After `run`: a line a step, the closing claims with their evidence, what is still to do."""
    console = out()
    pieces.show(console, Text(""))
    pieces.show(console, Text("Summary", style="bold"))
    pieces.table(console, result)
    pieces.totals(console, result)
    _closing(result)
    if result.verdict is not Verdict.PASSED:
        what_next(lab, result, done)
        return
    shown = {step.number for step in result.steps}
    todo = [step for step in lab.steps if step.number not in shown and step.id not in done]
    if todo and todo == list(lab.steps[-len(todo) :]) and len(todo) > 2:
        words = f"Still to do: steps {todo[0].number} to {todo[-1].number}"
        pieces.show(console, Text(words))
    else:
        for step in todo:
            pieces.show(console, Text(f"Still to do: step {step.number}, {step.title}"))
    name = option(result.name)
    if todo:
        _next(f"swarmlab step {todo[0].number}{name}", "does it")
        _next(f"swarmlab verify{name}", "looks again at all that should hold")
        _next(f"swarmlab step 9 --show{name}", "reads a step; without --show it is done again")
        _next(f"swarmlab down{name}", "removes the lab")


def _closing(result: RunResult) -> None:
    """The chapter's two requirements, with the evidence of the step that proved them."""
    last = next((step for step in result.steps if step.id == "heal"), None)
    if last is None:
        return
    found = [check for check in last.checks if check.id in ("synchronised", "restored", "healed")]
    if found:
        pieces.show(out(), Text("What the chapter set out to show:", style="bold"))
    for check in found:
        pieces.check_line(out(), check)
        pieces.seen(out(), check)


def _next(command: str, what: str) -> None:
    if command.startswith("swarmlab "):
        command = program() + command.removeprefix("swarmlab")
    line = Text("Next: ") + Text(command, style="bold") + Text(f"  ({what})")
    pieces.show(out(), line, wrap=False)
