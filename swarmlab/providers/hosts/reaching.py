"""The way to a machine's engine, and the address that the other machines know it by."""

from __future__ import annotations

import ipaddress
import shutil
import socket
from urllib.parse import urlsplit

from swarmlab import engine as engines
from swarmlab.engine import Engine, Target
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, SwarmlabError
from swarmlab.process import run
from swarmlab.providers.hosts.file import Host
from swarmlab.words import say

_CALL_SECONDS = 60
_SSH_SECONDS = 10.0
_GUARDED = ("ssh", "unix", "npipe")
"""Ways on which somebody else has looked who is asking."""


def connect(host: Host, *, timeout: int = _CALL_SECONDS) -> Engine:
    """The machine's engine. Raises EngineUnreachable, EnvironmentProblem for one too old."""
    where = target(host)
    try:
        return engines.connect(where, timeout=timeout)
    except EngineUnreachable as error:
        if "ssh-add" in error.hint:
            raise
        # What else is advised there is about the engine that DOCKER_HOST names.
        raise EngineUnreachable(
            error.message,
            evidence=error.evidence,
            hint=say(
                "Look whether the machine is on, and whether `docker -H {url} version` answers "
                "from here (over TLS with --tlsverify and the certificates).",
                url=where.url,
            ),
        ) from error


def target(host: Host) -> Target:
    """Where its engine is. Raises EngineUnreachable for a context that cannot be read."""
    if host.context:
        return engines.of_context(host.context)
    return Target(host.url, say("the hosts file"), host.certs)


def guarded(host: Host) -> None:
    """Raises EnvironmentProblem for a docker context that leads to an engine without TLS on both
    sides, before anything is asked there; the hosts file refuses such a way by itself."""
    where = target(host)
    if urlsplit(where.url).scheme in _GUARDED:
        return
    if where.certs is None:
        raise EnvironmentProblem(
            say(
                "{place} leads to {url} without TLS and a client's certificate. An engine that "
                "listens so makes everybody root on its machine, and is not used.",
                place=where.source,
                url=where.url,
            ),
            hint=say(
                "Reach it by ssh:// or tcp:// with certificates: `docker context update` changes "
                "the context, `engine:` in the hosts file takes its place."
            ),
        )
    if not where.verify:
        raise EnvironmentProblem(
            say(
                "{place} leads to {url} without a look at the engine's certificate (SkipTLSVerify):"
                " whoever is on the way could be taken for the machine.",
                place=where.source,
                url=where.url,
            ),
            hint=say("Give the context the authority's certificate: `docker context update`."),
        )


def address(host: Host, where: Target) -> str:
    """The machine's IPv4 address: as the file says, or from the name by which it is reached.

    Raises EnvironmentProblem when that does not tell one.
    """
    if host.address:
        return host.address
    parts = urlsplit(where.url)
    name = parts.hostname or ""
    if parts.scheme == "ssh":
        name = _of_ssh(where.url) or name
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM) if name else []
    except OSError:
        found = []
    told = str(found[0][4][0]) if found else ""
    if told and not ipaddress.IPv4Address(told).is_loopback:
        return told
    raise EnvironmentProblem(
        say(
            "{url} leads to this machine itself, which tells no address of {node}.",
            url=where.url,
            node=host.node,
        )
        if told
        else say("{name} tells no IPv4 address of {node}.", name=name or where.url, node=host.node),
        hint=say(
            "Give its machine an `address:` in the hosts file: the one by which the others "
            "reach it."
        ),
    )


def _of_ssh(url: str) -> str:
    """The machine's name after ssh's own configuration; empty when ssh does not tell."""
    parts = urlsplit(url)
    if shutil.which("ssh") is None or not parts.hostname or parts.hostname.startswith("-"):
        return ""
    try:
        told = run(["ssh", "-G", "--", parts.hostname], timeout=_SSH_SECONDS)
    except SwarmlabError:
        return ""
    for line in told.stdout.splitlines():
        key, _, value = line.partition(" ")
        if key == "hostname":
            return value.strip()
    return ""
