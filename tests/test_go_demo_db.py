"""The hook that fetches go-demo-db's packages: what it asks of pip, and how it fails."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import itertools
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "compose" / "images" / "go-demo-db"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("prepare", str(FOLDER / "prepare"))
    spec = importlib.util.spec_from_loader("prepare", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def prepare(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FOLDER / "prepare"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_bytes((FOLDER / "requirements.txt").read_bytes())
    return tmp_path


def test_every_package_is_pinned_with_the_hashes_of_both_architectures() -> None:
    text = (FOLDER / "requirements.txt").read_text()
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.M).strip())
    hashes = {}
    for entry in entries:
        pinned = re.fullmatch(r"([a-z0-9-]+)==[0-9a-z.]+((?: \\\n    --hash=sha256:\S+)+)", entry)
        assert pinned, entry
        hashes[pinned[1]] = len(set(re.findall(r"sha256:([0-9a-f]{64})\b", pinned[2])))
    binary = {"secantusdb", "pymongo", "numpy", "shapely"}
    assert {name for name, count in hashes.items() if count == 2} == binary
    assert set(hashes.values()) == {1, 2}


@pytest.mark.parametrize("arguments", [(), ("/tmp",), ("/tmp", "mips"), ("a", "amd64", "b")])
def test_wrong_call(arguments: tuple[str, ...]) -> None:
    done = prepare(*arguments)
    assert done.returncode == 2
    assert done.stderr == "usage: prepare <context folder> <amd64|arm64>\n"


@pytest.mark.parametrize(("arch", "machine"), [("amd64", "x86_64"), ("arm64", "aarch64")])
def test_pip_is_asked_for_the_image_s_python_and_architecture(
    context: Path, tmp_path: Path, arch: str, machine: str
) -> None:
    said = tmp_path / "said"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\nmkdir -p {context}/site/bin\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    done = prepare(str(context), arch, SWARMLAB_PYTHON=str(python))
    assert (done.returncode, done.stderr) == (0, "")
    arguments = said.read_text().splitlines()
    assert arguments[:3] == ["-m", "pip", "install"]
    platforms = [b for a, b in itertools.pairwise(arguments) if a == "--platform"]
    assert platforms and all(platform.endswith(f"_{machine}") for platform in platforms)
    assert arguments[arguments.index("--python-version") + 1] == "3.13"
    assert {"--require-hashes", "--no-deps", ":all:"} <= set(arguments)
    assert list((context / "site").iterdir()) == []


def test_index_out_of_reach_is_said_in_words(context: Path) -> None:
    done = prepare(
        str(context),
        "amd64",
        SWARMLAB_PYTHON=sys.executable,
        PIP_CONFIG_FILE=os.devnull,
        # Nothing listens there, and nobody may be asked in its place.
        PIP_INDEX_URL="http://user:hunter2@127.0.0.1:9/simple",
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_NO_CACHE_DIR="1",
        NO_PROXY="127.0.0.1",
    )
    assert done.returncode == 1
    assert "pip could not get the packages of requirements.txt" in done.stderr
    assert "package index within reach?" in done.stderr
    assert "hunter2" not in done.stderr and "Traceback" not in done.stderr


def test_a_python_without_pip_is_said_in_words(context: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '/x/python: No module named pip' >&2; exit 1\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    done = prepare(str(context), "amd64", SWARMLAB_PYTHON=str(python))
    assert (done.returncode, done.stderr) == (1, "go-demo-db: this Python has no pip.\n")


def test_a_foreign_package_is_said_in_words(hook: ModuleType) -> None:
    pip = (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    Expected x"
    )
    assert "not the one whose hash" in hook.explanation(pip)


def test_what_is_not_needed_goes(hook: ModuleType, tmp_path: Path) -> None:
    for name in ("numpy/core/tests/a.py", "numpy/core/b.py", "secantus/sql/c.py", "bin/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    hook.trim(tmp_path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["b.py"]
