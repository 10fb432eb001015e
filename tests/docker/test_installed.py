"""The package as somebody else gets it: a wheel, in an environment that holds nothing else, used
from another folder. The package index is asked through this machine's own pip settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlab import __version__

pytestmark = [pytest.mark.docker, pytest.mark.long]

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*argv: str | Path, cwd: Path, **environment: str) -> str:
    """Standard output of a program, which must end with 0. It sees nothing of this checkout
    and of the environment that the tests run in."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    run(*pip, folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`swarmlab` as pip has installed it."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "bin" / "swarmlab"


@pytest.fixture
def name(program: Path, tmp_path: Path) -> Iterator[str]:
    """The name of a lab that is gone afterwards."""
    chosen = f"wheel-{os.getpid()}"
    try:
        yield chosen
    finally:
        run(program, "down", "--name", chosen, cwd=tmp_path)


def sources(folder: str) -> set[str]:
    """What git keeps below a folder, and so what must travel."""
    done = subprocess.run(
        ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_labs_compose_file_and_image_sources_travel_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for folder in ("labs", "compose"):
        assert {f"swarmlab/_data/{path}" for path in sources(folder)} <= inside
    assert sources("swarmlab") <= inside
    assert [path for path in inside if "__pycache__" in path or path.startswith("tests/")] == []
    assert wheel.name == f"swarmlab-{__version__}-py3-none-any.whl"


def test_it_knows_itself_and_its_chapter(program: Path, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert run(program, "--version", cwd=tmp_path, **state) == f"swarmlab {__version__}\n"
    listed = json.loads(run(program, "steps", "--json", cwd=tmp_path, **state))
    assert [step["number"] for step in listed["steps"]] == list(range(1, 15))
    shown = run(program, "step", "3", "--show", cwd=tmp_path, **state)
    assert shown.startswith("Step 3: ")
    assert "eval $(docker-machine env swarm-1)" in shown


def test_it_makes_handouts(program: Path, tmp_path: Path) -> None:
    """With nothing but what the package itself asks for; PDF is an extra."""
    for form in ("md", "html"):
        made = run(program, "handout", "--format", form, "--out", "paper", cwd=tmp_path)
        text = (tmp_path / made.strip()).read_text(encoding="utf-8")
        assert "docker-machine env swarm-1" in text


def test_its_images_are_those_of_the_sources(program: Path, tmp_path: Path) -> None:
    """Equal content gives equal tags, so nothing that a checkout has built is built again."""
    ours = [sys.executable, "-m", "swarmlab", "images", "list", "--json"]
    found = json.loads(run(program, "images", "list", "--json", cwd=tmp_path))
    assert [image["reference"] for image in found] == [
        image["reference"] for image in json.loads(run(*ours, cwd=ROOT))
    ]


def test_a_lab_comes_up_from_any_folder(program: Path, tmp_path: Path, name: str) -> None:
    run(program, "up", "--name", name, cwd=tmp_path)
    status = json.loads(run(program, "status", "--json", "--name", name, cwd=tmp_path))
    assert status["name"] == name
    files = ["docker", "exec", f"swarmlab-{name}-workstation", "ls", "/root/lab"]
    assert {"docker-compose-proxy.yml", "remove.sh"} <= set(run(*files, cwd=tmp_path).split())
    assert list(tmp_path.iterdir()) == []


def test_pipx_installs_it_too(wheel: Path, tmp_path: Path) -> None:
    homes = {
        "PIPX_HOME": str(tmp_path / "home"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
    }
    pipx = [sys.executable, "-m", "pipx", "install", "--python", sys.executable]
    run(*pipx, wheel, cwd=tmp_path, **homes)
    program = tmp_path / "bin" / "swarmlab"
    assert run(program, "--version", cwd=tmp_path) == f"swarmlab {__version__}\n"
    assert run(program, "step", "3", "--show", cwd=tmp_path).startswith("Step 3: ")
