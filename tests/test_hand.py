"""Where a step's commands are put: printed, into a file, into the clipboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarmlab import clipboard
from swarmlab.errors import EnvironmentProblem
from swarmlab.loader import load_builtin
from swarmlab.pasting import pasted
from tests.test_cli import swarmlab

TEXT = pasted(load_builtin("service-discovery").steps[3], "swarmlab/util:1.0")


def test_it_prints_the_commands_and_nothing_else(tmp_path: Path) -> None:
    done = swarmlab("copy-commands", "4", tmp=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == TEXT
    assert swarmlab("copy-commands", "consul-server", tmp=tmp_path).stdout == done.stdout


def test_it_writes_them_to_a_file_and_says_so(tmp_path: Path) -> None:
    target = tmp_path / "step.sh"
    done = swarmlab("copy-commands", "4", "--out", str(target), tmp=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert target.read_text() == TEXT
    assert str(target) in done.stderr.replace("\n", "")
    done = swarmlab("copy-commands", "4", "--out", str(tmp_path), tmp=tmp_path)
    assert done.returncode == 3 and "cannot be written" in done.stderr


def tool(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_clipboard_takes_them_through_the_first_tool_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, "xclip", "echo no screen >&2; exit 1")
    tool(tmp_path, "xsel", f"cat >{tmp_path}/taken")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert clipboard.put("docker ps\n") == "xsel"
    assert (tmp_path / "taken").read_text() == "docker ps\n"


def test_a_clipboard_without_a_tool_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, "xclip", "echo no screen >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":7")
    with pytest.raises(EnvironmentProblem) as told:
        clipboard.put("docker ps\n")
    assert "xclip: no screen" in told.value.evidence
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(EnvironmentProblem) as told:
        clipboard.put("docker ps\n")
    assert told.value.evidence == ""


def test_no_file_is_written_over(tmp_path: Path) -> None:
    target = tmp_path / "mine.sh"
    target.write_text("mine")
    for words in (("copy-commands", "4"), ("topology",)):
        done = swarmlab(*words, "--out", str(target), tmp=tmp_path)
        assert done.returncode == 2 and "exists already" in done.stderr, words
    assert target.read_text() == "mine"
