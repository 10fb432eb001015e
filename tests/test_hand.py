"""A step's commands to paste, and the clipboard's tools."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swarmlab import clipboard, naming
from swarmlab.errors import EnvironmentProblem
from swarmlab.loader import load_builtin
from swarmlab.model import Where
from swarmlab.report import hand
from tests.test_cli import swarmlab

LAB = load_builtin("service-discovery")


@pytest.mark.parametrize("step", LAB.steps, ids=lambda step: step.id)
def test_what_is_pasted_is_what_the_chapter_types(
    step: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "_current", naming.DEFAULT)
    (step,) = [one for one in LAB.steps if one is step]
    text = hand.pasted(step)
    for command in step.commands:
        if command.where is Where.WORKSTATION:
            assert command.run.rstrip() in text
        else:
            assert f"# {command.run}" in text.splitlines()
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0


def test_what_belongs_to_the_students_machine_names_the_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(naming, "_current", "monday")
    assert "# swarmlab down --name monday" in hand.pasted(LAB.steps[-1]).splitlines()


def test_it_prints_the_commands_and_nothing_else(tmp_path: Path) -> None:
    done = swarmlab("copy-commands", "4", tmp=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == hand.pasted(LAB.steps[3])
    assert swarmlab("copy-commands", "consul-server", tmp=tmp_path).stdout == done.stdout


def test_it_writes_them_to_a_file_and_says_so(tmp_path: Path) -> None:
    target = tmp_path / "step.sh"
    done = swarmlab("copy-commands", "4", "--out", str(target), tmp=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert target.read_text() == hand.pasted(LAB.steps[3])
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
