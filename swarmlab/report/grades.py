"""The table of a class: on the terminal at 80 columns, and as a page."""

from __future__ import annotations

from datetime import datetime

from rich.table import Table
from rich.text import Text

from swarmlab.checks.looking import counted
from swarmlab.console import out
from swarmlab.grading.paper import Paper
from swarmlab.grading.sheet import Sheet
from swarmlab.points import Points, number
from swarmlab.report import pieces
from swarmlab.report.page import page
from swarmlab.words import later, say

ALL, SOME, NONE, UNKNOWN, ABSENT = "#", "+", ".", "?", "-"
LEGEND = later("# all points of a step, + some, . none, ? could not be looked at, - not done")


def table(sheet: Sheet) -> None:
    """A line a student, a sign a step; then what was refused, and what all that is worth."""
    console = out()
    steps = [step.number for step in sheet.lab.steps if step.worth]
    if sheet.papers:
        grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        grid.add_column(say("Student"), overflow="fold", ratio=1)
        grid.add_column(say("Points"), justify="right", no_wrap=True)
        grid.add_column("%", justify="right", no_wrap=True)
        grid.add_column(say("Steps {first}-{last}", first=steps[0], last=steps[-1]), no_wrap=True)
        grid.add_column(say("Made"), no_wrap=True)
        for paper in sheet.papers:
            grid.add_row(
                Text(paper.student),
                str(paper.points),
                f"{100 * paper.points.share:.0f}",
                "".join(sign(paper.steps.get(step)) for step in steps),
                made(paper),
            )
        pieces.show(console, grid)
        pieces.show(console, Text(say(LEGEND), style="dim"))
    if sheet.refused:
        pieces.show(console, Text(say("Refused:"), style="bold red"))
    for one in sheet.refused:
        pieces.show(console, Text(f"  {one.file}"), wrap=False)
        pieces.show(console, Text(f"    {one.reason}"))
    pieces.show(console, Text(summary(sheet)))
    if sheet.papers:
        pieces.show(console, Text(vouched(sheet), style="dim"))


def render(sheet: Sheet) -> bytes:
    """The same as one HTML file that needs nothing from elsewhere."""
    return page(
        "grades.html.j2",
        sheet=sheet,
        steps=[step for step in sheet.lab.steps if step.worth],
        summary=summary(sheet),
        vouched=vouched(sheet),
        made=made,
        words={
            "grades": say("Grades"),
            "caption": say("Points by student and step"),
            "student": say("Student"),
            "points": say("Points"),
            "made": say("Made"),
            "of": say("of"),
            "stop": say(". "),
            "refused": say("Refused"),
            "file": say("File"),
            "reason": say("Reason"),
        },
    )


def sign(points: Points | None) -> str:
    """One sign for what a step earned."""
    if points is None:
        return ABSENT
    if points.unknown:
        return UNKNOWN
    if points.earned >= points.of:
        return ALL
    return SOME if points.earned else NONE


def made(paper: Paper) -> str:
    """When it was made, in the time of this machine."""
    return f"{datetime.fromisoformat(paper.started).astimezone():%Y-%m-%d %H:%M}"


def summary(sheet: Sheet) -> str:
    """The class in one line."""
    count, refused = len(sheet.papers), len(sheet.refused)
    words = counted(count, "student")
    if count:
        words += say(
            ", {points} of {worth} points on average",
            points=number(sheet.mean),
            worth=number(sheet.lab.worth),
        )
    if refused:
        words += say("; {count} refused", count=counted(refused, "file"))
    return words


def vouched(sheet: Sheet) -> str:
    """What stands behind the rows."""
    if sheet.papers and not any(paper.file for paper in sheet.papers):
        return say("Looked at just now, on the live lab.")
    if sheet.signed:
        return say("Signed with your key: whoever has the key can have made them.")
    return say("Not signed: a checksum catches accidents, and nobody who means to change a result.")
