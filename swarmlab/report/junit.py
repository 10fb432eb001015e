"""Results as JUnit XML, for the systems that read tests: a suite a step, a case a check.

Written here and not by a library: those at hand write attributes that Jenkins' schema refuses,
and let control characters through, of which XML has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from swarmlab.errors import SwarmlabError
from swarmlab.points import number
from swarmlab.report import since
from swarmlab.results import CheckResult, CommandResult, RunResult, StepResult, Verdict
from swarmlab.words import say

Case = CheckResult | CommandResult

# What XML 1.0 has no place for.
_OUTSIDE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_COUNTED = {Verdict.FAILED: "failures", Verdict.ERRORED: "errors"}
_ELEMENTS = {Verdict.FAILED: "failure", Verdict.ERRORED: "error", Verdict.SKIPPED: "skipped"}


def render(result: RunResult) -> bytes:
    """The result as a whole XML file, in UTF-8."""
    root = ET.Element("testsuites", name=_text(result.lab), time=f"{result.seconds:.3f}")
    everything: list[Case] = []
    for step in result.steps:
        cases: list[Case] = [*step.commands, *step.checks]
        everything += cases
        about = {
            "name": f"{step.number:02d} {_text(step.title)}",
            "timestamp": result.started.partition("+")[0],
            "time": f"{step.seconds:.3f}",
            "skipped": str(_count(cases, Verdict.SKIPPED)),
        }
        suite = ET.SubElement(root, "testsuite", about | _counts(cases))
        _properties(suite, result, step)
        for case in cases:
            _case(suite, f"{result.lab}.{step.number:02d}-{step.id}", case)
    root.attrib.update(_counts(everything))
    ET.indent(root)
    whole: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole + b"\n"


def unended(command: str, cause: SwarmlabError | None) -> bytes:
    """A file in the place of a result, as long as there is none: one test, in error.

    `cause` is why there will be none, None while the command is at it.
    """
    counts = {"tests": "1", "failures": "0", "errors": "1"}
    root = ET.Element("testsuites", {"name": "swarmlab", "time": "0.000", **counts})
    begun = datetime.now(UTC).isoformat(timespec="seconds").partition("+")[0]
    about = {"name": _text(command), "timestamp": begun, "time": "0.000", "skipped": "0"}
    suite = ET.SubElement(root, "testsuite", about | counts)
    case = ET.SubElement(suite, "testcase", classname="swarmlab", name=command, time="0.000")
    words = say("The command has not come to its end: nothing is proven.")
    error = ET.SubElement(case, "error", message=words, type=Verdict.ERRORED.value)
    if cause is not None:
        parts = (cause.message, cause.evidence, cause.hint)
        error.text = _text("\n".join(part for part in parts if part))
    ET.indent(root)
    whole: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole + b"\n"


def _properties(suite: ET.Element, result: RunResult, step: StepResult) -> None:
    told = {
        "lab_version": result.lab_version,
        "command": result.command,
        "cluster": result.cluster,
        "data_plane": result.data_plane,
        "student": result.student,
        "points": number(step.points.earned),
        "points_of": number(step.points.of),
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in told.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_text(value))


def _case(suite: ET.Element, place: str, part: Case) -> None:
    if isinstance(part, CheckResult):
        name, reason, told = part.title, part.reason or part.actual, _evidence(part)
    else:
        name, reason = say("the command {id!r}", id=part.id), part.reason
        told = f"{part.run.rstrip()}\n\n{part.output}".rstrip()
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_text(place),
        name=_text(f"{part.id}: {name}" if isinstance(part, CheckResult) else name),
        time=f"{part.seconds:.3f}",
    )
    if part.verdict is Verdict.PASSED:
        return
    words = _text(" ".join(reason.split()))
    ended = ET.SubElement(case, _ELEMENTS[part.verdict], message=words)
    if part.verdict is not Verdict.SKIPPED:
        ended.set("type", part.verdict.value)
        ended.text = _text(told)


def _evidence(check: CheckResult) -> str:
    parts = (
        (say("expected"), check.expected),
        (say("seen"), check.actual),
        (say("could not be looked at"), check.reason),
        (say("since"), since.words(check.since) if check.since else ""),
        (say("look yourself"), check.source),
        (say("what to do"), check.hint),
    )
    return "\n".join(f"{label}{say(': ')}{text.strip()}" for label, text in parts if text)


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    told = {"tests": str(len(cases))}
    return told | {name: str(_count(cases, verdict)) for verdict, name in _COUNTED.items()}


def _count(cases: Sequence[Case], verdict: Verdict) -> int:
    return sum(1 for case in cases if case.verdict is verdict)


def _text(value: str) -> str:
    """The text with a sign in place of each character that XML does not have."""
    return _OUTSIDE.sub("\ufffd", value)
