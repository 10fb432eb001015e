"""PID 1's duty: bury the processes that nobody waits for.

When a process dies, the kernel keeps a row for it until its parent asks how it ended. A process
whose parent died first becomes a child of PID 1, in a container of this program. If PID 1 never
asks, the rows pile up as zombies: the original proxy had that fault after every reload.
"""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence

TOO_LATE = 124
"""The exit code of a command that was killed for taking too long, as with `timeout`."""


class Children:
    """All processes that this program starts, and all that it inherits."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._watched: dict[int, subprocess.Popen[bytes]] = {}
        self._ended: dict[int, int] = {}

    def start(self, command: Sequence[str]) -> int:
        """Start a process that stays; returns its id. Raises OSError when it cannot start."""
        with self._lock:
            process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=2
            )
            self._watched[process.pid] = process
            return process.pid

    def run(self, command: Sequence[str], seconds: float) -> tuple[int, str]:
        """Run a short command; returns its exit code and all that it printed.

        A command that takes longer than `seconds` is killed and gives exit code TOO_LATE.
        The lock is held meanwhile, or `bury` could take the exit code away from us.
        """
        with self._lock:
            try:
                done = subprocess.run(
                    command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return TOO_LATE, f"no answer within {seconds:g} seconds"
            return done.returncode, done.stdout.decode("utf-8", "replace")

    def bury(self) -> None:
        """Ask after every child that has ended; never waits.

        When a short command is under way, it is left for the next call.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self._watched:
                    self._ended[pid] = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            return
        finally:
            self._lock.release()

    def exit_code(self, pid: int) -> int | None:
        """How a process of `start` ended, or None while it lives (as of the last `bury`)."""
        return self._ended.get(pid)
