"""Grades: what counts is counted anew, and what does not count is refused with the reason."""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlab import seal
from swarmlab.grading import folder, sheet, spreadsheet
from swarmlab.grading.reading import MOST_BYTES, MOST_LEVELS, Refused, read
from swarmlab.grading.sheet import Sheet
from swarmlab.model import Lab
from swarmlab.report import grades
from swarmlab.results import RunResult
from tests import lab_fakes as fake
from tests.contract import broken

KEY = b"0123456789abcdef0123"


def weighed(weight: float, *names: str, **more: Any) -> tuple[Any, ...]:
    return tuple(
        replace(fake.check(name, **more), weight=weight, before="does not hold") for name in names
    )


# Step 1 ends with step 2; step 2 has a check of a moment, and two of which one needs the other.
LAB = fake.lab(
    fake.step(1, checks=weighed(4.0, "f1", until="s2")),
    fake.step(
        2,
        commands=(
            fake.command("make f2", checks=(fake.check("f2", id="now"),)),
            fake.command("make g2", "c2"),
        ),
        checks=(*weighed(3.0, "f2"), *weighed(2.5, "g2", needs=["f2"])),
    ),
    fake.step(3, checks=weighed(0.5, "f3")),
)


def result(
    tmp_path: Path, move: Callable[[fake.Room], RunResult], before: Callable[[fake.Room], object]
) -> RunResult:
    # Not in the folder that is graded: what lies there is JSON, too.
    room = fake.Room(LAB, tmp_path.with_name(f"{tmp_path.name}-state"))
    room.runner.run()
    before(room)
    return move(room)


@pytest.fixture
def good(tmp_path: Path) -> RunResult:
    """All three steps are done and hold."""
    return student(result(tmp_path, lambda room: room.runner.verify(), lambda room: None), "Anna")


def student(result: RunResult, name: str, cluster: str = "c1", minute: int = 0) -> RunResult:
    started = f"2026-05-04T10:{minute:02d}:00+00:00"
    return replace(result, student=name, cluster=cluster, started=started)


def written(path: Path, result: RunResult, key: bytes | None = None) -> Path:
    path.write_text(json.dumps(seal.sealed(result.to_dict(), key)), encoding="utf-8")
    return path


def hence(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds")


def graded(*paths: Path, key: bytes | None = None, lab: Lab = LAB) -> Sheet:
    return sheet.collect(folder.files(paths), lab, key)


def reasons(found: Sheet) -> dict[str, str]:
    return {Path(one.file).name: one.reason for one in found.refused}


def test_a_result_earns_what_holds_and_what_is_on_record(tmp_path: Path, good: RunResult) -> None:
    (paper,) = graded(written(tmp_path / "a.json", good)).papers
    assert paper.student == "Anna"
    assert (paper.points.earned, paper.points.of, paper.points.recorded) == (10, 10, 4)
    assert {number: str(points) for number, points in paper.steps.items()} == {
        1: "4/4", 2: "5.5/5.5", 3: "0.5/0.5",
    }  # fmt: skip


def test_each_check_counts_by_itself_and_what_is_not_there_earns_nothing(tmp_path: Path) -> None:
    def lose(room: fake.Room) -> None:
        room.facts.true.discard("g2")

    partly = student(result(tmp_path, lambda room: room.runner.verify([2]), lose), "Anna")
    (paper,) = graded(written(tmp_path / "a.json", partly)).papers
    assert (paper.points.earned, paper.points.of) == (3, 10)


def test_what_could_not_be_looked_at_is_no_fault(tmp_path: Path) -> None:
    def hide(room: fake.Room) -> None:
        room.facts.hidden.add("f2")

    odd = student(result(tmp_path, lambda room: room.runner.verify(), hide), "Anna")
    (paper,) = graded(written(tmp_path / "a.json", odd)).papers
    assert (paper.points.earned, paper.points.unknown) == (4.5, 5.5)
    assert paper.verdict == "errored"


@pytest.mark.parametrize("line", ["fail 7", "hang", "lost"])
def test_a_run_that_failed_counts_as_far_as_it_came(tmp_path: Path, line: str) -> None:
    steps = list(LAB.steps)
    steps[1] = replace(steps[1], commands=(*steps[1].commands, fake.command(line, "c3")))
    lab = fake.lab(*steps)
    run = student(fake.Room(lab, tmp_path / "state").runner.run(), "Anna")
    (paper,) = graded(written(tmp_path / "a.json", run), lab=lab).papers
    assert paper.points.earned == 9.5
    assert paper.verdict in ("failed", "errored")


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: json.dumps(json.loads(text), indent=4, ensure_ascii=False).encode(),
    ],
    ids=["bom", "powershell", "laid out anew"],
)
def test_the_same_result_written_otherwise_is_the_same(
    tmp_path: Path, good: RunResult, encode: Callable[[str], bytes]
) -> None:
    path = written(tmp_path / "a.json", student(good, "李安娜"))
    path.write_bytes(encode(path.read_text()))
    assert graded(path).papers[0].student == "李安娜"


def test_who_it_is_comes_from_the_file_or_from_its_name(tmp_path: Path, good: RunResult) -> None:
    (tmp_path / "group-2").mkdir()
    written(tmp_path / "group-2" / "carla.json", student(good, "", "c1"))
    written(tmp_path / "ben.json", student(good, "", "c2"))
    written(tmp_path / "x.json", student(good, "Anna", "c3"))
    assert [paper.student for paper in graded(tmp_path).papers] == ["Anna", "ben", "group-2/carla"]


def test_every_file_of_a_folder_is_in_the_table_or_refused(tmp_path: Path, good: RunResult) -> None:
    written(tmp_path / "anna.json", student(good, "", "c1"))
    written(tmp_path / "BEN.JSON", student(good, "", "c2"))
    written(tmp_path / "carla.json.txt", student(good, "", "c3"))
    (tmp_path / ".DS_Store").write_text("not a student's")
    found = graded(tmp_path)
    assert [paper.student for paper in found.papers] == ["anna", "BEN"]
    assert list(reasons(found)) == ["carla.json.txt"]
    assert "does not end in .json" in reasons(found)["carla.json.txt"]


def test_files_of_one_name_are_called_by_their_places(
    tmp_path: Path, good: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("anna", "ben", "carla")):
        Path(name).mkdir()
        written(Path(name, "result.json"), student(good, "", f"c{number}"))
    each = [Path("anna/result.json"), tmp_path / "ben" / "result.json", Path("carla/result.json")]
    for paths in (each, list(map(Path, ("anna", "ben", "carla"))), [Path()]):
        found = graded(*paths)
        assert found.refused == ()
        assert [one.student for one in found.papers] == [
            "anna/result", "ben/result", "carla/result",
        ]  # fmt: skip


def test_a_file_that_is_named_twice_is_read_once(
    tmp_path: Path, good: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "anna.json", student(good, "", "c1"))
    found = graded(Path("anna.json"), path, Path())
    assert [paper.student for paper in found.papers] == ["anna"]
    assert found.refused == ()


def test_a_file_without_a_name_is_nobodys(tmp_path: Path, good: RunResult) -> None:
    written(tmp_path / " .json", student(good, ""))
    found = graded(tmp_path)
    assert found.papers == ()
    assert "no student's" in reasons(found)[" .json"]


# What a student can write: any change, with a checksum that fits.

DOCTORED: dict[str, tuple[Callable[[Any], object], str]] = {
    "lab": (lambda d: d.update(lab="other"), "another lab"),
    "version": (lambda d: d.update(lab_version="0.9"), "another version"),
    "digest": (lambda d: d.update(lab_digest="sha256:" + "0" * 64), "another content"),
    "form": (lambda d: d.update(version=2), "not version 1"),
    "form as truth": (lambda d: d.update(version=True), "not version 1"),
    "kind": (lambda d: d.update(kind="swarmlab-replay"), "not a result"),
    "no cluster": (lambda d: d.update(cluster=""), "which cluster"),
    "odd cluster": (lambda d: d.update(cluster="=1+1"), "which cluster"),
    "no time": (lambda d: d.update(started="yesterday"), "when it was made"),
    "no zone": (lambda d: d.update(started="2026-05-04T10:00:00"), "when it was made"),
    "other zone": (lambda d: d.update(started="2026-05-04T10:00:00+02:00"), "when it was made"),
    "year 1": (lambda d: d.update(started="0001-01-01T00:00:00+14:00"), "when it was made"),
    "the first": (lambda d: d.update(started="0001-01-01T00:00:00+00:00"), "when it was made"),
    "the last": (lambda d: d.update(started="9999-12-31T23:59:59-12:00"), "when it was made"),
    "no such day": (lambda d: d.update(started="2026-02-30T10:00:00+00:00"), "when it was made"),
    "future": (lambda d: d.update(started=hence(hours=25)), "more than a day from now"),
    "goto": (lambda d: d.update(command="goto"), "none of"),
    "name": (lambda d: d.update(student="a\x1b[2Jb"), "no name"),
    "long name": (lambda d: d.update(student="x" * 101), "no name"),
    "no name at all": (lambda d: d.update(student=None), "'student'"),
    "points": (lambda d: d["points"].update(earned=99.0), "do not follow"),
    "verdict": (lambda d: d.update(verdict="failed"), "do not follow"),
    "weights": (
        lambda d: (
            d["steps"][2]["checks"][0].update(weight=100.0),
            d["points"].update(earned=110.0, of=110.0),
        ),
        "do not follow",
    ),
    "step twice": (lambda d: d["steps"].__setitem__(1, d["steps"][2]), "a step twice"),
    "strange step": (lambda d: d["steps"][0].update(id="bonus"), "step that the lab"),
    "other number": (lambda d: d["steps"][0].update(number=7), "step that the lab"),
    "too many steps": (lambda d: d["steps"].extend(d["steps"] * 1000), "more than the lab has"),
    "no steps": (lambda d: d.pop("steps"), "missing"),
    "step is none": (lambda d: d["steps"].__setitem__(0, 7), "step that is none"),
    "strange check": (lambda d: d["steps"][0]["checks"][0].update(id="x"), "check that the lab"),
    "check twice": (
        lambda d: d["steps"][1]["checks"].__setitem__(1, d["steps"][1]["checks"][0]),
        "a check twice",
    ),
    "check is none": (lambda d: d["steps"][0]["checks"].__setitem__(0, []), "check that is none"),
    "odd verdict": (lambda d: d["steps"][0]["checks"][0].update(verdict="best"), "verdict"),
    "unhashable verdict": (lambda d: d["steps"][0]["checks"][0].update(verdict=[]), "verdict"),
    "over early": (
        lambda d: d["steps"][2]["checks"][0].update(verdict="skipped", ended_by="s1"),
        "before its time",
    ),
    "strange command": (
        lambda d: d["steps"][0]["commands"].append({"id": "x", "verdict": "passed"}),
        "command that the lab",
    ),
}


@pytest.mark.parametrize("what", DOCTORED)
def test_what_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path, good: RunResult, what: str
) -> None:
    change, reason = DOCTORED[what]
    data = copy.deepcopy(good.to_dict())
    change(data)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(seal.sealed(data, None)))
    found = graded(path)
    assert found.papers == ()
    assert reason in reasons(found)["a.json"]


def test_a_changed_verdict_is_seen_by_the_seal(tmp_path: Path, good: RunResult) -> None:
    path = written(tmp_path / "a.json", good)
    path.write_text(path.read_text().replace('"Anna"', '"Ben"'))
    assert "changed after it was written" in reasons(graded(path))["a.json"]
    path.write_text(json.dumps(good.to_dict()))
    assert "no seal" in reasons(graded(path))["a.json"]


def test_with_a_key_only_its_signature_counts(tmp_path: Path, good: RunResult) -> None:
    written(tmp_path / "signed.json", student(good, "Anna", "c1"), KEY)
    written(tmp_path / "plain.json", student(good, "Ben", "c2"))
    written(tmp_path / "other.json", student(good, "Carla", "c3"), b"another key than KEY")
    found = graded(tmp_path, key=KEY)
    assert [(paper.student, paper.signed) for paper in found.papers] == [("Anna", True)]
    assert "not signed with your key" in reasons(found)["plain.json"]
    assert "another key" in reasons(found)["other.json"]
    without = graded(tmp_path)
    assert [(paper.student, paper.signed) for paper in without.papers] == [("Ben", False)]
    assert "no key to check" in reasons(without)["signed.json"]


def test_no_key_vouches_for_the_name_of_a_file(tmp_path: Path, good: RunResult) -> None:
    """Ben keeps what Anna made, and signed, without her name in it."""
    written(tmp_path / "ben.json", student(good, "", "c1"), KEY)
    found = graded(tmp_path, key=KEY)
    assert found.papers == ()
    assert "does not say whose it is" in reasons(found)["ben.json"]


def test_a_clock_that_is_ahead_by_less_than_a_day_is_believed(
    tmp_path: Path, good: RunResult
) -> None:
    written(tmp_path / "a.json", replace(good, started=hence(hours=23)))
    assert len(graded(tmp_path).papers) == 1


def test_two_students_with_one_cluster_are_both_refused(tmp_path: Path, good: RunResult) -> None:
    written(tmp_path / "a.json", student(good, "Anna", "c1"))
    written(tmp_path / "b.json", student(good, "Ben", "c1", minute=3))
    written(tmp_path / "c.json", student(good, "Carla", "c2"))
    found = graded(tmp_path)
    assert [paper.student for paper in found.papers] == ["Carla"]
    told = reasons(found)
    assert set(told) == {"a.json", "b.json"}
    assert "b.json" in told["a.json"]


def test_of_one_student_the_newest_counts(tmp_path: Path, good: RunResult) -> None:
    written(tmp_path / "1.json", student(good, "Anna  Li", "c1", minute=1), KEY)
    written(tmp_path / "2.json", student(good, "ANNA LI", "c2", minute=2), KEY)
    written(tmp_path / "3.json", student(good, "Ａｎｎａ Li", "c1", minute=0), KEY)
    found = graded(tmp_path, key=KEY)
    assert [Path(paper.file).name for paper in found.papers] == ["2.json"]
    assert set(reasons(found)) == {"1.json", "3.json"}
    assert "2.json" in reasons(found)["1.json"]


def test_of_one_student_and_cluster_the_newest_counts_without_a_key(
    tmp_path: Path, good: RunResult
) -> None:
    written(tmp_path / "1.json", student(good, "Anna", "c1", minute=1))
    written(tmp_path / "2.json", student(good, "anna", "c1", minute=2))
    found = graded(tmp_path)
    assert [Path(paper.file).name for paper in found.papers] == ["2.json"]


def test_without_a_key_no_file_takes_the_place_of_another_students(
    tmp_path: Path, good: RunResult
) -> None:
    """Ben writes Anna's name into his own result, with the latest time of all."""
    written(tmp_path / "anna.json", student(good, "Anna", "c1", minute=1))
    written(tmp_path / "ben.json", student(good, "ANNA", "c2", minute=59))
    written(tmp_path / "carla.json", student(good, "Carla", "c3"))
    found = graded(tmp_path)
    assert [paper.student for paper in found.papers] == ["Carla"]
    told = reasons(found)
    assert set(told) == {"anna.json", "ben.json"}
    assert "ben.json" in told["anna.json"]
    assert "anna.json" in told["ben.json"]


# Files that are none.


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"[" * 500_000, "not JSON"),
        (b'{"a":' * 300_000, "not JSON"),
        (b'{"kind": NaN}', "not JSON"),
        (b"9" * 100_000, "not JSON"),
        (b"[]", "not a result"),
        (b"null", "not a result"),
        (b'"swarmlab-result"', "not a result"),
        (b'{"kind": "swarmlab-result"}', "not version 1"),
        (b'{"kind": "swarmlab-result", "version": 1}', "no seal"),
        (b" " * (MOST_BYTES + 1), "larger than 4 MiB"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert reason in reasons(graded(tmp_path))["x.json"]


def test_no_depth_makes_it_fall_over(tmp_path: Path, good: RunResult) -> None:
    """What Python can just read it may not be able to write again, as for the checksum."""
    sound = json.dumps(seal.sealed(good.to_dict(), None))
    path = tmp_path / "anna.json"
    least = sys.getrecursionlimit() - 120
    for depth in (*range(MOST_LEVELS - 1, MOST_LEVELS + 2), *range(least, least + 130)):
        deep = "[" * depth + "]" * depth
        doctored = sound[:-1] + f', "more": {deep}}}'
        path.write_text(doctored, encoding="utf-8")
        with pytest.raises(Refused):
            read(path, LAB, None, called="anna")


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, good: RunResult) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "lost.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.json").mkdir()
    written(tmp_path / "folder.json" / "a.json", good)
    found = graded(tmp_path)
    assert len(found.papers) == 1
    assert "not a file" in reasons(found)["pipe.json"]
    assert "cannot be read" in reasons(found)["lost.json"]


def test_the_names_of_files_command_no_terminal(tmp_path: Path, good: RunResult) -> None:
    (tmp_path / "a\x1b]0;x\x07.json").write_text("x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_text("x")
    found = graded(tmp_path)
    assert len(found.refused) == 2
    assert all(one.file.isprintable() for one in found.refused)


moments = st.builds(
    datetime.isoformat,
    st.datetimes(timezones=st.timezones() | st.just(UTC)) | st.datetimes(datetime(2000, 1, 1)),
    timespec=st.sampled_from(["seconds", "auto"]),
)
anything = moments | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the data."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for name, value in inside:
        found.append((*path, name))
        if isinstance(value, dict | list):
            found += places(value, (*path, name))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file to write to, and what a whole run gives."""
    folder = tmp_path_factory.mktemp("fuzz")
    made = student(result(folder, lambda room: room.runner.run(1), lambda room: None), "Anna")
    return folder / "x.json", json.dumps(made.to_dict())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_nothing_in_a_file_makes_it_fall_over(whole: tuple[Path, str], data: st.DataObject) -> None:
    path, good = whole
    content = json.loads(good)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.sampled_from(places(content)))
        at = content
        for name in where[:-1]:
            at = at[name]
        at[where[-1]] = data.draw(anything)
    try:
        text = json.dumps(seal.sealed(content, None))
    except ValueError:
        return
    path.write_text(text)
    try:
        found = read(path, LAB, None, called="x")
    except Refused as refused:
        assert str(refused)
    else:
        assert 0 <= found.points.earned <= found.points.of == 10
        table = Sheet(LAB, (found,), (), False)
        assert spreadsheet.render(table)
        assert grades.render(table)
        grades.table(table)


def test_the_table_as_json_keeps_its_contract(tmp_path: Path, good: RunResult) -> None:
    written(tmp_path / "a.json", good)
    (tmp_path / "b.json").write_text("x")
    data = json.loads(json.dumps(graded(tmp_path).to_dict()))
    assert len(data["students"]) == len(data["refused"]) == 1
    assert broken(data, "grades-1") == []
    data["students"][0]["grade"] = "A"
    assert broken(data, "grades-1")
