"""Long programs on this machine: their lines are progress, and a stop ends them early."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from swarmlab.errors import EnvironmentProblem
from swarmlab.images.schedule import Stopped
from swarmlab.process import redact
from swarmlab.wait import Observation, poll
from swarmlab.words import say

Say = Callable[[str], None]

_TAIL_LINES = 20
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 5.0  # for a program that is told to end to tidy up


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code and its last lines, secrets removed.

    `raw` are the same lines with the secrets in them: to be read for what they tell, never shown.
    """

    code: int
    tail: tuple[str, ...]
    raw: tuple[str, ...] = field(default=(), repr=False)


def run(
    argv: Sequence[str],
    *,
    tell: Say,
    stop: threading.Event,
    env: Mapping[str, str],
    stdout: IO[bytes] | None = None,
    own_group: bool = False,
) -> Ended:
    """Run a program to its end; every line that it writes goes to `tell`, secrets removed.

    `env` is added to this process's environment. With `stdout` the output goes there and only
    the error output is said. The program's standard input is a pipe that ends early when `stop`
    is set or when this process dies, however it dies: a program that others than its user may
    not signal (by sudo, say) can watch it. `own_group` is for programs that do not: the program
    and all that it started are told to end at a stop, and killed some seconds later. It takes the
    terminal from them, so sudo could not ask there.

    Raises schedule.Stopped when `stop` was set, EnvironmentProblem when the program cannot be
    started.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=stdout if stdout is not None else subprocess.PIPE,
            stderr=subprocess.PIPE if stdout is not None else subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=own_group,
        )
    except OSError as error:
        raise EnvironmentProblem(
            say("{program} cannot be started: {why}.", program=argv[0], why=error.strerror),
            hint=say("Install it, or put it on the PATH; then run the command again."),
        ) from error
    words = process.stderr if stdout is not None else process.stdout
    assert words is not None  # one of the two is a pipe, see above
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stop.is_set():
                _end(process, own_group)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        for each in words:
            if line := each.decode(errors="replace").strip():
                tail.append(line)
                tell(redact(line))
        code = process.wait()
    except BaseException:
        _end(process, own_group)
        if own_group:
            process.wait()
        raise
    finally:
        over.set()
        watcher.join()
        words.close()
    _hang_up(process)
    if stop.is_set():
        raise Stopped(argv[0])
    return Ended(code, tuple(map(redact, tail)), tuple(tail))


def _end(process: subprocess.Popen[bytes], group: bool) -> None:
    _hang_up(process)
    if not group:
        return
    try:
        _signal(process, signal.SIGTERM)
        poll(lambda: _gone(process), within=_GRACE_SECONDS, every=_LOOK_SECONDS)
    finally:
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))


def _gone(process: subprocess.Popen[bytes]) -> Observation[None]:
    """Whether it has ended, and all that it had started."""
    if process.poll() is None:
        return Observation(False, say("it runs"))
    if hasattr(os, "killpg"):
        # Some systems refuse to signal what has ended and was not yet looked after.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 0)
            return Observation(False, say("what it started runs"))
    return Observation(True, say("it has ended"))


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the whole group where there are groups."""
    if hasattr(os, "killpg"):
        # Its group bears its number; it may have ended just now.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
    else:
        process.terminate()


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
