"""`swarmlab shell`, `ssh` and `logs` on a real lab, the first in a real terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from swarmlab.cluster import history
from swarmlab.wait import Observation, until
from tests.docker.lifecycle_site import RealLab, typed

pytestmark = pytest.mark.docker

SECONDS = 90


class Terminal:
    """A real terminal with `swarmlab shell` in it."""

    def __init__(self, lab: RealLab) -> None:
        self._shell: Any = pexpect.spawn(
            sys.executable,
            ["-m", "swarmlab", "shell", "--name", lab.name],
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(24, 80),
        )

    def see(self, *wanted: str) -> None:
        """Wait until each of the texts was printed, in order."""
        for text in wanted:
            self._shell.expect_exact(text)

    def type(self, keys: str, *wanted: str) -> None:
        self._shell.send(keys)
        self.see(*wanted)

    def size(self, rows: int, columns: int) -> None:
        self._shell.setwinsize(rows, columns)

    def kill(self, number: int) -> None:
        self._shell.kill(number)

    def end(self) -> int | None:
        """The exit code, once the other side is gone."""
        self._shell.expect_exact(pexpect.EOF)
        self._shell.close()
        status: int | None = self._shell.exitstatus
        return status

    def close(self) -> None:
        self._shell.close(force=True)


@pytest.fixture
def terminal(lab: RealLab) -> Iterator[Terminal]:
    made = Terminal(lab)
    try:
        made.see("(no node) ~/lab # ")
        yield made
    finally:
        made.close()
        history.path(lab.name).unlink(missing_ok=True)


def swarmlab(lab: RealLab, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command, *rest = words
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", command, "--name", lab.name, *rest],
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


def test_the_shell_has_all_that_the_chapter_types(lab: RealLab, terminal: Terminal) -> None:
    terminal.type("eval $(docker-machine env swarm-2)\r", "(swarm-2) ~/lab # ")
    # Tab knows the words of all three programs, and the services of the file.
    terminal.type("docker-ma\tip swarm-\t", "docker-machine ip swarm-")
    terminal.type("3\r", lab.cluster.address("swarm-3"), "(swarm-2) ~/lab # ")
    terminal.type(
        "\x15docker-compose -f docker-compose-proxy.yml up -d consul-s\t", "consul-server"
    )
    terminal.type("\x15docker serv\t", "docker service ")
    # Ctrl-C ends the command and not the shell; the window may change its size. Its word shows
    # that the command has the terminal, without which Ctrl-C would be the shell's to hear.
    terminal.type("\x15bash -c 'echo nap''ping; exec sleep 600'\r", "napping")
    terminal.type("\x03", "(swarm-2) ~/lab # ")
    terminal.size(30, 133)
    terminal.type("until [ $(tput cols) = 133 ]; do :; done; echo wi''de\r", "wide")
    terminal.type("docker-machine ssh swarm-3 'hostname; exit 4'; echo $?\r", "swarm-3\r\n4")
    terminal.type("docker-machine ssh swarm-1\r", "root@swarm-1")
    terminal.type("exit\r", "(swarm-2) ~/lab # ")
    terminal.type("echo SEC''RET=1 $((41 + 1))\r", "SECRET=1 42")
    terminal.type("export DOCKER_HOST=tcp://nowhere:1\r", "(tcp://nowhere:1) ~/lab # ")
    terminal.type("(exit 7)\r", "(tcp://nowhere:1) ~/lab # ")
    terminal.type("\x04")
    assert terminal.end() == 7
    kept = history.path(lab.name).read_text().splitlines()
    assert "eval $(docker-machine env swarm-2)" in kept and kept[-1] == "(exit 7)"


def test_history_lasts_and_holds_no_secret(lab: RealLab, terminal: Terminal) -> None:
    terminal.type("MY_TOKEN=abc; echo one-$((1 + 1))\r", "one-2", "(no node)")
    terminal.type(" echo a blank before it\r", "(no node)")
    terminal.type("echo kept-$((1 + 1))\r", "kept-2", "(no node)")
    terminal.type("exit 0\r")
    assert terminal.end() == 0
    kept = history.path(lab.name).read_text()
    assert "echo kept-" in kept and "TOKEN" not in kept and "blank" not in kept
    again = Terminal(lab)
    try:
        again.see("(no node)")
        again.type("history\r", "echo kept-$((1 + 1))", "exit 0", "(no node)")
    finally:
        again.close()


def test_a_window_that_is_closed_leaves_nothing_running(lab: RealLab, terminal: Terminal) -> None:
    terminal.type("(exec -a closed-window sleep 600)\r", "closed-window")
    sleepers = "grep -las '^closed-window' /proc/[0-9]*/cmdline | wc -l"

    def running(count: str) -> Observation[None]:
        _, seen = typed(lab.cluster, sleepers)
        return Observation(seen.strip() == count, f"{seen.strip()} sleep")

    until("the sleeper", lambda: running("1"), within=60)
    terminal.kill(signal.SIGHUP)
    until("an empty workstation", lambda: running("0"), within=60)


def test_one_command_ends_with_its_own_exit_code(lab: RealLab) -> None:
    done = swarmlab(lab, "shell", "-c", "cat; echo no >&2; exit 9", input="handed in\n")
    assert (done.returncode, done.stdout, done.stderr) == (9, "handed in\n", "no\n")
    done = swarmlab(lab, "ssh", "swarm-3", "hostname;", "exit", "5")
    assert (done.returncode, done.stdout) == (5, "swarm-3\n")
    done = swarmlab(lab, "ssh", "swarm-2", "uname", "-s", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "Linux\n")
    assert swarmlab(lab, "ssh", "swarm-9").returncode == 2


def test_docker_machine_inspects_and_does_not_remove(lab: RealLab) -> None:
    def machine(words: str) -> tuple[int, str]:
        return typed(lab.cluster, f"docker-machine {words} 2>&1")

    address = lab.cluster.address("swarm-2")
    assert machine("inspect -f '{{.Driver.IPAddress}} {{.Name}}' swarm-2") == (
        0,
        f"{address} swarm-2\n",
    )
    assert machine("inspect --format='{{json .Driver.MachineName}}' swarm-2") == (0, '"swarm-2"\n')
    assert '"Name": "swarm-1"' in machine("inspect swarm-1")[1]
    code, said = machine("inspect -f '{{range .}}' swarm-1")
    assert code == 1 and "only fields are known" in said
    code, said = machine("rm -f swarm-1 swarm-2 swarm-3")
    assert code == 1 and "`swarmlab down`" in said
    code, said = machine("rm -f swarm-9")
    assert code == 1 and 'Docker machine "swarm-9" does not exist' in said
    assert machine("ls -q") == (0, "swarm-1\nswarm-2\nswarm-3\n")


def test_logs_come_from_all_nodes_and_ctrl_c_ends_them(lab: RealLab) -> None:
    service = lab.engine("swarm-1").services.create(  # type: ignore[no-untyped-call]
        "swarmlab/util:1.0",
        command=["sh", "-c", "echo I run on $(hostname); exec sleep infinity"],
        name="talker",
        mode={"Global": {}},
        init=True,
    )
    try:

        def look() -> Observation[None]:
            said = swarmlab(lab, "logs", "talker").stdout
            whole = said.count("I run on") == 3 and "@swarm-3" in said
            return Observation(whole, said)

        until("a word from each node", look, within=120)
        assert swarmlab(lab, "logs", "talker", "--since", "0s").stdout == ""
        done = swarmlab(lab, "logs", "talkr")
        assert done.returncode == 2 and "Did you mean talker?" in done.stderr
        following = subprocess.Popen(
            [sys.executable, "-m", "swarmlab", "logs", "talker", "-f", "--name", lab.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert following.stdout is not None
        assert "I run on" in following.stdout.readline()
        os.killpg(following.pid, signal.SIGINT)
        _, complaint = following.communicate(timeout=60)
        assert following.returncode == 130 and "Traceback" not in complaint
        asked = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'logs --[f]ollow'"
        until(
            "nothing to follow any more",
            lambda: Observation(typed(lab.cluster, asked) == (1, "0\n"), "it runs"),
            within=60,
        )
    finally:
        service.remove()
