"""The support bundle without an engine: secrets taken out, failures named, nothing written over."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from swarmlab.cluster import lifecycle
from swarmlab.errors import EngineUnreachable, LabAbsent, UsageError
from swarmlab.progress import SilentProgress
from swarmlab.report import support as report
from swarmlab.support import bundle
from swarmlab.support import parts as support_parts
from swarmlab.support.bundle import Cleaner, Part, collect
from swarmlab.support.parts import Wanted, _environment, variable

TOKEN = "SWMTKN-1-3x0ab9-8zq1"
PLANTED = (
    f"docker swarm join --token {TOKEN} 10.0.0.1:2377\n"
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n"
    "proxy http://ada:lovelace@proxy:3128\n"
    "said correct-horse-battery aloud\n"
    '{"auth": "YWRhOnNlY3JldA=="}\n'
)
SECRETS = (TOKEN, "MHcCAQEE", "lovelace", "correct-horse", "YWRhOnNlY3JldA")


def wanted(*found: Wanted) -> Any:
    return lambda name, learn: iter(found)


def fails() -> str:
    raise EngineUnreachable(f"No engine for {TOKEN}.")


def breaks() -> str:
    raise KeyError("unforeseen")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    monkeypatch.setenv("MY_PASSPHRASE", "correct-horse-battery")
    monkeypatch.setattr(
        bundle,
        "wanted",
        wanted(
            Wanted("a.txt", "planted", lambda: PLANTED),
            Wanted("b.txt", "fails", fails),
            Wanted("c.txt", "breaks", breaks),
            Wanted("d.txt", "long", lambda: "x" * 999_999 + "end"),
        ),
    )
    return collect("unit", SilentProgress())


def test_no_planted_secret_is_left(parts: list[Part]) -> None:
    text = "".join(part.text + part.why for part in parts)
    assert [secret for secret in SECRETS if secret in text] == []
    assert "docker swarm join" in text and "proxy:3128" in text


def test_what_cannot_be_collected_costs_nothing_else(parts: list[Part]) -> None:
    assert [part.name for part in parts if part.why] == ["b.txt", "c.txt"]
    assert parts[2].why.startswith("KeyError")
    assert len(parts[3].text) < 300_000 and parts[3].text.endswith("end")


def test_the_file_lists_what_is_in_it_and_is_for_this_user(
    parts: list[Part], tmp_path: Path
) -> None:
    path = tmp_path / "help.tar.gz"
    bundle.write(parts, path, "unit")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        listed = archive.extractfile("swarmlab-support-unit/LIST.txt")
        assert listed is not None
        text = listed.read().decode()
    assert names == ["LIST.txt", "a.txt", "d.txt"]
    assert "b.txt: fails (not collected: No engine for" in text
    with pytest.raises(UsageError, match="exists already"):
        bundle.write(parts, path, "unit")
    with pytest.raises(UsageError, match="cannot be written"):
        bundle.write(parts, tmp_path / "nowhere" / "help.tar.gz", "unit")


def test_what_is_in_it_is_shown(parts: list[Part], monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(report, "out", lambda: Console(file=file, width=60))
    report.bundled(parts, Path("help.tar.gz"))
    text = file.getvalue()
    assert "missing" in text and "Written to help.tar.gz" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DB_PASSWORD=x1", "DB_PASSWORD=***"),
        ("GITHUB_TOKEN=abc=def", "GITHUB_TOKEN=***"),
        ("AWS_ACCESS_KEY_ID=AKIA", "AWS_ACCESS_KEY_ID=***"),
        ("MYSQL_PWD=x1", "MYSQL_PWD=***"),
        ("ENCRYPTION_KEY=x1", "ENCRYPTION_KEY=***"),
        ("PWD=/root", "PWD=/root"),
        ("DB=go-demo-db", "DB=go-demo-db"),
        ("ALONE", "ALONE"),
    ],
)
def test_variables_named_like_secrets_keep_theirs(text: str, shown: str) -> None:
    assert variable(text) == shown


def test_what_a_service_was_given_is_taken_out_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parts(name: str, learn: Callable[[str], None]) -> Iterator[Wanted]:
        yield Wanted("verify.json", "steps", lambda: "saw planted-3 of consul")
        learn("planted-3")
        learn("consul")
        yield Wanted("logs/x.log", "log", lambda: "connecting with planted-3")

    monkeypatch.setattr(bundle, "wanted", parts)
    texts = [part.text for part in collect("unit", SilentProgress())]
    assert texts == ["saw *** of consul", "connecting with ***"]


def test_logs_that_cannot_be_had_are_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "find", lambda name, **_: None)
    (part,) = support_parts._logs("nobody")
    with pytest.raises(LabAbsent, match="nobody"):
        part.make()


@pytest.mark.parametrize("value", ['a"quoted"one', "back\\slash1", "gr\u00fc\u00dfgott1"])
def test_a_secret_that_json_spells_otherwise_is_taken_out(value: str) -> None:
    clean = Cleaner({"X_PASSWORD": value})
    assert clean(f"saw {value}") == "saw ***"
    assert clean(json.dumps({"saw": value})) == '{"saw": "***"}'


def test_short_values_and_paths_are_not_taken_for_secrets(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.touch()
    clean = Cleaner(
        {
            "X_TOKEN": "on",
            "SSH_AUTH_SOCK": str(agent),
            "Y_SECRET": "s3cr3t!",
            "Z_PASSWORD": "/8jKq+x0==",
        }
    )
    assert clean(f"on {agent} s3cr3t! /8jKq+x0==") == f"on {agent} *** ***"


def test_the_key_for_grades_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMLAB_GRADE_KEY", "0123456789abcdef0123")
    told = _environment()
    assert "SWARMLAB_GRADE_KEY=***" in told
    assert Cleaner(dict(os.environ))("signed 0123456789abcdef0123") == "signed ***"
