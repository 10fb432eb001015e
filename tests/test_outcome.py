"""--json, --junit, --html and --student on the command line, without an engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from typer.testing import CliRunner, Result

from swarmlab import seal
from swarmlab.cli import chapter
from swarmlab.cli.app import app
from swarmlab.errors import EngineUnreachable
from swarmlab.runner import Runner
from tests import lab_fakes as fake
from tests.contract import broken

JUNIT = xmlschema.XMLSchema(Path(__file__).parent / "schemas" / "junit.xsd")
KEY = "0123456789abcdef0123"


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fake.Room:
    made = fake.Room(fake.lab(fake.step(1), fake.step(2)), tmp_path / "state")

    @contextmanager
    def runner(*_: object, **__: object) -> Iterator[Runner]:
        yield made.runner

    monkeypatch.setattr(chapter, "in_language", lambda *_: made.lab)
    monkeypatch.setattr(chapter, "_runner", runner)
    monkeypatch.setattr(chapter, "_progress", lambda *_: made.store)
    for name in (seal.KEY, seal.KEY_FILE, "SWARMLAB_STUDENT"):
        monkeypatch.delenv(name, raising=False)
    return made


def typed(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=env)


def data(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("command", [("run",), ("step", "2"), ("verify",), ("verify", "1")])
def test_all_at_once(command: tuple[str, ...], tmp_path: Path) -> None:
    typed("run")
    junit, html = tmp_path / "r.xml", tmp_path / "r.html"
    wanted = ("--json", "--student", "  Anna \t Li ", "--junit", str(junit), "--html", str(html))
    done = typed(*command, *wanted)
    assert done.exit_code == 0
    assert data(done)["student"] == "Anna Li"
    assert broken(data(done)) == []
    assert seal.broken(data(done), None) is None
    assert b'value="Anna Li"' in junit.read_bytes()
    assert "Anna Li" in html.read_text(encoding="utf-8")


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("command", ["goto", "reset"])
def test_what_changes_the_lab_prints_a_result_too(command: str) -> None:
    assert broken(data(typed(command, "2", "--json"))) == []


def test_files_are_written_when_a_check_fails(room: fake.Room, tmp_path: Path) -> None:
    typed("run")
    room.facts.true.discard("f2")
    done = typed("verify", "--junit", str(tmp_path / "r.xml"))
    assert done.exit_code == 1
    assert b"<failure" in (tmp_path / "r.xml").read_bytes()
    assert "FAILED" in done.stdout


def test_what_cannot_be_looked_at_is_an_error_everywhere(room: fake.Room, tmp_path: Path) -> None:
    typed("run")
    room.facts.hidden.add("f2")
    done = typed("verify", "--json", "--junit", str(tmp_path / "r.xml"))
    assert done.exit_code == 3
    assert data(done)["verdict"] == "errored"
    assert data(done)["points"]["unknown"] == 1
    text = (tmp_path / "r.xml").read_text()
    assert "<error" in text
    assert "<failure" not in text


@pytest.mark.parametrize("command", [("run",), ("step", "2"), ("verify",)])
def test_files_of_an_earlier_run_are_not_taken_for_this_one(
    room: fake.Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """A class's machine publishes what lies there, also when there is no engine any more."""
    junit, html = tmp_path / "r.xml", tmp_path / "r.html"
    files = ("--junit", str(junit), "--html", str(html))
    assert typed(*command, *files).exit_code == 0
    seen: list[tuple[str, str]] = []

    def gone(*_: object, **__: object) -> None:
        seen.append((junit.read_text(), html.read_text()))
        raise EngineUnreachable("No engine <here>.", evidence="refused", hint="Start it.")

    monkeypatch.setattr(chapter, "_runner", gone)
    assert typed(*command, *files).exit_code == 3
    for text in seen[0]:
        assert "has not come to its end" in text and "No engine" not in text
    JUNIT.validate(str(junit))
    assert [len(ET.parse(junit).findall(f".//{kind}")) for kind in ("testcase", "error")] == [1, 1]
    for text in (junit.read_text(), html.read_text()):
        assert f"swarmlab {command[0]}" in text
        assert "No engine &lt;here&gt;." in text and "Start it." in text
        assert 'class="verdict' not in text
    assert not room.done - {"s1", "s2"}


@pytest.mark.usefixtures("room")
def test_a_key_signs_and_is_never_shown(tmp_path: Path) -> None:
    files = ("--junit", str(tmp_path / "r.xml"), "--html", str(tmp_path / "r.html"))
    done = typed("run", "--json", *files, **{seal.KEY: KEY})
    assert seal.broken(data(done), KEY.encode()) is None
    everything = done.output + "".join(path.read_text() for path in tmp_path.glob("r.*"))
    assert KEY not in everything


@pytest.mark.parametrize("option", ["--junit", "--html"])
def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
    room: fake.Room, tmp_path: Path, option: str
) -> None:
    for path in (tmp_path, tmp_path / "missing" / "r"):
        done = typed("run", option, str(path))
        assert done.exit_code == 2
        assert "cannot be written" in done.stderr
    assert room.shell.typed == []


@pytest.mark.parametrize("name", ["x" * 101, "a\x1b[31mb", "a\u202eb"])
def test_what_is_no_name_is_refused(room: fake.Room, name: str) -> None:
    done = typed("run", "--student", name)
    assert done.exit_code == 2
    assert "cannot be a student's name" in done.stderr
    assert room.shell.typed == []


def test_a_bad_key_is_told_before_anything_runs(room: fake.Room) -> None:
    done = typed("run", "--json", **{seal.KEY: "short"})
    assert done.exit_code == 2
    assert "5 characters" in done.stderr
    assert room.shell.typed == []


@pytest.mark.usefixtures("room")
def test_the_student_may_be_in_the_environment() -> None:
    assert data(typed("run", "--json", SWARMLAB_STUDENT="Bo"))["student"] == "Bo"
