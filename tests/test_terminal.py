"""A terminal lent to a container, with a docker client that is a small script of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, cast

import pytest

from swarmlab import reaper, terminal
from swarmlab.engine import Target
from swarmlab.errors import EnvironmentProblem
from tests.lab_fakes import soon

HERE = Target("unix:///run/some.sock", "a test")


class Container:
    """Remembers what was run in it to tidy up."""

    id = "c0ffee"

    def __init__(self) -> None:
        self.ran: list[list[str]] = []

    def exec_run(self, argv: list[str]) -> None:
        self.ran.append(argv)


def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a `docker` on the PATH that writes its arguments and then runs `script`."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "words"


def attach(container: Container, *argv: str, **more: Any) -> int:
    return terminal.attach(HERE, cast(Any, container), argv, **more)


def test_the_exit_code_of_the_program_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = client(tmp_path, monkeypatch, "exit 42")
    container = Container()
    assert attach(container, "bash", "-c", "x y", workdir="/root/lab") == 42
    typed = words.read_text().splitlines()
    assert typed[:2] == ["exec", "-i"]
    assert typed[-6:] == ["-w", "/root/lab", "c0ffee", "bash", "-c", "x y"]
    assert "-t" not in typed  # no person sits at a test
    assert container.ran == []  # it ended by itself: what it left running is meant to run


def test_a_client_that_was_killed_leaves_no_program_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = client(tmp_path, monkeypatch, "kill -9 $$")
    container = Container()
    assert attach(container, "bash") == 137
    (tag,) = [w for w in words.read_text().splitlines() if w.startswith(reaper.TERMINAL)]
    ((shell, _, script),) = container.ran
    assert shell == "bash" and tag in script


def test_without_a_keyboard_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = client(tmp_path, monkeypatch, "cat")
    assert attach(Container(), "bash", keyboard=False) == 0
    assert "-i" not in words.read_text().splitlines()


def test_without_a_client_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="docker client") as told:
        attach(Container(), "bash")
    assert "docker-cli" in told.value.hint


def test_the_client_talks_to_our_engine_whatever_the_student_has_set() -> None:
    pointed = {
        "DOCKER_HOST": "tcp://10.0.0.1:2376",
        "DOCKER_CERT_PATH": "/state/certs",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CONTEXT": "elsewhere",
        "HOME": "/home/me",
    }
    found = terminal.client_environment(HERE, pointed)
    assert found == {"DOCKER_HOST": "unix:///run/some.sock", "HOME": "/home/me"}
    safe = Target("tcp://far:2376", "DOCKER_HOST", Path("/certs"))
    found = terminal.client_environment(safe, {})
    assert found == {
        "DOCKER_HOST": "tcp://far:2376",
        "DOCKER_CERT_PATH": "/certs",
        "DOCKER_TLS_VERIFY": "1",
    }


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_closed_window_or_ctrl_c_ends_the_program_too(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = client(tmp_path, monkeypatch, "exec sleep 600")
    script = """
        import sys
        from swarmlab import terminal
        from swarmlab.engine import Target
        class Container:
            id = "c0ffee"
            def exec_run(self, argv):
                print("tidied", flush=True)
        terminal.attach(Target("unix:///x", "a test"), Container(), ["bash"])
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert soon(words.exists, 60)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert said == "tidied\n"
    assert process.returncode != 0
