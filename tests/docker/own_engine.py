"""A second Docker engine on this machine, which a test may stop, kill and start again.

It has its own data, sockets and containerd, and a network namespace of its own: bridges and packet
filters of the machine's engine are out of its sight. What talks to its containers is run in that
namespace; see `inside`. Only root can do all this. What a test that was killed has left of its
engine goes when the next one is made.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.images import builder
from swarmlab.wait import Observation, until
from tests.docker import engine_record
from tests.docker.engine_record import Process

_SECONDS = 120.0  # for an engine to come up, or to stop its containers and end


class OwnEngine:
    """The engine; everything of it is in `folder`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self._flags = flags
        self._network = folder / "net"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Where its images and containers are."""
        return self._folder / "data"

    @property
    def url(self) -> str:
        return f"unix://{self._folder}/docker.sock"

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command line that runs a command in the engine's network."""
        return ["nsenter", f"--net={self._network}", *command]

    def client(self) -> DockerClient:
        return DockerClient(base_url=self.url, version="auto", timeout=120)

    def prepare(self) -> None:
        """Make the network namespace; it lasts until `remove`."""
        self._network.touch()
        subprocess.run(["unshare", f"--net={self._network}", "true"], check=True)
        subprocess.run(self.inside(["ip", "link", "set", "lo", "up"]), check=True)

    def start(self) -> None:
        """Start the engine, for the first time or again; returns when it answers.

        On a slow machine it gives up waiting for its containerd, and is started once more, as a
        service manager does.
        """
        assert self._process is None
        self._spawn()
        until("the test's own engine", self._answers, within=_SECONDS)

    def _spawn(self) -> None:
        settings = self._folder / "daemon.json"
        settings.write_text("{}")
        # The same for the next engine of this folder, which has to find this one's containers.
        mine = f"swarmlab-test-{self._folder.name}"
        command = [
            *("dockerd", "--config-file", str(settings), "--storage-driver", "overlay2"),
            *("--data-root", str(self._folder / "data"), "--exec-root", str(self._folder / "run")),
            *("--pidfile", str(self._folder / "pid"), "--host", self.url),
            # Where the machine has a containerd that runs by itself, engines share it by names.
            *("--containerd-namespace", mine, "--containerd-plugins-namespace", f"{mine}-plugins"),
            *self._flags,
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.inside(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        engine_record.write(self._folder, self._process.pid)

    def end(self, how: signal.Signals) -> None:
        """End the engine with that signal; returns when it is gone."""
        assert self._process is not None
        # nsenter has become the engine: it is the same process.
        self._process.send_signal(how)
        self._process.wait(timeout=_SECONDS)
        self._process = None

    def give(self, *names: str) -> None:
        """Copy images of the machine's engine to this one, as a stream."""
        here = docker.from_env(version="auto")
        made = [one.reference for one in builder.ensure(names, engine=here) if one.name in names]
        here.close()
        with subprocess.Popen(["docker", "save", *made], stdout=subprocess.PIPE) as save:
            subprocess.run(
                ["docker", "-H", self.url, "load", "--quiet"],
                stdin=save.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        assert save.returncode == 0

    def remove(self) -> None:
        """Take away its containers, itself, and all that it kept."""
        with suppress(DockerException, RequestException):
            client = self.client()
            for container in client.containers.list(all=True):
                container.remove(force=True, v=True)
            client.close()
        if self._process is not None:
            self.end(signal.SIGTERM)
        self.end_left()
        # Deepest first: overlays, namespaces of networks, and at last our own.
        for place in sorted(_mounts(self._folder), key=len, reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self._folder)

    def _answers(self) -> Observation[None]:
        assert self._process is not None
        try:
            client = self.client()
            client.ping()
            client.close()
        except (DockerException, RequestException) as error:
            last = self._log.read_text(errors="replace").splitlines()[-3:]
            if self._process.poll() is not None:
                self._spawn()
            return Observation(False, f"{error} {last}")
        return Observation(True, "it answers")

    def end_left(self) -> None:
        """End an engine of this folder that no record names, and a containerd that one has left."""
        for file in ("pid", "run/containerd/containerd.pid"):
            with suppress(OSError, ValueError):
                process = Process.of(int((self._folder / file).read_text()))
                line = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace")
                # A number alone may by now be somebody else's.
                if str(self._folder) in line:
                    _kill(process, signal.SIGTERM)


def clear_lost() -> None:
    """End the engines of tests that were killed, and take away what they kept.

    Each is started once more: an engine that starts ends the containers of the one before it.
    """
    with engine_record.alone():
        for record in engine_record.lost():
            engine = OwnEngine(record.folder)
            if record.engine is not None:
                _kill(record.engine)
            engine.end_left()
            if _mounts(record.folder):
                engine.start()
                engine.remove()
            else:
                # The machine has started anew since, or the test had not begun: nothing runs.
                shutil.rmtree(record.folder)


def _kill(process: Process, how: signal.Signals = signal.SIGKILL) -> None:
    """End that process, and no other that may get its number meanwhile."""
    try:
        held = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.lives:
            signal.pidfd_send_signal(held, how)
            until(
                f"process {process.pid} to end",
                lambda: Observation(not process.lives, "it lives"),
                within=_SECONDS,
            )
    finally:
        os.close(held)


@contextmanager
def own_engine(*flags: str) -> Iterator[OwnEngine]:
    """An engine that runs, for the time of the block; `flags` are more of its own."""
    clear_lost()
    engine = OwnEngine(engine_record.folder(), *flags)
    try:
        engine.prepare()
        engine.start()
        yield engine
    finally:
        engine.remove()


def _mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [place for line in lines if (place := line.split()[4]).startswith(f"{folder}/")]
