"""Where a machine's engine answers and which certificates open it, as `docker-machine env` says.

It says so only once it has reached the engine and found its certificates good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from swarmlab.errors import EnvironmentProblem
from swarmlab.images.command import Ended
from swarmlab.providers.base import ENGINE_PORT
from swarmlab.providers.machine_program import Program, failed, last
from swarmlab.wait import Observation, patient, poll
from swarmlab.words import say

_ASK_SECONDS = 60.0
_ENGINE_SECONDS = 90.0  # for the engine of a machine that has just started
# Of any other shell the words would be others: fish has `set -gx KEY "VALUE";`. Nothing is escaped.
_SHELL = ("--shell", "sh")
_LINE = re.compile(r'export (\w+)="(.*)"')
# No patience helps where both sides answer and do not believe each other.
_DISTRUST = ("x509", "bad certificate", "unknown certificate", "certificate required")


@dataclass(frozen=True)
class Way:
    """The engine's address and port, and the folder with the client's certificates."""

    address: str
    port: int
    certs: Path


def read(lines: Sequence[str]) -> Way | None:
    """The way that these lines for a shell name; None when they name none over TLS."""
    found = (_LINE.fullmatch(line.strip()) for line in lines)
    told = {match[1]: match[2] for match in found if match is not None}
    try:
        parts = urlsplit(told.get("DOCKER_HOST", ""))
        address, port = parts.hostname, parts.port
    except ValueError:
        return None
    certs = told.get("DOCKER_CERT_PATH", "")
    if parts.scheme != "tcp" or not (address and certs and told.get("DOCKER_TLS_VERIFY")):
        return None
    return Way(address, port or ENGINE_PORT, Path(certs))


def ask(program: Program, node: str, check: Callable[[], None]) -> Way:
    """Ask for the way to a machine that was just made or started, until its engine answers.

    Raises EnvironmentProblem with what docker-machine said, and what `check` raises.
    """
    ended: list[Ended] = []

    def look() -> Observation[Way]:
        check()
        told = program.run("env", *_SHELL, node, within=patient(_ASK_SECONDS), check=check)
        ended.append(told)
        if told.code == 0:
            way = read(told.raw)
            if way is None:
                words = say("docker-machine does not say where the engine of {node} is.", node=node)
                raise failed(words, told)
            return Observation(True, say("it answers"), way)
        if any(sign in line for line in told.raw for sign in _DISTRUST):
            raise _distrusted(node, told)
        return Observation(False, last(told))

    way = poll(look, within=_ENGINE_SECONDS, every=1.0).last.value
    if way is None:
        words = say("docker-machine does not reach the engine of {node}.", node=node)
        raise failed(words, ended[-1])
    return way


def _distrusted(node: str, ended: Ended) -> EnvironmentProblem:
    return failed(
        say("The certificates of {node} do not fit, docker-machine says.", node=node),
        ended,
        say(
            "A machine that came back with another address needs its old one again: give it a"
            " fixed lease. Else `docker-machine regenerate-certs {node}` makes new certificates"
            " and restarts its engine. Then run the command again.",
            node=node,
        ),
    )
