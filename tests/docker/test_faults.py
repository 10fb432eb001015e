"""Faults on purpose on a real lab, seen by the live picture in a terminal, and healed again."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from docker.types import ServiceMode

from swarmlab.checks import CHECKS
from swarmlab.cluster import lifecycle
from swarmlab.handout.diagrams.look import Looker
from swarmlab.handout.diagrams.seen import PROXY
from swarmlab.wait import Observation, until
from swarmlab.watching.eye import Eyes
from tests.docker.lifecycle_site import RealLab, looked

pytestmark = pytest.mark.docker

CONSUL = "swarmlab/consul:1.8.7"


def call(lab: RealLab, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words, "--name", lab.name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def done(lab: RealLab, *words: str) -> str:
    ended = call(lab, *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class Picture:
    """`status --watch` in a terminal of 80 columns and 24 rows; `text` is all that it drew."""

    def __init__(self, lab: RealLab) -> None:
        self.text = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            # Whoever starts tests in the background hands on that SIGINT is ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
            command = [sys.executable, "-m", "swarmlab", "status", "--watch", "--name", lab.name]
            os.execve(sys.executable, command, environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def shows(self, what: str) -> None:
        """Wait until it is drawn after now."""
        begun = len(self.text)
        until(
            f"{what} in the picture",
            lambda: Observation(what in self.text[begun:], self.text[-1500:]),
            within=180,
        )

    def end(self) -> int:
        """Ctrl-C, as the terminal sends it; the exit code."""
        os.write(self._terminal, b"\x03")
        code: list[int] = []

        def look() -> Observation[None]:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                code.append(os.waitstatus_to_exitcode(status))
            return Observation(bool(pid), "it runs on")

        try:
            until("the picture to end", look, within=90)
        except BaseException:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            raise
        self._reader.join(30)
        os.close(self._terminal)
        return code[0]

    def _read(self) -> None:
        while True:
            try:
                select.select([self._terminal], [], [])
                part = os.read(self._terminal, 65536)
            except OSError:
                return
            if not part:
                return
            plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", part)
            self.text += plain.decode("utf-8", "replace")


@pytest.fixture
def site(lab: RealLab) -> Iterator[RealLab]:
    """A Consul server, and a service of two tasks; all of it removed again."""
    manager: Any = lab.engine("swarm-1")
    consul = lab.engine("swarm-1").containers.run(
        CONSUL,
        ["agent", "-dev", "-client=0.0.0.0", f"-bind={lab.cluster.address('swarm-1')}"],
        name="consul",
        network_mode="host",
        detach=True,
    )
    service = None
    try:
        service = manager.services.create(
            "swarmlab/util:1.0",
            ["sleep", "infinity"],
            name="victim",
            mode=ServiceMode("replicated", 2),
            init=True,
        )
        becomes(lab, "swarm.service", name="victim", replicas=2)
        yield lab
    finally:
        done(lab, "fault", "heal", "--all")
        if service is not None:
            service.remove()
        consul.remove(force=True, v=True)
        becomes(lab, "swarm.absent", services=["victim"])


def becomes(lab: RealLab, which: str, **params: Any) -> None:
    def at() -> Observation[None]:
        found = CHECKS[which](lab.cluster, **params)
        return Observation(found.passed, found.actual)

    until(f"{which} {params}", at, within=180)


def task(lab: RealLab, slot: int) -> str:
    """The id of the task that is meant to run in that slot."""
    api: Any = lab.engine("swarm-1").api
    wanted = {"service": "victim", "desired-state": "running"}
    return next((str(t["ID"]) for t in api.tasks(filters=wanted) if t["Slot"] == slot), "")


def test_what_is_harmed_is_seen_and_heals(site: RealLab) -> None:
    picture = Picture(site)
    try:
        picture.shows("victim 2/2")

        before = task(site, 1)
        told = done(site, "fault", "kill", "victim.1")
        assert "victim.1 on swarm-" in told and "docker service ps victim" in told
        until(
            "another task in the slot",
            lambda: Observation(task(site, 1) not in ("", before), "the old one"),
            within=180,
        )

        told = done(site, "fault", "cut", "swarm-3")
        assert f"swarmlab fault heal swarm-3 --name {site.name}" in told
        assert "is cut off from the other nodes" in call(site, "status").stdout
        # One is lost: losing another would cost the quorum, and is refused; nothing happens.
        refused = call(site, "fault", "stop", "swarm-2")
        assert refused.returncode == 2, refused.stderr
        assert "1 of 3 managers" in refused.stderr and "--yes" in refused.stderr
        picture.shows("manager, not reachable")
        assert "joined to the other nodes again" in done(site, "fault", "heal", "swarm-3")

        told = done(site, "fault", "consul-server")
        assert "The Consul server on swarm-1 is stopped." in told
        done(site, "fault", "pause", "swarm-2")
        picture.shows("swarm-2 does not run: Up")
        told = done(site, "fault", "heal", "--all")
        assert "swarm-2 runs again." in told and "Consul on swarm-1 runs again." in told
        assert looked(site.name).healthy
        assert "nothing to heal" in done(site, "fault", "heal", "--all")
        picture.shows("3 of 3 nodes answer")
    finally:
        code = picture.end()
    assert code == 130
    assert "Traceback" not in picture.text


def test_looking_once_a_second_costs_less_than_a_twentieth_of_a_core(lab: RealLab) -> None:
    """What a look takes of this process; the engines' part is theirs."""
    cluster = lifecycle.find(lab.name, patience=2)
    assert cluster is not None
    with cluster:
        eyes = Eyes(cluster, PROXY)
        looker = Looker(cluster, eyes)
        looker.look()
        took = []
        for _ in range(5):
            begun = time.process_time()
            for _ in range(4):
                looker.look()
            took.append((time.process_time() - begun) / 4)
        eyes.close()
    # The best of five: what a neighbour takes of the processor's caches is not ours.
    assert min(took) < 0.025
