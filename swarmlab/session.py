"""One bash in the workstation that lives as long as the session, and types what it is given.

The shell is an exec of the container, spoken to over the engine's own connection: no terminal,
so that nothing asks questions or draws progress bars. Both streams arrive through one pipe, in
order. After each command the shell prints a mark that only this session knows; a command is over
when the mark comes, whatever it printed before. Where no mark can come (`exit 3`, `exec ...`)
the end of the shell is noticed instead, and the next command gets a new one.
"""

from __future__ import annotations

import contextlib
import queue
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import requests
from docker.errors import APIError, DockerException, NotFound

from swarmlab.errors import EnvironmentProblem
from swarmlab.reaper import VARIABLE, reap
from swarmlab.transcript import Transcript
from swarmlab.wait import Observation, patient, poll
from swarmlab.wire import Wire
from swarmlab.words import say
from swarmlab.workspace import Outcome

if TYPE_CHECKING:
    from docker.models.containers import Container

WORKDIR = "/root/lab"
OPEN_SECONDS = 20.0
KILL_SECONDS = 10.0
STOP_SECONDS = 2.0

# The exit code of a shell that was killed: by a command, or with its whole container.
KILLED = 137

# A silent shell is asked after this often: has it ended without a mark?
ASK_SECONDS = 1.0

# The shell reads what is typed from a copy of its standard input, so that a command may do
# with its own input what it likes: `exec < file` would otherwise swallow the commands to come.
SHELL = ("bash", "--noprofile", "--norc", "/dev/stdin")

# Out of the way of the numbers that people use by hand.
MARK_FD = 198


class _Late(Exception):
    """The deadline passed."""


class Session:
    """A persistent bash in `container`, with `workdir` as its first working directory.

    Variables, functions and the working directory live from command to command; after a command
    that ended the shell, or was ended at its time limit, the next one begins in a new shell.
    Use it from one thread; `with` closes it.
    """

    def __init__(self, container: Container, *, workdir: str = WORKDIR) -> None:
        self._container = container
        self._workdir = workdir
        self._shell: _Shell | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def run(
        self, command: str, on_output: Callable[[str], None] | None = None, timeout: float = 120.0
    ) -> Outcome:
        """Type `command` (bash, any number of lines) and wait at most `timeout` seconds.

        The command reads nothing: its input is empty. At the time limit all processes of the
        session are killed and the exit code is None. Any exception, Ctrl-C included, also kills
        them before it goes on. Raises EnvironmentProblem when the workstation is out of reach.
        """
        if "\0" in command:
            raise ValueError("a command cannot hold the character NUL")
        shell = self._shell = self._shell or self._open()
        start = time.monotonic()
        transcript = Transcript(shell.mark, on_output)
        try:
            shell.type(command)
            code = self._follow(shell, transcript, start + patient(timeout))
        except _Late:
            self.close()
            return Outcome(transcript.finish(), None, time.monotonic() - start)
        except (DockerException, requests.RequestException, OSError) as error:
            self.close()
            raise _lost(error) from error
        except BaseException:
            self.close()
            raise
        return Outcome(transcript.finish(), code, time.monotonic() - start)

    def close(self) -> None:
        """End the shell and everything that it started; may be called twice."""
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.end()

    def _open(self) -> _Shell:
        try:
            shell = _Shell(self._container, self._workdir)
        except (DockerException, requests.RequestException, OSError) as error:
            raise _lost(error) from error
        try:
            ready = Transcript(shell.mark, None)
            shell.begin()
            self._follow(shell, ready, time.monotonic() + patient(OPEN_SECONDS))
        except BaseException as error:
            shell.end()
            if isinstance(error, (_Late, DockerException, requests.RequestException, OSError)):
                raise _lost(error) from error
            raise
        if shell.ended:
            raise EnvironmentProblem(
                say("The workstation's shell ended as soon as it was started."),
                evidence=ready.finish()[-2000:],
                hint=say("`swarmlab up` mends the workstation."),
            )
        return shell

    def _follow(self, shell: _Shell, transcript: Transcript, deadline: float) -> int:
        """Read until the command is over and return its exit code; `_Late` at `deadline`."""
        asked = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise _Late
            try:
                chunk = shell.chunks.get(timeout=min(deadline - now, ASK_SECONDS))
            except queue.Empty:
                chunk = b""
                if time.monotonic() - asked >= ASK_SECONDS:
                    asked = time.monotonic()
                    if not shell.alive():
                        chunk = None
            if chunk is None:
                self._shell = None
                return shell.exit_code()
            transcript.feed(chunk)
            if transcript.exit_code is not None:
                return transcript.exit_code


class _Shell:
    """One exec of bash: the connection, a thread that reads it, and what is typed."""

    def __init__(self, container: Container, workdir: str) -> None:
        if container.client is None:
            raise ValueError("the container must come from a client")
        self._container = container
        self._api = container.client.api
        self._tag = secrets.token_hex(16)
        self.mark = secrets.token_hex(16).encode()
        self.chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=64)
        self.ended = False
        self._closed = threading.Event()
        self._exec: str = self._api.exec_create(
            container.id,
            list(SHELL),
            stdin=True,
            workdir=workdir,
            environment={VARIABLE: self._tag, "TERM": "dumb", "PAGER": "cat"},
        )["Id"]
        self._wire = Wire(self._api.exec_start(self._exec, socket=True))
        threading.Thread(target=self._read, name="session-reader", daemon=True).start()

    def begin(self) -> None:
        """Set the shell up: one output, empty input, nothing left of sessions that were killed."""
        self._send(
            f"exec {MARK_FD}>&1 2>&1 </dev/null\n"
            f"( {reap(self._tag, others=True)}\n) >/dev/null 2>&1\n" + self._marking(0)
        )

    def type(self, command: str) -> None:
        self._send(f"eval {shlex.quote(command)} </dev/null\n" + self._marking("$?"))

    def _marking(self, status: object) -> str:
        # The raw control characters are made by printf, so `set -v` and `set -x` cannot show a
        # line that looks like the mark.  `return`-ing the status keeps `$?` for the next command.
        return (
            f"{{ SWARMLAB_STATUS={status}; printf '\\036%s %s\\036' {self.mark.decode()}"
            f' "$SWARMLAB_STATUS" >&{MARK_FD}; (exit "$SWARMLAB_STATUS"); }} 2>/dev/null\n'
        )

    def _send(self, text: str) -> None:
        self._wire.send(text.encode("utf-8", errors="surrogateescape"))

    def _read(self) -> None:
        try:
            for chunk in self._wire.frames():
                self._put(chunk)
        except (OSError, ValueError):
            # The connection is gone; whoever waits learns it from the end of the chunks.
            pass
        self._put(None)

    def _put(self, chunk: bytes | None) -> None:
        # A bounded queue keeps endless output from filling memory: the engine has to wait. Once
        # nobody listens the rest is still read, because an engine that cannot hand over the last
        # output of a process that was killed does not get on with anything else.
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self.chunks.put(chunk, timeout=0.1)
                return

    def alive(self) -> bool:
        """Whether bash itself still runs; asks the engine."""
        return bool(self._api.exec_inspect(self._exec)["Running"])

    def exit_code(self) -> int:
        """The exit code of the shell, which has ended; EnvironmentProblem when it was cut off."""
        self.ended = True
        try:
            waited = poll(lambda: self._over(self._exec), within=OPEN_SECONDS, every=0.02)
            stopped = self._stopped(waited.last.value)
        finally:
            self._closed.set()
            self._wire.close()
        code = waited.last.value
        if code is None or stopped:
            raise EnvironmentProblem(
                say("The workstation was stopped while a command ran in it."),
                hint=say("`swarmlab up` starts it again."),
            )
        return code

    def _stopped(self, code: int | None) -> bool:
        """Whether the shell ended because its container did, which is seen a little later."""

        def look() -> Observation[None]:
            self._container.reload()
            status = str(self._container.status)
            return Observation(
                status != "running", say("the workstation is {status}", status=status)
            )

        return poll(look, within=STOP_SECONDS if code == KILLED else 0.0, every=0.05).done

    def end(self) -> None:
        """Kill everything of this session in the container and close the connection."""
        self._closed.set()
        try:
            with contextlib.suppress(DockerException, requests.RequestException, OSError):
                self._kill()
        finally:
            self._wire.close()

    def _kill(self) -> None:
        script = ["bash", "-c", reap(self._tag, others=False)]
        killer = self._api.exec_create(self._container.id, script)["Id"]
        self._api.exec_start(killer, detach=True)
        poll(lambda: self._over(killer), within=KILL_SECONDS, every=0.02)

    def _over(self, exec_id: str) -> Observation[int]:
        seen = self._api.exec_inspect(exec_id)
        return Observation(not seen["Running"], say("it runs"), seen["ExitCode"])


def _lost(error: BaseException) -> EnvironmentProblem:
    if isinstance(error, EnvironmentProblem):
        return error
    if isinstance(error, NotFound):
        why = say("it is gone")
    elif isinstance(error, APIError):
        why = str(error.explanation or error)
    elif isinstance(error, _Late):
        why = say("no answer within {patient:.0f} s", patient=patient(OPEN_SECONDS))
    else:
        why = re.sub(r"\s+", " ", str(error)) or type(error).__name__
    return EnvironmentProblem(
        say("The workstation cannot be used: {why}.", why=why),
        hint=say("`swarmlab status` shows what is there, `swarmlab up` mends the lab."),
    )
