"""Words that YAML's readers take differently: what was meant is told, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from swarmlab import dialects
from tests.test_loader import STEP, problems, small

TRUTHS = ("yes", "No", "ON", "off", "true", "FALSE", "Null")
NUMBERS = (
    "1_000",
    "-1_000",
    "+17",
    "0x1F",
    "0b11",
    "1:30",
    "1:30:00",
    "-1:30",
    ".5",
    "1.5e+3",
    "3",
)


@pytest.mark.parametrize("word", [*TRUTHS, *NUMBERS])
def test_what_yaml_1_1_reads_is_among_what_was_meant(word: str) -> None:
    assert yaml.safe_load(word) in list(dialects.meant(word))


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("017", [17, 15]),
        ("007", [7]),
        ("08", [8]),
        ("0o17", [15]),
        ("1e3", [1000]),
        ("2026-01-01", []),
        ("soon", []),
        ("0x", []),
        ("1:99", []),
        ("--5", []),
        ("9" * 40, []),
        ("1e99", [int(1e99)]),
        ("", []),
    ],
)
def test_what_was_meant(word: str, values: list[object]) -> None:
    assert list(dialects.meant(word)) == values


@given(st.text(max_size=30) | st.text(alphabet="0123456789.:_eExob+-", max_size=22))
def test_any_word_is_read_without_a_fault(word: str) -> None:
    for value in dialects.meant(word):
        assert dialects.written(value)
    dialects.no_text(word)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (
            "minutes: 1_0",
            "lab.yaml:9:14: step 1: minutes must be a number, such as 0 (did you mean 10?)",
        ),
        ("minutes: 1:30", "minutes must be a number, such as 0 (did you mean 90?)"),
        ("minutes: 1e1", "(did you mean 10?)"),
        # What would not fit either is not advised.
        ("minutes: 1_000", "minutes must be a number, such as 0$"),
        ("minutes: 2026-01-01", "minutes must be a number, such as 0$"),
        (
            "managers: 0x3",
            "1: the lab: managers must be a whole number from 1 to 7 (did you mean 3?)",
        ),
        ("reset: [{run: a, exit_codes: [0, 1_0]}]", "up to 255 (did you mean 10?)"),
        ("nudge: NULL", "'NULL' is text here, and something else in an editor: put it in quotes"),
    ],
)
def test_what_was_meant_by_a_field_is_told(tmp_path: Path, field: str, said: str) -> None:
    extra = f"{field}\n" if field.startswith("managers") else f"    {field}\n"
    (found,) = problems(small(tmp_path, extra))
    assert found.endswith(said.removesuffix("$")) if said[-1] == "$" else said in found, found


CHECK = "    checks: [{{id: a, check: {}, title: T, untouched: {}, before: x, with: {{{}}}}}]\n"


@pytest.mark.parametrize(
    ("check", "given", "said"),
    [
        ("swarm.service", "name: a, healthy: yes", "not 'yes' (did you mean true?)"),
        ("swarm.service", "name: a, replicas: 0b11", "(did you mean 3?)"),
        ("swarm.service", "name: a, replicas: '3'", "(did you mean 3?)"),
        (
            "consul.key",
            "key: a, value: 8080",
            'value must be text, not 8080 (did you mean "8080"?)',
        ),
        ("consul.key", "key: a, value: true", 'not True (did you mean "true"?)'),
        ("consul.key", "key: a, value: 0x1F", "'0x1F' is text here, and something else in an"),
        ("consul.key", "key: a, value: NULL", "'NULL' is text here"),
        ("swarm.absent", "services: [a, 007]", "'007' is text here"),
    ],
)
def test_what_was_meant_by_a_parameter_is_told(
    tmp_path: Path, check: str, given: str, said: str
) -> None:
    (found,) = problems(small(tmp_path, CHECK.format(check, "false", given)))
    assert said in found
    line = CHECK.format(check, "false", given)
    assert found.startswith(f"lab.yaml:{STEP.count(chr(10)) + 1}:"), found
    column = int(found.split(":")[2])
    assert line[column - 1 :].startswith(given.rsplit(" ", 1)[1][:3])


def test_truth_is_said_as_here(tmp_path: Path) -> None:
    (found,) = problems(small(tmp_path, CHECK.format("swarm.nodes", "on", "")))
    assert found.endswith("untouched must be true or false (did you mean true?)")


@pytest.mark.parametrize(
    "value", ["yes", "1_000", "1:30", "2026-01-01", "'0x1F'", '"NULL"', "v1.0"]
)
def test_text_that_editors_take_for_text_stays(tmp_path: Path, value: str) -> None:
    given = f"key: a, value: {value}"
    (found,) = problems(small(tmp_path, CHECK.format("consul.key", "2", given)))
    assert "untouched must be" in found
