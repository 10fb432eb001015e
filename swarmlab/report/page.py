"""Results as one HTML file that needs nothing from elsewhere: for the screen, and for paper."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from swarmlab import __version__
from swarmlab.errors import SwarmlabError
from swarmlab.points import number
from swarmlab.report import pieces, since
from swarmlab.results import CheckResult, RunResult, StepResult, Verdict
from swarmlab.templating import LANGUAGE_TAGS, environment
from swarmlab.words import language, say

_HERE = Path(__file__).resolve().parent
STYLE = _HERE / "page.css"


def render(result: RunResult) -> bytes:
    """The result with all its evidence, in the language that is spoken now."""
    return page("result.html.j2", result=result, words=_words(result))


def unended(command: str, cause: SwarmlabError | None) -> bytes:
    """A page in the place of a result, as long as there is none; `cause` as for `junit.unended`."""
    words = say("The command has not come to its end: nothing is proven.")
    return page("unended.html.j2", command=command, words=words, cause=cause)


def page(template: str, **values: Any) -> bytes:
    """A page of the templates here, in UTF-8; whatever it is given is escaped."""
    text = (
        _environment()
        .get_template(template)
        .render(
            style=STYLE.read_text(encoding="utf-8"),
            lang=LANGUAGE_TAGS.get(language(), language()),
            made_by=f"swarmlab {__version__}",
            **values,
        )
    )
    return str(text).encode("utf-8", "replace")


@cache
def _environment() -> Any:
    return environment(
        _HERE, mark=_mark, seconds=pieces.seconds, number=number, passed=passed, since=_since
    )


def _mark(verdict: Verdict) -> str:
    return pieces.verdict(verdict).plain


def passed(step: StepResult) -> str:
    """`3/4`: the checks that passed, of those looked at."""
    looked_at = len(step.checks) - step.count(Verdict.SKIPPED)
    return f"{step.count(Verdict.PASSED)}/{looked_at}"


def _since(check: CheckResult) -> str:
    return since.words(check.since) if check.since else ""


def _words(result: RunResult) -> dict[str, str]:
    points = result.points
    return {
        "student": say("Student"),
        "command": say("Command"),
        "started": say("Started"),
        "time": say("Time"),
        "version": say("Version of the lab"),
        "digest": say("Its content"),
        "cluster": say("Cluster"),
        "data_plane": say("Data plane"),
        "summary": say("Summary"),
        "step": say("Step"),
        "what": say("What"),
        "result": say("Result"),
        "checks": say("Checks"),
        "points": say("Points"),
        "recorded": say("{points} of them on record only", points=number(points.recorded)),
        "unknown": say("{points} could not be looked at", points=number(points.unknown)),
        "worth": say("the whole lab is worth {points}", points=number(result.worth)),
        "expected": say("expected"),
        "seen": say("seen"),
        "why": say("why"),
        "look": say("look yourself"),
        "since": say("since"),
        "hint": say("what to do"),
    }
