"""An engine on another machine by SSH: its socket, brought to this one by OpenSSH's own client.

As with `docker -H ssh://...`, the machine must let you in without a question; keys, agents, jump
hosts and known hosts are those of your ssh configuration. The socket lies in a folder that is
yours alone, and goes when this process does.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from swarmlab.engine import Target
from swarmlab.errors import EngineUnreachable, TimedOut, UsageError
from swarmlab.wait import Observation, until
from swarmlab.words import say

_SECONDS = 30.0
_REMOTE = "/var/run/docker.sock"

_open: dict[str, tuple[Path, subprocess.Popen[bytes]]] = {}
_guard = threading.Lock()


def brought(where: Target) -> Target:
    """The engine at `where` (`ssh://[user@]host[:port][/path/of/its.sock]`) as a local socket.

    Opened once a process. Raises UsageError for an address that names no host,
    EngineUnreachable when ssh cannot bring it.
    """
    with _guard:
        folder, ssh = _open.get(where.url) or (None, None)
        if folder is None or ssh is None or ssh.poll() is not None:
            folder, ssh = _open[where.url] = _start(where)
    return Target(f"unix://{folder / 'engine.sock'}", where.source)


def command(url: str, local: Path) -> list[str]:
    """The ssh command that brings the socket of `url` to `local`. Raises UsageError."""
    try:
        parts = urlsplit(url)
        host, user, port = parts.hostname, parts.username, parts.port
    except ValueError:
        host = user = port = None
    # A host that begins with a dash would be an option.
    if not host or host.startswith("-") or (user or "").startswith("-"):
        raise UsageError(
            say("{url!r} names no machine.", url=url),
            hint=say("Write it like this: ssh://me@lab.example.org."),
        )
    options = [
        "BatchMode=yes", "ConnectTimeout=15", "ExitOnForwardFailure=yes",
        "ServerAliveInterval=15", "ControlPath=none", "RequestTTY=no",
    ]  # fmt: skip
    words = ["ssh", *(word for option in options for word in ("-o", option))]
    words += ["-L", f"{local}:{parts.path if len(parts.path) > 1 else _REMOTE}"]
    words += ["-p", str(port)] if port else []
    words += ["-l", user] if user else []
    # It ends with its input, and so with this process, however that dies.
    return [*words, "--", host, "echo ready; cat >/dev/null"]


def _start(where: Target) -> tuple[Path, subprocess.Popen[bytes]]:
    if sys.platform == "win32":
        raise EngineUnreachable(
            say(
                "On Windows swarmlab cannot reach {url} (from {source}).",
                url=where.url,
                source=where.source,
            ),
            hint=say("Run swarmlab in WSL, or reach the engine over TLS."),
        )
    if shutil.which("ssh") is None:
        raise EngineUnreachable(
            say(
                "There is no ssh here to reach {url} (from {source}).",
                url=where.url,
                source=where.source,
            ),
            hint=say("Install it (on Debian and Ubuntu: `sudo apt-get install openssh-client`)."),
        )
    folder = Path(tempfile.mkdtemp(prefix="swarmlab-ssh-"))
    words = folder / "words"
    try:
        with words.open("wb") as said:
            ssh = subprocess.Popen(
                command(where.url, folder / "engine.sock"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                # Ctrl-C is for swarmlab, which still has to clear up over this way.
                start_new_session=True,
            )
        try:
            until(
                say("ssh to bring the engine's socket"),
                lambda: _look(folder, ssh),
                within=_SECONDS,
            )
        except (TimedOut, _Ended) as error:
            _stop(ssh)
            raise EngineUnreachable(
                say(
                    "Unreachable: ssh does not get to {url} (from {source}).",
                    url=where.url,
                    source=where.source,
                ),
                evidence=words.read_text(errors="replace").strip()[-500:] or str(error),
                hint=say(
                    "That machine must answer `ssh` without any question: add your key to an "
                    "agent (`ssh-add`), and accept its host key once by hand."
                ),
            ) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, ssh


class _Ended(Exception):
    """ssh ended before it brought anything."""


def _look(folder: Path, ssh: subprocess.Popen[bytes]) -> Observation[None]:
    if ssh.poll() is not None:
        raise _Ended(say("ssh ended with exit code {code}", code=ssh.returncode))
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(folder / "engine.sock"))
        except OSError as error:
            return Observation(False, error.strerror or say("not there yet"))
    return Observation(True, say("it is there"))


def _stop(ssh: subprocess.Popen[bytes]) -> None:
    for pipe in (ssh.stdin, ssh.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    ssh.terminate()
    try:
        ssh.wait(timeout=2)
    except subprocess.TimeoutExpired:
        ssh.kill()
        ssh.wait()


@atexit.register
def _close_all() -> None:
    for folder, ssh in _open.values():
        _stop(ssh)
        shutil.rmtree(folder, ignore_errors=True)
