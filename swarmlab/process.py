"""Programs on this machine: run with a time limit, output kept, secrets kept out of words.

`redact` is for every text on its way to a person or a file: messages, evidence, logs, reports.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote, unquote

from swarmlab import verbose
from swarmlab.errors import EnvironmentProblem, TimedOut
from swarmlab.words import say

HIDDEN = "***"

_LAST_WORDS = 1.0
"""Seconds to collect what a killed program had written."""

_LOOK_SECONDS = 0.1

_QUOTED = r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_VALUE = rf"""(?:{_QUOTED}|[^\s'",&;]+)"""
_FLAG = (
    r"--(?:token|password|passwd|passphrase|secret|unlock-key|registry-auth|requirepass|masterauth"
    r"|(?:api|access|secret|private|encryption|ssh)-key)"
)
# What a variable or a setting that holds a secret is called, from the word that tells on: its name
# may go on, as in AWS_SECRET_ACCESS_KEY. `PWD` alone is a folder, and a file's name is no secret.
_NAMED = (
    r"(?:token(?!s)|password|passwd|passphrase|secret|(?<=[a-z0-9]_)pwd|api_?key"
    r"|_key(?!=(?:true|false|none|null)\b))(?!_?(?:file|path|dir)=)"
)
# Within one command of a line.
_MEANWHILE = r"[^\n;&|]{0,200}?\s"

# What each rule finds, and what stays of it. Every pattern starts at a fixed word, so that a
# long line without that word is read once only.
_RULES = (
    # `docker swarm join-token`, `docker swarm unlock-key`
    (re.compile(r"SWM(TKN|KEY)-[0-9A-Za-z_+/=-]+"), rf"SWM\1-{HIDDEN}"),
    # A key whose end was cut off is a key all the same.
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        f"{HIDDEN} private key {HIDDEN}",
    ),
    # In a command line or in the list that Python prints of one: --token X, '--token', 'X'
    (re.compile(rf"(['\"]{_FLAG}=)[^'\"\n]+", re.I), rf"\1{HIDDEN}"),
    (re.compile(rf"({_FLAG}(?:=|['\"]?,?\s+)){_VALUE}", re.I), rf"\1{HIDDEN}"),
    # Headers, to the end of the line or of the quotes around them.
    (
        re.compile(
            r"((?:authorization|x-registry-auth|x-registry-config|x-consul-token)"
            r"['\"]?\s*[:=]\s*b?['\"]?)[^\r\n'\"]+",
            re.I,
        ),
        rf"\1{HIDDEN}",
    ),
    # scheme://user:password@host, also when the password itself holds an @
    (re.compile(r"(://[^\s/:@'\"]*):[^\s/'\"]*@"), rf"\1:{HIDDEN}@"),
    # ?token=X in an address, DB_PASSWORD=X and API_KEY=X in an environment
    (re.compile(rf"({_NAMED}\w{{0,20}}=){_VALUE}", re.I), rf"\1{HIDDEN}"),
    # `password: X` in YAML or after a log's time; within a sentence it may be prose.
    (
        re.compile(
            r"((?:^[ \t-]*|(?<=[\w{,(])|(?<=Z ))(?:password|passwd|passphrase|_pwd|_token|api_?key"
            rf"|(?:access|secret|private|encryption)_key)\w{{0,20}}: ){_VALUE}",
            re.I | re.M,
        ),
        rf"\1{HIDDEN}",
    ),
    # Programs that take a password by a letter.
    (re.compile(rf"(docker\s+login{_MEANWHILE}-p(?!ass)[ =]?){_VALUE}"), rf"\1{HIDDEN}"),
    (
        re.compile(rf"(curl(?=\s){_MEANWHILE}(?:-u|--user)[ =]?['\"]?[^\s:'\"]+:){_VALUE}"),
        rf"\1{HIDDEN}",
    ),
    # A number there is a port of `docker run`.
    (
        re.compile(rf"((?:mysql|mariadb)\w*(?=\s){_MEANWHILE}-p)(?!\d+(?::\d+)?\b){_VALUE}"),
        rf"\1{HIDDEN}",
    ),
    # "password": "X" in JSON; `auth` and `identitytoken` stand in the Docker client's settings
    (
        re.compile(
            r"(['\"](?:\w{0,40}(?:token|password|passwd|passphrase|secret|_pwd|api_?key|_key)|auth)"
            r"['\"]\s*:\s*)" + _QUOTED,
            re.I,
        ),
        rf'\1"{HIDDEN}"',
    ),
)


def redact(text: str) -> str:
    """`text` with every secret replaced by `***`.

    Secrets are Swarm join tokens and unlock keys, private keys in PEM, values of `--token` and
    its like, Authorization headers, passwords in addresses, in JSON and in environments, and
    those of this process's own proxies and mirror wherever they stand. Doing it twice changes
    nothing more.
    """
    for pattern, left in _RULES:
        text = pattern.sub(left, text)
    for password in _passwords(tuple(os.environ.get(name, "") for name in _ADDRESSES)):
        text = text.replace(password, HIDDEN)
    return text


_ADDRESSES = (
    "SWARMLAB_MIRROR",
    *(
        each
        for kind in ("http", "https", "ftp", "all")
        for each in (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    ),
)
# A shorter one would be found in other words; in an address the rules above find it.
_LEAST = 6


@cache
def _passwords(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The passwords in those addresses, with or without a scheme, also as addresses write them."""
    found: set[str] = set()
    for address in addresses:
        place = address.partition("://")[2] or address
        login, at, _ = place.rpartition("@")
        password = login.partition(":")[2]
        if at and len(unquote(password)) >= _LEAST:
            plain = unquote(password)
            found |= {password, plain, quote(plain, safe=""), quote(password, safe="")}
    return tuple(sorted(found, key=len, reverse=True))


@dataclass(frozen=True)
class Completed:
    """A program that has ended, with any exit code.

    `stdout` and `stderr` are as the program wrote them, secrets included: they are not part of
    the repr, and whoever shows them passes them through `redact`. `exit_code` is negative when
    a signal ended the program. `seconds` is how long it took.
    """

    argv: tuple[str, ...] = field(repr=False)
    exit_code: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    seconds: float

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def command(self) -> str:
        """The command line as one would type it, secrets removed."""
        return _shown(self.argv)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the error output, or of the output where there is none, redacted."""
        said = redact(self.stderr.strip() or self.stdout.strip())
        return "\n".join(said.splitlines()[-lines:])


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
) -> Completed:
    """Run a program to its end and return what it said.

    `timeout` is in seconds; after it the program and all it started are killed and `TimedOut` is
    raised. `input` goes to its standard input, which is empty otherwise. `env` is added to this
    process's environment. Once `stop` is set they are killed, too, for a thread that Ctrl-C does
    not reach; that is an end like another one, by a signal. Raises EnvironmentProblem when the
    program cannot be started; an exit code other than 0 raises nothing.
    """
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env} if env is not None else None,
            text=True,
            encoding="utf-8",
            errors="replace",
            # A group of its own, so that the limit also reaches what the program has started.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem(
            say(
                "The program {program} is not installed here, or not on the PATH.", program=argv[0]
            ),
            hint=say("Install it, or put it on the PATH; then run the command again."),
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            say("{program} cannot be started: {why}.", program=argv[0], why=error.strerror),
            hint=say("Install it, or put it on the PATH; then run the command again."),
        ) from error
    try:
        with _killed_by(stop, process):
            stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired:
        ended = say("the end of `{command}`", command=_shown(argv))
        hint = say("Type it by hand to see what it waits for, then run the command again.")
        raise TimedOut(ended, timeout, _last_words(process), hint=hint) from None
    except BaseException:
        # Ctrl-C does not reach another group: without this the program would run on.
        _last_words(process)
        raise
    done = Completed(tuple(argv), process.returncode, stdout, stderr, time.monotonic() - start)
    verbose.ran(done.command, done.exit_code, done.seconds)
    return done


@contextlib.contextmanager
def _killed_by(stop: threading.Event | None, process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the program's group when `stop` is set within the block."""
    if stop is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stop.is_set():
                _kill_group(process)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _shown(argv: Sequence[str]) -> str:
    """A command line for people. Argument by argument, because quoting can hide a secret's end."""
    shown: list[str] = []
    for argument in argv:
        flag, equals, _ = argument.partition("=")
        if shown and re.fullmatch(_FLAG, shown[-1], re.I):
            shown.append(HIDDEN)
        elif equals and re.fullmatch(_FLAG, flag, re.I):
            shown.append(f"{flag}={HIDDEN}")
        else:
            shown.append(redact(argument))
    return redact(" ".join(a if a == HIDDEN else shlex.quote(a) for a in shown))


def _last_words(process: subprocess.Popen[str]) -> str:
    """Kill the program's group and return the last line that it wrote, redacted."""
    _kill_group(process)
    try:
        stdout, stderr = process.communicate(timeout=_LAST_WORDS)
    except subprocess.TimeoutExpired:
        # Something left the group and still holds the pipes: it is not ours to wait for.
        for pipe in (process.stdout, process.stderr, process.stdin):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()
        return say("it was killed")
    said = redact(stderr.strip() or stdout.strip())
    return said.splitlines()[-1] if said else say("no output")


def _kill_group(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        # Its group bears its number; it may have ended just now.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
