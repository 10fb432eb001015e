"""A step's commands as one text: nothing of them changed, and what waits between them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from swarmlab import naming, pasting
from swarmlab.loader import load_builtin
from swarmlab.model import CheckSpec, Command, Step, Where
from tests import lab_fakes as fake

LAB = load_builtin("service-discovery")
UTIL = "swarmlab/util:1.0"

# After these the next command may come too early. The others are over when they end.
WAITED = {
    ("standalone-registry", "registry"),
    ("swarm", "service"),
    ("swarm", "scale-elsewhere"),
    ("consul-server", "server"),
    ("consul-agents", "agents"),
    ("proxy", "service"),
    ("go-demo", "services"),
    ("tasks-dns", "util"),
    ("scale-restore", "scale"),
    ("heal", "kill"),
    ("clean-up", "services"),
    ("clean-up", "networks"),
}


@pytest.mark.parametrize("step", LAB.steps, ids=lambda step: step.id)
def test_what_is_pasted_is_what_the_chapter_types(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "_current", naming.DEFAULT)
    text = pasting.pasted(step, UTIL)
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
    assert "# swarmlab down --name monday" in pasting.pasted(LAB.steps[-1], UTIL).splitlines()


def test_the_chapter_waits_for_what_is_only_ordered() -> None:
    waited = {
        (step.id, command.id)
        for step in LAB.steps
        for command in step.commands
        if any(pasting.conditions(spec, UTIL) for spec in command.checks)
    }
    assert waited == WAITED


def spec(check: str, **params: Any) -> CheckSpec:
    return CheckSpec("c", check, "It is so", params, within=2)


class Place:
    """A workstation of stand-ins: each word prints what the file of its name holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for word, answer in {
            "docker": 'case "$*" in *"service ls"*) cat services ;; *"service ps"*) cat tasks ;;'
            ' *"network ls"*) cat networks ;; run*) cat code ;; *) cat containers ;; esac',
            "docker-machine": '[ "$1" = env ] || echo swarm-1',
            "curl": "cat answer",
            "timeout": '[ -e open ]; exit "$?"',
            "sleep": "echo >>slept",
        }.items():
            program = folder / word
            program.write_text(f"#!/bin/bash\ncd {folder}\n{answer}\n")
            program.chmod(0o755)
        for name in ("services", "tasks", "networks", "containers", "answer", "code"):
            self.holds(name, "")

    def holds(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def waits(self, found: CheckSpec) -> tuple[int, str]:
        """How often the pasted lines slept, and what they printed."""
        slept = self.folder / "slept"
        slept.unlink(missing_ok=True)
        step = fake.step(1, commands=(Command("c", "true", checks=(found,)),))
        done = subprocess.run(
            ["bash", "-i"],
            input=pasting.pasted(step, UTIL),
            capture_output=True,
            text=True,
            env={"PATH": f"{self.folder}:{os.defpath}", "HOME": str(self.folder)},
            timeout=60,
        )
        return len(slept.read_text()) if slept.exists() else 0, done.stdout


MEMBERS = '[{"Status": 1}, {"Status": 1}, {"Status": 4}]'
THREE = '[{"Status": 1}, {"Status": 1}, {"Status": 1}]'
HEALED = {"service": "proxy", "slot": 6}
INSIDE = {"service": "go-demo", "url": "http://go-demo:8080/demo/hello"}
SERVED = {"label": "com.docker.swarm.service.name", "count": 0, "running": False}


@pytest.mark.parametrize(
    ("found", "file", "before", "after"),
    [
        (spec("swarm.service", name="proxy", replicas=6), "services", "proxy 3/6\n", "proxy 6/6\n"),
        (spec("swarm.service", name="db", replicas=1), "services", "go-db 1/1\n", "db 1/1\n"),
        (spec("swarm.service", name="s", replicas=2), "services", "s 2/20\n", "s 2/2 (max 1)\n"),
        (spec("swarm.service", name="util", mode="global"), "services", "util 2/3", "util 3/3"),
        (spec("swarm.service", name="util", mode="global"), "services", "util 0/0", "util 12/12"),
        (spec("swarm.healed", **HEALED), "tasks", "Running 1 h ago\n", "Running\nFailed\n"),
        (spec("swarm.healed", **HEALED), "tasks", "Ready\nFailed\n", "Running\nFailed\n"),
        (spec("swarm.absent", services=["a"], networks=["b"]), "services", "a\n", "ab\n"),
        (spec("swarm.absent", services=["a"], networks=["b"]), "networks", "b\n", "bridge\n"),
        (spec("engines.containers", **SERVED), "containers", "12ab\n", ""),
        (spec("consul.leader", node="swarm-1"), "answer", '""', '"10.0.0.1:8300"'),
        (spec("consul.members", alive=3, nodes=["swarm-1"]), "answer", MEMBERS, THREE),
        (spec("http.inside", **INSIDE), "code", "000", "200"),
    ],
)  # fmt: skip
def test_it_waits_until_it_is_so_and_not_longer(
    tmp_path: Path, found: CheckSpec, file: str, before: str, after: str
) -> None:
    place = Place(tmp_path)
    place.holds(file, before)
    assert place.waits(found) == (2, "not yet: It is so\n")
    place.holds(file, after)
    assert place.waits(found) == (0, "")


def test_it_waits_for_ports(tmp_path: Path) -> None:
    place = Place(tmp_path)
    found = spec("http.ports_open", ports=[80, 443])
    assert place.waits(found) == (2, "not yet: It is so\n")
    place.holds("open", "")
    assert place.waits(found) == (0, "")


def test_what_is_so_when_the_command_ends_is_not_waited_for() -> None:
    own = spec("engines.containers", label="naive=go-demo", count=2)
    assert pasting.conditions(own, UTIL) == ()
    step = fake.step(1, commands=(Command("c", "docker ps", checks=(own,)),))
    assert pasting.pasted(step, UTIL) == "docker ps\n"
