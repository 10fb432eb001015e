"""The table of a class as people and programs get it: terminal, CSV, HTML, exit codes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import html5lib
import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner, Result

from swarmlab import loader, seal
from swarmlab.cli import grade, outcome
from swarmlab.cli.app import app
from swarmlab.cluster import memory
from swarmlab.grading import paper, spreadsheet
from swarmlab.grading.sheet import Refusal, Sheet
from swarmlab.images import sources
from swarmlab.points import Points
from swarmlab.report import grades
from swarmlab.results import CheckResult, RunResult, StepResult, Verdict

LAB = loader.load_builtin("service-discovery")
KEY = "0123456789abcdef0123"
HOSTILE = ["=1+1", "+1", "-1", "@x", " =1", "＝1", "<script>x</script>", "[red]x[/red]", "王小明"]


def result(*, lost: int = 0, name: str = "Anna", cluster: str = "c1") -> RunResult:
    """All closing checks of the lab pass, but those of the step `lost`."""
    steps = tuple(
        StepResult(
            step.number, step.id, step.title, (),
            tuple(
                CheckResult(
                    one.id, one.title, one.check,
                    Verdict.FAILED if step.number == lost else Verdict.PASSED,
                    weight=one.weight,
                )
                for one in step.checks
            ),
            1.0, True,
        )
        for step in LAB.steps[:13]
    )  # fmt: skip
    from swarmlab.digest import digest

    return RunResult(
        LAB.id, LAB.version, "default", "verify", cluster, "ipvs", "2026-05-04T10:00:00+00:00",
        9.0, steps, lab_digest=digest(LAB), worth=LAB.worth, student=name,
    )  # fmt: skip


def sheet(*names: str, refused: tuple[Refusal, ...] = ()) -> Sheet:
    papers = [
        paper.of(LAB, result(name=name, cluster=f"c{n}", lost=n % 13), file=f"{name}.json")
        for n, name in enumerate(names)
    ]
    return Sheet(LAB, tuple(papers), refused, False)


def drawn(monkeypatch: pytest.MonkeyPatch, shown: Sheet, width: int = 80) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, highlight=False)
    monkeypatch.setattr(grades, "out", lambda: console)
    grades.table(shown)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80])
def test_the_table_keeps_to_its_columns(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    refused = (Refusal("x.json", "it was changed after it was written " * 5),)
    lines = drawn(monkeypatch, sheet("Anna", "x" * 100, "王" * 60, refused=refused), width)
    assert max(map(cell_len, lines.splitlines())) <= width


def test_a_sign_for_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    found = result(lost=3)
    unseen = replace(found.steps[4].checks[0], verdict=Verdict.ERRORED)
    steps = list(found.steps[:12])
    steps[4] = replace(steps[4], checks=(unseen, *steps[4].checks[1:]))
    partly = replace(steps[5].checks[0], verdict=Verdict.FAILED)
    steps[5] = replace(steps[5], checks=(partly, *steps[5].checks[1:]))
    row = paper.of(LAB, replace(found, steps=tuple(steps)))
    shown = drawn(monkeypatch, Sheet(LAB, (row,), (), False))
    assert "##.#?+######-" in shown
    assert grades.sign(Points(0, 0.5)) == "."


def test_names_are_text_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = (Refusal("=x.json", "<b>why</b>"),)
    found = sheet(*HOSTILE, refused=refused)
    shown = drawn(monkeypatch, found)
    assert "[red]x[/red]" in shown
    page = grades.render(found).decode()
    html5lib.HTMLParser(strict=True).parse(page)
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    assert [one.tag for one in tree.iter() if one.tag in ("script", "b", "img", "link")] == []
    assert "王小明" in page
    rows = list(csv.reader(io.StringIO(spreadsheet.render(found).decode("utf-8-sig"))))
    for row in rows[1:]:
        for cell in row:
            assert cell.strip()[:1] not in tuple("=+-@＝＋－＠\t\r") or not cell, cell


def test_csv_has_a_column_for_every_step() -> None:
    text = spreadsheet.render(sheet("Anna", "Ben", refused=(Refusal("x", "why"),)))
    assert text.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [row["student"] for row in rows] == ["Anna", "Ben", ""]
    assert rows[0]["points"] == rows[0]["of"] == f"{LAB.worth:g}"
    assert rows[1]["step 1"] == "0"
    assert float(rows[1]["points"]) == LAB.worth - LAB.steps[0].worth
    assert (rows[2]["file"], rows[2]["refused because"]) == ("x", "why")
    assert all(None not in row for row in rows)


def typed(*arguments: str, **env: str) -> Result:
    clean = {seal.KEY: "", seal.KEY_FILE: "", "COLUMNS": "80"}
    return CliRunner().invoke(app, ["grade", *arguments], env={**clean, **env})


def written(path: Path, found: RunResult, key: bytes | None = None) -> Path:
    path.write_text(json.dumps(seal.sealed(found.to_dict(), key)))
    return path


def test_a_class_is_graded(tmp_path: Path) -> None:
    written(tmp_path / "a.json", result())
    written(tmp_path / "b.json", result(name="Ben", cluster="c2", lost=3))
    out = tmp_path / "out"
    out.mkdir()
    done = typed(str(tmp_path), "--json", "--csv", str(out / "g.csv"), "--html", str(out / "g.htm"))
    assert done.exit_code == 0
    assert [one["student"] for one in json.loads(done.stdout)["students"]] == ["Anna", "Ben"]
    assert (out / "g.csv").read_text(encoding="utf-8-sig").count("\n") == 3
    assert "Ben" in (out / "g.htm").read_text()


def test_the_table_itself_is_nobodys_result(tmp_path: Path) -> None:
    written(tmp_path / "a.json", result())
    both = ("--csv", str(tmp_path / "g.csv"), "--html", str(tmp_path / "g.html"))
    for _ in range(2):
        assert typed(str(tmp_path), *both).exit_code == 0


def test_what_is_signed_for_nobody_is_told_when_it_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(seal.KEY, KEY)
    outcome.outcome("verify", True, student="Anna")
    outcome.outcome("verify", True)
    outcome.outcome("verify", False, student="")
    assert capsys.readouterr().err == ""
    outcome.outcome("verify", True, student="")
    assert "--student" in capsys.readouterr().err


def test_a_refused_file_is_told_by_the_exit_code(tmp_path: Path) -> None:
    written(tmp_path / "a.json", result())
    (tmp_path / "b.json").write_text("{}")
    done = typed(str(tmp_path))
    assert done.exit_code == 1
    assert "b.json" in done.stdout
    assert "1 student" in done.stdout


def test_the_key_is_used_and_never_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", result(), KEY.encode())
    keyfile = tmp_path / "key"
    keyfile.write_text(KEY + "\n")
    for env in ({seal.KEY: KEY}, {seal.KEY_FILE: str(keyfile)}):
        done = typed(str(path), "--csv", str(tmp_path / "g.csv"), **env)
        assert done.exit_code == 0
        assert "Signed with your key" in done.stdout
        assert KEY not in done.output + (tmp_path / "g.csv").read_text()
    assert typed(str(path)).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "one of the two"),
        (["--live", "x.json"], "one of the two"),
        (["missing"], "no file or folder"),
        (["."], "no result to grade"),
    ],
)
def test_wrong_usage(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = typed(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_table_that_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    done = typed(str(tmp_path), "--csv", str(tmp_path / "no" / "g.csv"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.PASSED, 0), (Verdict.FAILED, 1), (Verdict.ERRORED, 3)]
)
def test_a_live_lab_is_graded(monkeypatch: pytest.MonkeyPatch, verdict: Verdict, code: int) -> None:
    found = result(name="")
    check = replace(found.steps[0].checks[0], verdict=verdict)
    first = replace(found.steps[0], checks=(check, *found.steps[0].checks[1:]))
    looked: dict[str, Any] = {}

    def look(lab: object, name: str) -> RunResult:
        looked["name"] = name
        return replace(found, steps=(first, *found.steps[1:]))

    monkeypatch.setattr(grade, "_looked_at", look)
    monkeypatch.setattr(memory, "images", lambda name: sources.USUAL)
    done = typed("--live", "--name", "monday", "--student", "Anna")
    assert done.exit_code == code
    assert "Anna" in done.stdout
    assert "live lab" in done.stdout
    assert looked == {"name": "monday"}
