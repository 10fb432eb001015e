"""`steps`, `step`, `goto`, `reset`, `verify`, `run`: the chapter's life."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.cli.options import (
    DEFAULT_LAB,
    DEFAULT_LANGUAGE,
    DEFAULT_NAME,
    Catalog,
    Json,
    LabName,
    Language,
    Name,
    speak,
)
from swarmlab.cli.outcome import Html, Junit, Student, outcome
from swarmlab.errors import Unheard

if TYPE_CHECKING:
    from swarmlab.listener import Listener
    from swarmlab.model import Lab, Step
    from swarmlab.runner import Runner
    from swarmlab.student import ProgressStore

PANEL = "The chapter"

StepName = Annotated[str, typer.Argument(help="The step's number or id: 4, or consul-server.")]


def in_language(language: str, wanted: str = DEFAULT_LAB, name: str = "", catalog: str = "") -> Lab:
    """The lab that is meant, in that language, which is spoken from then on.

    Its images are those that the lab called `name` was made with; of a new one, those of
    `catalog`. Without a name they are those built here.
    """
    from swarmlab import loader
    from swarmlab.loading.languages import localized

    language = speak(language)
    sources = None
    if name:
        from swarmlab.cluster import memory

        sources = memory.images(name, catalog)
    return localized(loader.find(wanted, sources=sources), language)


def find(lab: Lab, wanted: str) -> Step:
    from swarmlab.errors import UsageError
    from swarmlab.words import say

    step = lab.find(wanted.lstrip("0") or wanted)
    if step is None:
        import difflib

        near = difflib.get_close_matches(wanted, [s.id for s in lab.steps], n=1)
        message = say("There is no step {wanted!r} in {lab}.", wanted=wanted, lab=lab.id)
        if near:
            message += say(" Did you mean {step}?", step=near[0])
        raise UsageError(
            message,
            hint=say(
                "Steps go from 1 to {last}; `swarmlab steps` lists them.", last=len(lab.steps)
            ),
        )
    return step


def _progress(name: str, lab: Lab) -> ProgressStore:
    from swarmlab.student import ProgressStore

    return ProgressStore(name, lab=lab.id)


@contextmanager
def _runner(lab: Lab, name: str, listener: Listener, *, changes: bool) -> Iterator[Runner]:
    """A runner on the lab of that name; with `changes`, nobody else may change it meanwhile."""
    from contextlib import ExitStack

    from swarmlab.cluster import lifecycle
    from swarmlab.cluster.workspace import LabWorkspace
    from swarmlab.console import ConsoleProgress
    from swarmlab.runner import Runner

    with ExitStack() as stack:
        if changes:
            stack.enter_context(lifecycle.lock(name))
        workspace = stack.enter_context(LabWorkspace(name, lab, ConsoleProgress()))
        yield Runner(lab, workspace=workspace, progress=_progress(name, lab), listener=listener)


def _listener(as_json: bool, full: int | None = None) -> Listener:
    from swarmlab.report.live import LiveListener, QuietListener

    return QuietListener() if as_json else LiveListener(full)


def steps(
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    lang: Language = DEFAULT_LANGUAGE,
    as_json: Json = False,
) -> None:
    """List the chapter's steps and which of them are done."""
    from swarmlab.report.chapter import step_list

    lab = in_language(lang, lab_id)
    done = _progress(name, lab).done()
    if as_json:
        rows = [
            {"number": s.number, "id": s.id, "title": s.title, "done": s.id in done}
            for s in lab.steps
        ]
        typer.echo(json.dumps({"lab": lab.id, "name": name, "steps": rows}, indent=2))
    else:
        step_list(lab, done)


def step(
    which: StepName,
    name: Name = DEFAULT_NAME,
    show: Annotated[
        bool, typer.Option("--show", help="Print the step's text and commands; run nothing.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Show the recorded step; run nothing, need no lab.")
    ] = False,
    lab_id: LabName = DEFAULT_LAB,
    catalog: Catalog = "",
    lang: Language = DEFAULT_LANGUAGE,
    as_json: Json = False,
    junit: Junit = None,
    html: Html = None,
    student: Student = "",
) -> None:
    """Explain one step, run its commands, and prove what it claims.

    The lab is brought up and earlier steps are run along when they are missing. A step that was
    done is reset first, and the steps after it with it.
    """
    from swarmlab.report.chapter import step_text

    lab = in_language(lang, lab_id, name, catalog)
    wanted = find(lab, which)
    if show:
        step_text(wanted)
        return
    if replay:
        _replay(lab, wanted, as_json)
        return
    output = outcome("step", as_json, junit, html, student)
    listener = _listener(as_json, full=wanted.number)
    with _runner(lab, name, listener, changes=True) as runner:
        result = runner.step(wanted.number)
    if not as_json:
        from swarmlab.report.chapter import what_next

        what_next(lab, result, _progress(name, lab).done())
    output.end(result)


def _replay(lab: Lab, wanted: Step, as_json: bool) -> None:
    from swarmlab import recording
    from swarmlab.errors import UsageError
    from swarmlab.report import replay
    from swarmlab.words import say

    recorded = recording.load(lab)
    if recorded is None:
        raise UsageError(
            say("There is no recording of {lab}.", lab=lab.id),
            hint=say("`swarmlab record` runs the lab and records it."),
        )
    if as_json:
        typer.echo(json.dumps(replay.to_dict(lab, wanted, recorded), indent=2))
    else:
        replay.show(lab, wanted, recorded)


def goto(
    which: StepName,
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    catalog: Catalog = "",
    lang: Language = DEFAULT_LANGUAGE,
    as_json: Json = False,
) -> None:
    """Bring the lab to the state just before a step, from any state."""
    lab = in_language(lang, lab_id, name, catalog)
    wanted = find(lab, which)
    output = outcome("goto", as_json)
    with _runner(lab, name, _listener(as_json), changes=True) as runner:
        result = runner.goto(wanted.number)
    if not as_json and result.exit_code == 0:
        from swarmlab.report.chapter import ready_for

        ready_for(wanted, name)
    output.end(result)


def reset(
    which: StepName,
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    catalog: Catalog = "",
    lang: Language = DEFAULT_LANGUAGE,
    as_json: Json = False,
) -> None:
    """Undo a step and all that was run after it; run no step.

    Steps after it that were run go first, the last one before all. The step itself is undone
    whether it was run or typed by hand, whole or half. Steps that were done before it stay as
    they are; those before it that are not done are undone too.
    """
    lab = in_language(lang, lab_id, name, catalog)
    wanted = find(lab, which)
    output = outcome("reset", as_json)
    with _runner(lab, name, _listener(as_json), changes=True) as runner:
        result = runner.reset(wanted.number)
    if not as_json:
        from swarmlab.report.chapter import undone

        undone(wanted, name)
    output.end(result)


def verify(
    which: Annotated[
        list[str] | None,
        typer.Argument(help="Steps to look at, by number or id; none: all that are done."),
    ] = None,
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    catalog: Catalog = "",
    lang: Language = DEFAULT_LANGUAGE,
    as_json: Json = False,
    junit: Junit = None,
    html: Html = None,
    student: Student = "",
) -> None:
    """Look at what should hold now, given the steps that are done; the cluster stays as it is.

    With steps named, each is looked at whether it was run or typed by hand; one that holds is
    from then on recorded as done, if all before it are.
    """
    from swarmlab import notes
    from swarmlab.report.chapter import verified
    from swarmlab.report.live import QuietListener

    lab = in_language(lang, lab_id, name, catalog)
    numbers = [find(lab, one).number for one in which] if which else None
    output = outcome("verify", as_json, junit, html, student)
    listener = QuietListener()
    # Naming steps may write down that they are done, which nobody else may do meanwhile.
    with _runner(lab, name, listener, changes=bool(which)) as runner:
        result = runner.verify(numbers)
    done = _progress(name, lab).done()
    if not as_json:
        # What was found is known: a reader who has enough of it changes nothing of that.
        with suppress(Unheard):
            verified(lab, result, done, each=bool(which))
    elif result.uncounted:
        listener.note(notes.uncounted(lab, result.uncounted, done))
    output.end(result)


def run(
    first: Annotated[
        str | None,
        typer.Option("--from", help="Begin anew at this step, even when it was done."),
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Stop after this step.")] = None,
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    catalog: Catalog = "",
    lang: Language = DEFAULT_LANGUAGE,
    as_json: Json = False,
    junit: Junit = None,
    html: Html = None,
    student: Student = "",
) -> None:
    """Run the whole chapter without questions, and prove every step.

    Steps that are done already are not run again but looked at; with --from they are reset and
    run anew. The last step, clean-up, removes the lab: stop before it with --to 13.
    """
    from swarmlab.errors import UsageError
    from swarmlab.report.chapter import summary
    from swarmlab.words import say

    lab = in_language(lang, lab_id, name, catalog)
    begin = find(lab, first).number if first else None
    end = find(lab, last).number if last else len(lab.steps)
    if begin is not None and begin > end:
        raise UsageError(
            say(
                "--from {begin} lies after --to {end}: there is nothing to run.",
                begin=begin,
                end=end,
            ),
            hint=say(
                "Give the earlier one to --from: `swarmlab run --from {end} --to {begin}`.",
                begin=begin,
                end=end,
            ),
        )
    output = outcome("run", as_json, junit, html, student)
    with _runner(lab, name, _listener(as_json), changes=True) as runner:
        result = runner.run(begin, end)
    if not as_json:
        with suppress(Unheard):
            summary(lab, result, _progress(name, lab).done())
    output.end(result)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (run, steps, step, goto, reset, verify):
        app.command(rich_help_panel=PANEL)(command)
