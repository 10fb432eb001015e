"""The HAProxy process: check a configuration, start, reload, stop.

HAProxy runs in master-worker mode. The master never serves a request: it starts a worker, and at a
reload a new worker, to which the old one hands its listening sockets. The sockets are open at every
moment, and the old worker finishes the requests that it has: so a reload loses none.
(HAProxy 3.0 management guide, "Master-worker mode" and "Master CLI".)
"""

import os
import signal
import socket
import time
from pathlib import Path

from .children import TOO_LATE, Children

# Limits for a process that hangs, not for one on a busy machine: it usually takes a tenth of a
# second, but six replicas may start at once on a small laptop.
_CHECK_SECONDS = 30.0
_RELOAD_SECONDS = 15.0
_START_SECONDS = 30.0


class ConfigurationRefused(Exception):
    """HAProxy does not accept a configuration; the text says what the caller is told."""


class HaproxyFailed(Exception):
    """HAProxy did not start, did not reload, or did not come to an end with a check."""


class Haproxy:
    """One HAProxy master, reached through its command socket."""

    def __init__(self, configuration: Path, run_folder: Path, children: Children) -> None:
        self._configuration = configuration
        self._socket = run_folder / "haproxy-master.sock"
        self._children = children
        self._pid = 0

    def check(self, candidate: Path) -> str:
        """Let HAProxy read a configuration without using it; returns its remarks.

        Raises ConfigurationRefused with the command, its result and the whole configuration;
        HaproxyFailed when there is no result: slowness says nothing about the configuration.
        """
        command = ["haproxy", "-c", "-f", str(candidate)]
        code, remarks = self._children.run(command, _CHECK_SECONDS)
        if code == TOO_LATE:
            raise HaproxyFailed(f"HAProxy checks its configuration: {remarks}")
        if code != 0:
            text = candidate.read_text(encoding="utf-8")
            message = f"Command {' '.join(command)}\n\nexit status {code}\n{text}"
            raise ConfigurationRefused(message, remarks)
        return remarks

    def start(self) -> None:
        """Start the master and wait until port 80 answers; raises HaproxyFailed."""
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        command = ["haproxy", "-W", "-S", f"{self._socket},mode,600"]
        self._pid = self._children.start([*command, "-f", str(self._configuration)])
        deadline = time.monotonic() + _START_SECONDS
        while not _listening(80):
            self._children.bury()
            if self.exit_code() is not None:
                raise HaproxyFailed(f"HAProxy ended at its start with code {self.exit_code()}")
            if time.monotonic() > deadline:
                raise HaproxyFailed(f"HAProxy does not listen after {_START_SECONDS:g} seconds")
            time.sleep(0.02)

    def reload(self) -> None:
        """Let a new worker take over; returns when it serves. Raises HaproxyFailed."""
        try:
            answer = _ask(self._socket, "reload", _RELOAD_SECONDS)
        except OSError as error:
            raise HaproxyFailed(f"HAProxy's command socket: {error}") from error
        if not answer.startswith("Success=1"):
            raise HaproxyFailed(f"HAProxy did not reload:\n{answer}")

    def exit_code(self) -> int | None:
        """How the master ended, or None while it runs."""
        return self._children.exit_code(self._pid)

    def stop(self, deadline: float) -> None:
        """Finish the requests in flight, then end; at `deadline` (monotonic) end anyway."""
        self._tell(signal.SIGUSR1)
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._tell(signal.SIGTERM)
        last = time.monotonic() + 1.0
        while self._alive() and time.monotonic() < last:
            time.sleep(0.02)

    def _alive(self) -> bool:
        self._children.bury()
        return self.exit_code() is None

    def _tell(self, sign: signal.Signals) -> None:
        if self._alive():
            os.kill(self._pid, sign)


def _listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def _ask(path: Path, command: str, seconds: float) -> str:
    # The master answers when the new worker is ready or has failed, then hangs up.
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(seconds)
        channel.connect(str(path))
        channel.sendall(command.encode() + b"\n")
        answer = b""
        while part := channel.recv(65536):
            answer += part
    return answer.decode("utf-8", "replace")
