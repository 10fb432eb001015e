"""`doctor --fix`: what is put right, what is left alone, and that twice is once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swarmlab import belongings, findings, mending, probe, process, state
from swarmlab.errors import EngineUnreachable
from swarmlab.findings import Finding, State
from swarmlab.progress import SilentProgress

QUIET = SilentProgress()


def bad(id: str, state: State = State.PROBLEM) -> Finding:
    return Finding(id, id, state, "seen", "why", "mend")


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """As root on the engine's own machine; the commands that would be run."""
    ran: list[list[str]] = []

    def run(argv: list[str], **more: Any) -> process.Completed:
        ran.append(list(argv))
        gone = "ip_vs" in argv
        said = "modprobe: FATAL: Module ip_vs not found." if gone else ""
        return process.Completed(tuple(argv), 1 if gone else 0, "", said, 0.1)

    monkeypatch.setattr(mending, "_may_change_the_kernel", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(process, "run", run)
    return ran


def test_modules_are_loaded_and_one_that_is_not_there_is_no_deed_done(
    root: list[list[str]],
) -> None:
    found = [bad("vxlan"), bad("data-plane"), bad("memory"), bad("overlay", State.OK)]
    first, second = mending.fix(found, QUIET)
    assert root == [["modprobe", "-a", "vxlan"], ["modprobe", "-a", "ip_vs"]]
    assert first.done and "until the machine starts again" in first.said
    assert not second.done and "Module ip_vs not found" in second.said
    assert json.loads(json.dumps(first.to_dict()))["finding"] == "vxlan"


@pytest.mark.usefixtures("root")
def test_settings_are_raised_and_the_old_value_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "_SYSCTL", tmp_path)
    place = tmp_path / "fs" / "inotify" / "max_user_instances"
    place.parent.mkdir(parents=True)
    place.write_text("8\n")
    low = probe.kernel(probe.Probe({}, inotify=8))
    low = [f for f in low if f.id == "inotify"]
    assert [f.state for f in low] == [State.WARNING] and low[0].why and low[0].mend
    (deed,) = mending.fix(low, QUIET)
    assert deed.done and "(it was 8)" in deed.said
    again = probe.kernel(probe.Probe({}, inotify=int(place.read_text())))
    assert mending.fix([f for f in again if f.id == "inotify"], QUIET) == []
    (lost,) = mending.fix([bad("forwarding")], QUIET)
    assert not lost.done


def test_without_the_rights_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(process, "run", lambda *words, **more: pytest.fail("nothing may run"))
    assert mending.fix([bad(id) for id in (*mending.MODULES, *mending.SETTINGS)], QUIET) == []


def test_the_own_folder_is_closed_once() -> None:
    folder = state.made(state.folder())
    assert belongings.files(folder).state is State.OK
    folder.chmod(0o755)
    found = belongings.files(folder)
    assert found.state is State.WARNING and found.mend
    (deed,) = mending.fix([found], QUIET)
    assert deed.done
    assert folder.stat().st_mode & 0o777 == 0o700
    assert mending.fix([belongings.files(folder)], QUIET) == []


def test_an_engine_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise EngineUnreachable("No Docker engine.")

    monkeypatch.setattr("swarmlab.engine.connect", away)
    (deed,) = mending.fix([bad("leftovers", State.WARNING)], QUIET)
    assert (deed.done, deed.said) == (False, "No Docker engine.")


def test_a_folder_that_another_user_owns_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = belongings.files(tmp_path / "not" / "there")
    assert found.state is State.PROBLEM and str(tmp_path) in found.seen
    # Nothing is given away but swarmlab's own folder, wherever it was to be.
    assert f'`sudo install -d -o "$USER" -m 700 {tmp_path}/not/there`' in found.mend
    assert f'`sudo chown -R "$USER" {tmp_path}`' in belongings.files(tmp_path).mend


def test_a_folder_into_which_one_may_not_look_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `su`, with a variable of the user before."""

    def locked(path: Path) -> bool:
        if len(path.parts) > 2:
            raise PermissionError(13, "Permission denied")
        return True

    monkeypatch.setattr(Path, "exists", locked)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = belongings.files(Path("/somebody/my labs/swarmlab"))
    assert found.state is State.PROBLEM and found.seen.startswith("/somebody ")
    assert "-m 700 '/somebody/my labs/swarmlab'`" in found.mend


@pytest.mark.parametrize(
    ("text", "state"),
    [("32768\t60999\n", State.OK), ("40000 40100", State.WARNING), ("what", None)],
)
def test_ports(tmp_path: Path, text: str, state: State | None) -> None:
    table = tmp_path / "range"
    table.write_text(text)
    found = findings.ports(table)
    assert [f.state for f in found] == ([state] if state else [])


def test_forwarding_that_is_off_stops_a_lab() -> None:
    found = findings.machine({"MemTotal": 8 << 30, "NCPU": 2, "IPv4Forwarding": False}, None)
    (off,) = [f for f in found if f.id == "forwarding"]
    assert off.state is State.PROBLEM and off.why and off.mend
