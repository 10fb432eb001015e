"""What the engines of nodes are told about registries: a mirror, and whom they may believe.

Nobody is believed without TLS, or with an authority of their own, unless the user named them.
"""

from __future__ import annotations

import errno
import os
import shlex
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

from swarmlab.errors import EnvironmentProblem
from swarmlab.images.refusal import CERTS
from swarmlab.images.sources import Sources
from swarmlab.words import say

FLAGS = "/etc/docker/swarmlab-flags"
"""In a node: more flags for its engine, one a line."""


def files(sources: Sources, certs: Path = Path(CERTS)) -> dict[str, bytes]:
    """The files for a new node, by absolute path; none where there is nothing to tell.

    The authorities are those that this machine's own engine believes for the same registry; of
    what lies beside them (a client's key) nothing is taken. Raises EnvironmentProblem when one of
    them cannot be read: nodes without it would refuse the registry.
    """
    flags = [f"--insecure-registry={host}" for host in sources.plain]
    hosts = {sources.registry.host} if sources.registry else set()
    if sources.mirror:
        flags.append(f"--registry-mirror={sources.mirror}")
        hosts.add(urlsplit(sources.mirror).netloc)
    found = {FLAGS: "".join(f"{flag}\n" for flag in flags).encode()} if flags else {}
    for host in sorted(hosts):
        found.update(_authorities(certs / host, f"{CERTS}/{host}"))
    return found


def _authorities(folder: Path, inside: str) -> dict[str, bytes]:
    """The certificates in the folder; an engine is root, and may read more than its user."""
    found = {}
    path = folder
    try:
        # Not by glob, which passes over a folder that it may not read, from Python 3.13 on.
        for one in sorted(folder.iterdir()):
            if one.suffix == ".crt":
                path = one
                found[f"{inside}/{one.name}"] = one.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if path == folder:
            return {}
        raise _unreadable(path, os.strerror(errno.ENOENT)) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    return found


def _unreadable(path: Path, why: str) -> EnvironmentProblem:
    above = [one for one in reversed(path.parents) if not os.access(one, os.X_OK)]
    closed = above[0] if above else path
    return EnvironmentProblem(
        say(
            "{path} cannot be read, and nodes are given the certificates there: {why}.",
            path=closed,
            why=why,
        ),
        hint=say(
            "Make it readable for you (certificates are no secret): `{command}`. Then run the "
            "command again.",
            command=f"sudo chmod a+rX {shlex.quote(str(closed))}",
        ),
    )


def warnings(sources: Sources) -> list[str]:
    """What a user should hear about hosts that are asked without TLS."""
    hosts = list(sources.plain)
    parts = urlsplit(sources.mirror)
    if parts.scheme == "http":
        hosts.append(parts.netloc)
    return [
        say(
            "Images come from {host} without TLS: whoever is on the way can change them.", host=host
        )
        for host in dict.fromkeys(hosts)
        if not own(host)
    ]


def own(host: str) -> bool:
    """Whether the way to a host (with or without a port) does not leave the machine that asks."""
    if sixth(host):
        return IPv6Address(host[1:].partition("]")[0]).is_loopback
    name = host.rpartition(":")[0] or host
    return name == "localhost" or name.startswith("127.")


def sixth(host: str) -> bool:
    """Whether a host is named by an IPv6 address."""
    return host.startswith("[")
