"""The table of a class as CSV, which no name in it can turn into a formula."""

from __future__ import annotations

import csv
import io

from swarmlab.grading.sheet import Sheet
from swarmlab.points import number

# What a spreadsheet takes for the beginning of a formula, also as East Asian keyboards type it.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def render(sheet: Sheet) -> bytes:
    """UTF-8 with a mark at its beginning, without which Excel takes it for something else."""
    steps = [step.number for step in sheet.lab.steps if step.worth]
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(
        [
            *("student", "points", "of", "percent", "on record only", "could not be looked at"),
            *(f"step {step}" for step in steps),
            *("verdict", "command", "started", "cluster", "signed", "file", "refused because"),
        ]
    )
    for paper in sheet.papers:
        points = paper.points
        earned = [paper.steps[step].earned if step in paper.steps else 0.0 for step in steps]
        writer.writerow(
            [
                _plain(paper.student),
                *map(number, (points.earned, points.of, 100 * points.share)),
                *map(number, (points.recorded, points.unknown, *earned)),
                *(paper.verdict, paper.command, paper.started, paper.cluster),
                "yes" if paper.signed else "no",
                _plain(paper.file),
                "",
            ]
        )
    for one in sheet.refused:
        empty = [""] * (11 + len(steps))
        writer.writerow([*empty, _plain(one.file), _plain(one.reason)])
    return file.getvalue().encode("utf-8-sig", "replace")


def _plain(text: str) -> str:
    """The text, marked as text where a spreadsheet would calculate."""
    return f"'{text}" if text.lstrip(" ")[:1] in _FORMULA and text.strip(" ") else text
