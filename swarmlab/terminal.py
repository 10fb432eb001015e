"""This terminal, lent to a program in a container.

The docker client does it: it knows raw mode, window sizes and the end of input on every system,
and every kind of way to an engine. What it does not do is to end the program when it is itself
ended, by Ctrl-C or by a window that is closed; that is done here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab import reaper
from swarmlab.engine import Target
from swarmlab.errors import EnvironmentProblem
from swarmlab.words import later, say

if TYPE_CHECKING:
    from docker.models.containers import Container

INSTALL = later(
    "It lends the terminal to the lab. On Debian and Ubuntu it comes with "
    "`sudo apt-get install docker-cli`, or with docker.io."
)
# The client's own keys begin with Ctrl-P, which in a shell brings the last command back.
DETACH_KEYS = "ctrl-@,ctrl-@,ctrl-@"
# What a program in the container should know of this terminal.
TOLD = ("TERM", "COLORTERM", "NO_COLOR")
_GENTLE_SECONDS = 2.0


def ours() -> bool:
    """Whether a person sits at both ends: keyboard and screen."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def attach(
    where: Target,
    container: Container,
    argv: Sequence[str],
    *,
    workdir: str = "/",
    environment: Mapping[str, str] | None = None,
    keyboard: bool = True,
) -> int:
    """Run `argv` in the container with this process's input and output; its exit code.

    With a person at both ends it gets a terminal; without `keyboard` it gets neither that nor
    any input. Whatever ends this process early also ends the program. Raises EnvironmentProblem
    without a docker client.
    """
    client = shutil.which("docker")
    if client is None:
        raise EnvironmentProblem(
            say("The docker client (`docker`) is not installed on this machine."),
            hint=say(INSTALL),
        )
    tag = secrets.token_hex(16)
    words = [client, "exec", *(["-i"] if keyboard else [])]
    if keyboard and ours():
        words += ["-t", "--detach-keys", DETACH_KEYS]
    told = {name: os.environ[name] for name in TOLD if os.environ.get(name)}
    for name, value in {**told, **(environment or {}), reaper.TERMINAL: tag}.items():
        words += ["-e", f"{name}={value}"]
    words += ["-w", workdir, str(container.id), *argv]
    code = None
    try:
        with _last_signals():
            code = _wait(words, client_environment(where), keyboard)
    finally:
        if code is None or code < 0:
            _end(container, tag)
    return code if code >= 0 else 128 - code


def client_environment(
    where: Target, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment with which the docker client talks to that engine and no other."""
    env = dict(os.environ if environment is None else environment)
    for name in ("DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        env.pop(name, None)
    env["DOCKER_HOST"] = where.url
    if where.certs is not None:
        env["DOCKER_CERT_PATH"] = str(where.certs)
        env["DOCKER_TLS_VERIFY" if where.verify else "DOCKER_TLS"] = "1"
    return env


def _wait(words: Sequence[str], env: Mapping[str, str], keyboard: bool) -> int:
    came: list[int] = []
    # Whoever interrupts just while the client is started waits until it is there to be ended.
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in _ENDING}
    try:
        client = subprocess.Popen(words, env=env, stdin=None if keyboard else subprocess.DEVNULL)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    try:
        for number in came:
            signal.raise_signal(number)
        return client.wait()
    except BaseException:
        client.terminate()
        try:
            client.wait(_GENTLE_SECONDS)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
        raise


_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGTERM") if hasattr(signal, name)
]


class _Ended(SystemExit):
    """This process was asked to end."""


@contextlib.contextmanager
def _last_signals() -> Iterator[None]:
    """Turn a closed window and a request to end into an exception, so that we can tidy up."""

    def leave(number: int, frame: object) -> None:
        raise _Ended(128 + number)

    numbers = [getattr(signal, name, None) for name in ("SIGHUP", "SIGTERM")]
    before = {number: signal.signal(number, leave) for number in numbers if number is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(container: Container, tag: str) -> None:
    """Kill what the program has started and left in the container."""
    script = reaper.reap(tag, others=False, variable=reaper.TERMINAL)
    with contextlib.suppress(DockerException, RequestException, OSError):
        container.exec_run(["bash", "-c", script])
