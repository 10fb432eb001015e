"""What a failed build says, and how the prepare hook is run."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from swarmlab.errors import ImageProblem
from swarmlab.images import build, schedule
from swarmlab.wait import Observation, until


def test_a_failure_ends_with_the_last_lines_of_the_output() -> None:
    error = build.failure("util", "exit code 100", ["Step 2", "E: Unable to locate package"])
    assert "util" in error.message
    assert error.evidence.endswith("E: Unable to locate package")
    assert error.hint


@pytest.mark.parametrize(
    ("reason", "tail"),
    [
        ("write /x: no space left on device", []),
        ("returned a non-zero code: 1", ["sh: write error: No space left on device"]),
    ],
)
def test_a_full_disk_is_told_apart(reason: str, tail: list[str]) -> None:
    error = build.failure("util", reason, tail)
    assert "disk is full" in error.message
    assert "docker system df" in error.hint


def _hook(folder: Path, body: str) -> None:
    hook = folder / "prepare"
    hook.write_text(f"import os, sys, time\nfrom pathlib import Path\n{body}\n")


def test_the_hook_runs_in_a_copy_that_is_gone_afterwards(tmp_path: Path) -> None:
    _hook(
        tmp_path,
        "words = f'{sys.argv[2]} {os.environ[\"SWARMLAB_PYTHON\"]}\\n'\n"
        "Path(sys.argv[1], 'made').write_text(words)\n"
        "print('fetching')",
    )
    said: list[str] = []
    with build._prepared(tmp_path, "arm64", "x", said.append, threading.Event()) as ready:
        assert (ready / "made").read_text() == f"arm64 {sys.executable}\n"
        copy = ready
    assert said == ["fetching"]
    assert not copy.exists()
    assert not (tmp_path / "made").exists()


def test_a_failed_hook_fails_the_build_with_its_words(tmp_path: Path) -> None:
    _hook(tmp_path, "print('no index in reach', file=sys.stderr)\nsys.exit(3)")
    with (
        pytest.raises(ImageProblem) as caught,
        build._prepared(tmp_path, "amd64", "x", lambda line: None, threading.Event()),
    ):
        raise AssertionError("the hook failed")
    assert "exit code 3" in caught.value.message
    assert "no index in reach" in caught.value.evidence


def test_a_hook_needs_no_right_to_be_executed(tmp_path: Path) -> None:
    # As where the folder for temporary files is mounted noexec.
    _hook(tmp_path, "print('here')")
    assert not os.access(tmp_path / "prepare", os.X_OK)
    said: list[str] = []
    with build._prepared(tmp_path, "arm64", "x", said.append, threading.Event()):
        assert said == ["here"]


def test_a_stop_ends_the_hook_and_what_it_started(tmp_path: Path) -> None:
    _hook(
        tmp_path,
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()",
    )
    stop = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        stop.set()

    start = time.monotonic()
    with (
        pytest.raises(schedule.Stopped),
        build._prepared(tmp_path, "amd64", "x", say, stop),
    ):
        raise AssertionError("the hook was stopped")
    assert time.monotonic() - start < 30
    until(
        "the hook's child to be gone",
        lambda: Observation[None](_ended(int(said[0])), "it lives"),
        within=60,
    )


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_folder_without_a_hook_is_used_as_it_stands(tmp_path: Path) -> None:
    with build._prepared(tmp_path, "amd64", "x", lambda line: None, threading.Event()) as ready:
        assert ready == tmp_path


def test_colours_and_empty_lines_are_left_out() -> None:
    message = {"stream": "\x1b[91mred\n\x1b[0m\n\n plain \n"}
    assert list(build._lines(message)) == ["red", "plain"]
