"""The verdict over an emulated machine: it holds only when everything does."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.vm import machine, verdict
from tests.vm.__main__ import source
from tests.vm.disks import System

RAN = (
    "install", "version", "doctor.json", "up", "status.json", "chapter", "verify.json", "mesh",
    "ipvs", "clean-up", "down", "left",
)  # fmt: skip


def good() -> dict[str, str]:
    nodes = [{"data_plane": "ipvs"}] * 3
    return {
        "facts": "kernel 6.12.1+deb13-cloud-amd64\ncgroup cgroup2fs\nengine 26.1.5\n",
        "times": "".join(f"{name} 0 10.0 12.5\n" for name in RAN),
        "status.json": json.dumps({"healthy": True, "nodes": nodes}),
        "verify.json": json.dumps({"verdict": "passed", "data_plane": "ipvs"}),
        "doctor.json": "{}",
        "chapter.txt": "13 of 13 steps; checks: 75 passed\n",
        "mesh": "plane ipvs\ntables 0\n" * 3,
        "ipvs": "/var/run/docker/netns/ingress_sbox 1\n",
        "left": "\n",
        "least-available": "2048000\n",
    }


def test_everything_as_it_must_be() -> None:
    assert verdict.problems(good()) == []
    made_from = {"commit": "c0ffee", "changed_since": False}
    kept = verdict.record(
        good(), date="2026-01-02", emulator="QEMU", memory=8192, source=made_from
    )  # fmt: skip
    assert made_from.items() <= kept.items()
    assert kept["machine"]["least_available_mib"] == 2000
    assert kept["times"]["up"] == {"exit_code": 0, "seconds": 2.5}
    assert kept["problems"] == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("facts", "kernel 6.12-cloud\ncgroup tmpfs\n", "cgroups are tmpfs"),
        ("facts", "kernel 6.1-custom\ncgroup cgroup2fs\n", "kernel is 6.1-custom"),
        ("times", "up 0 1 2\n", "install ended with None"),
        ("times", "".join(f"{n} {int(n == 'chapter')} 1 2\n" for n in RAN), "chapter ended with 1"),
        ("status.json", '{"healthy": false, "problems": ["x"]}', "not healthy"),
        ("verify.json", '{"verdict": "failed", "data_plane": "ipvs"}', "verify says failed"),
        ("verify.json", "not JSON", "verify says None"),
        ("chapter.txt", "12 of 13 steps", "does not name all"),
        ("mesh", "plane ipvs\nmesh runs\ntables 0\n" * 3, "runs beside IPVS"),
        ("mesh", "plane nftables\ntables 2\n" * 3, "left tables"),
        ("ipvs", "/var/run/docker/netns/ingress_sbox 0\n", "virtual services"),
        ("ipvs", "", "virtual services"),
        ("left", "4f2a\n", "left behind: 4f2a"),
    ],
)
def test_each_thing_that_is_wrong_is_named(name: str, text: str, words: str) -> None:
    found = verdict.problems({**good(), name: text})
    assert any(words in one for one in found), found


def test_a_result_that_is_missing_is_a_problem() -> None:
    for name in ("facts", "times", "status.json", "verify.json", "chapter.txt", "mesh", "left"):
        results = good()
        del results[name]
        assert verdict.problems(results), name


def test_the_commit_of_the_wheel_is_told_where_it_is_known(tmp_path: Path) -> None:
    assert source(tmp_path) == {}

    def git(*words: str) -> str:
        known = ("-c", "user.name=a", "-c", "user.email=a@x.org")
        done = subprocess.run(
            ["git", "-C", tmp_path, *known, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    assert source(tmp_path) == {}
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert source(tmp_path) == {"commit": commit, "changed_since": False}
    (tmp_path / "copy").mkdir()
    assert source(tmp_path / "copy") == {}
    (tmp_path / "a").write_text("2")
    assert source(tmp_path) == {"commit": commit, "changed_since": True}


def test_results_come_out_of_a_tar() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("./facts")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"a b\n\xff"))
    assert machine.read(packed.getvalue()) == {"facts": "a b\n\ufffd"}


def test_the_machine_gets_its_memory_and_keeps_its_disks() -> None:
    system = System(Path("root"), Path("kernel"), Path("initrd"))
    words = machine.Machine(system, Path("store"), Path("payload"), 1536).argv(Path("out"))
    assert words[words.index("-m") + 1] == "1536M"
    disks = [word for word in words if word.startswith("file=")]
    assert [disk.rpartition(",")[2] for disk in disks] == [
        "snapshot=on",
        "snapshot=on",
        "readonly=on",
    ]
