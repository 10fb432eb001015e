"""The worked example for authors of labs, on a real cluster: every line that the page shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlab import scaffold
from swarmlab.cluster import lifecycle

pytestmark = [pytest.mark.docker, pytest.mark.long]

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "hello-swarm"


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    yield from _taken_down(f"author-{os.getpid()}")


@pytest.fixture
def another() -> Iterator[str]:
    """A cluster of its own: each is in use for one lab."""
    yield from _taken_down(f"new-{os.getpid()}")


def _taken_down(chosen: str) -> Iterator[str]:
    try:
        yield chosen
    finally:
        lifecycle.down(chosen)


def lab_test(name: str, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", "lab", "test", *words, "--name", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "COLUMNS": "140"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_worked_example_is_proven_as_its_page_shows(name: str) -> None:
    printed = lab_test(name, "--lab", str(EXAMPLE))
    printed += lab_test(name, "--mistakes", "--lab", str(EXAMPLE))
    page = (ROOT / "docs" / "authors" / "lab.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("✔")]
    assert len(lines) == 7
    for line in lines:
        # On paper without the time that it took.
        assert any(one.startswith(f"{line}  (") for one in printed.splitlines()), printed


def test_a_new_lab_is_proven_as_it_is(another: str, tmp_path: Path) -> None:
    """What `swarmlab lab new` makes is not only read: an author begins with it."""
    scaffold.make(tmp_path / "my-lab")
    made = str(tmp_path / "my-lab")
    printed = lab_test(another, "--lab", made)
    for step in ("step 1 (start)", "step 2 (clean-up)"):
        assert f"✔ passed   {step}: fails before, passes after, undone by its reset" in printed
    assert "✔ passed   start/one-too-few: " in lab_test(another, "--mistakes", "--lab", made)


def test_what_is_wrong_with_a_lab_is_found_on_the_cluster(another: str, tmp_path: Path) -> None:
    """A reset that forgets a network; a mistake that is none."""
    # Where the whole example was proven before, the forgetful reset leaves the network of that.
    folder = tmp_path / "hello-swarm"
    shutil.copytree(EXAMPLE, folder)
    path = folder / "lab.yaml"
    text = path.read_text(encoding="utf-8")
    wrong = text.replace("./remove.sh service hello network greetings\n\n", "./remove.sh service"
                         " hello\n\n").replace("--detach hello=2", "--detach hello=3")  # fmt: skip
    assert wrong.count("hello=2") == text.count("hello=2") - 1
    path.write_text(wrong, encoding="utf-8")
    printed = lab_test(another, "1", "--lab", str(folder), code=1)
    assert "after the reset: network greetings was not there before" in printed
    printed = lab_test(another, "--mistakes", "--lab", str(folder), code=1)
    assert "check three-found is passed, saw tasks.hello: " in printed
