"""Advised commands name the lab that the running command is about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swarmlab import naming


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = naming.current()
    yield
    naming.choose(before)


def test_the_default_lab_needs_no_name() -> None:
    naming.choose(naming.DEFAULT)
    assert naming.named("`swarmlab up` mends it") == "`swarmlab up` mends it"
    assert naming.option() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`swarmlab up` mends it", "`swarmlab up --name stu` mends it"),
        ("`swarmlab step 9 --show`", "`swarmlab step 9 --show --name stu`"),
        ("`swarmlab down`, then `swarmlab up`",
         "`swarmlab down --name stu`, then `swarmlab up --name stu`"),
        ("`swarmlab down --all`", "`swarmlab down --all`"),
        ("`swarmlab fault heal --all`", "`swarmlab fault heal --all --name stu`"),
        ("`swarmlab up --name other`", "`swarmlab up --name other`"),
        ("`swarmlab doctor`", "`swarmlab doctor`"),
        ("`swarmlab images build`", "`swarmlab images build`"),
        ("swarmlab up without quotes", "swarmlab up without quotes"),
    ],
)  # fmt: skip
def test_another_lab_is_named_where_the_command_takes_a_name(text: str, expected: str) -> None:
    naming.choose("stu")
    assert naming.named(text) == expected


def test_commands_about_steps_name_a_lab_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_lab", naming.CHAPTER)
    naming.choose("stu")
    naming.choose_lab("my labs/one")
    assert naming.named("`swarmlab step 9`") == "`swarmlab step 9 --name stu --lab 'my labs/one'`"
    assert naming.named("`swarmlab up`") == "`swarmlab up --name stu`"
    assert naming.options("default") == " --lab 'my labs/one'"
    naming.choose(naming.DEFAULT)
    naming.choose_lab(naming.CHAPTER)
    assert naming.named("`swarmlab step 9`") == "`swarmlab step 9`"
