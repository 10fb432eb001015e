"""Results as JUnit XML: what CI systems' schemas ask for, counts that are right, nothing lost."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import junitparser
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from swarmlab import words
from swarmlab.report import junit
from swarmlab.results import (
    CheckResult,
    CommandResult,
    RunResult,
    Since,
    StepResult,
    Timing,
    Verdict,
)

P, F, E, S = Verdict.PASSED, Verdict.FAILED, Verdict.ERRORED, Verdict.SKIPPED
SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "schemas" / "junit.xsd")


def result(*, text: str = "what was seen", student: str = "Anna") -> RunResult:
    def checked(verdict: Verdict, number: int) -> CheckResult:
        return CheckResult(
            f"check-{number}", f"Claim {text}", "swarm.nodes", verdict, expected="3 nodes",
            actual=text, source="docker node ls", hint="look", reason=text if verdict in (E, S)
            else "", seconds=0.5, weight=2.0, telling=True,
        )  # fmt: skip

    commands = (
        CommandResult("c1", "docker ps", "workstation", P, 0, "fine\n", 1.0),
        CommandResult("c2", "false\n", "workstation", F, 1, text, 1.0, "exit code 1"),
    )
    steps = (
        StepResult(1, "one", "One", commands, (checked(P, 1), checked(F, 2)), 3.25),
        StepResult(2, "two", "Two", (), (checked(E, 1), checked(S, 2), checked(P, 3)), 1.0),
    )
    return RunResult(
        "lab", "1.0", "default", "run", "c1u5t3r", "ipvs", "2026-01-02T03:04:05+00:00", 9.5,
        steps, Timing(), student=student,
    )  # fmt: skip


def suites(found: RunResult) -> list[junitparser.TestSuite]:
    return list(junitparser.JUnitXml.fromstring(junit.render(found)))


def test_the_schema_of_ci_systems_is_kept() -> None:
    SCHEMA.validate(io.BytesIO(junit.render(result())))
    SCHEMA.validate(io.BytesIO(junit.render(replace(result(), steps=()))))


def test_the_schema_can_be_broken() -> None:
    root = ET.fromstring(junit.render(result()))
    del root[0].attrib["tests"]
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        SCHEMA.validate(root)


def test_another_reader_counts_what_we_counted() -> None:
    text = junit.render(result())
    root = junitparser.JUnitXml.fromstring(text)
    before = [(s.tests, s.failures, s.errors, s.skipped) for s in root]
    whole = (root.tests, root.failures, root.errors)
    root.update_statistics()
    assert [(s.tests, s.failures, s.errors, s.skipped) for s in root] == before
    assert before == [(4, 2, 0, 0), (3, 0, 1, 1)]
    assert whole == (root.tests, root.failures, root.errors) == (7, 2, 1)


def test_failed_errored_and_skipped_are_told_apart_with_their_evidence() -> None:
    first, second = suites(result())
    command, failed = [case for case in first if case.is_failure]
    assert command.name == "the command 'c2'"
    assert command.result[0].message == "exit code 1"
    assert "false\n\nwhat was seen" in command.result[0].text
    assert failed.name == "check-2: Claim what was seen"
    assert failed.classname == "lab.01-one"
    for part in ("expected: 3 nodes", "seen: what was seen", "docker node ls", "what to do: look"):
        assert part in failed.result[0].text
    errored = next(case for case in second if case.is_error)
    assert errored.result[0].message == "what was seen"
    assert next(case for case in second if case.is_skipped).result[0].message == "what was seen"


def test_a_failure_tells_since_when() -> None:
    """As the terminal and the page do."""
    found = result()
    told = Since("2026-01-02T03:04:00+00:00", held="2026-01-02T02:00:00+00:00")
    first, second = found.steps
    failed = replace(first.checks[1], since=told)
    steps = (replace(first, checks=(first.checks[0], failed)), second)
    cases = [case for case in suites(replace(found, steps=steps))[0] if case.is_failure]
    lines = cases[-1].result[0].text.splitlines()
    (line,) = [line for line in lines if line.startswith("since: ")]
    assert line.startswith("since: so at every look since 2026-01-02 ")
    assert "; last seen to hold at 2026-01-02 " in line
    assert lines.index(line) == lines.index("seen: what was seen") + 1
    # What was never noted is not told.
    assert b"since" not in junit.render(found)


def test_who_and_where_and_points_are_properties() -> None:
    told = {one.name: one.value for one in suites(result())[1].properties()}
    assert told["student"] == "Anna"
    assert told["cluster"] == "c1u5t3r"
    assert (told["points"], told["points_of"]) == ("2", "6")
    assert "student" not in {one.name for one in suites(result(student=""))[0].properties()}


@given(st.text(min_size=1) | st.text(alphabet="\x00\x08\x1b\x7f\ud800\ufffe<>&]\"'\r\n\t"))
def test_any_text_makes_whole_xml(text: str) -> None:
    made = junit.render(result(text=text or "x", student=text.strip() or "x"))
    SCHEMA.validate(io.BytesIO(made))
    (case,) = [c for c in suites(result(text=text or "x"))[0] if c.name.startswith("check-2")]
    assert case.is_failure


def test_evidence_is_in_the_students_language() -> None:
    words.use("zh")
    try:
        text = junit.render(result()).decode()
    finally:
        words.use(words.MAIN)
    assert "应当：3 nodes" in text
    assert "命令 'c2'" in text
