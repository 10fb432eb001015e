"""What the engines of nodes are told about registries: a mirror, and whom they may believe.

Nobody is believed without TLS, or with an authority of their own, unless the user named them.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from swarmlab.images.refusal import CERTS
from swarmlab.images.sources import Sources
from swarmlab.words import say

FLAGS = "/etc/docker/swarmlab-flags"
"""In a node: more flags for its engine, one a line."""


def files(sources: Sources, certs: Path = Path(CERTS)) -> dict[str, bytes]:
    """The files for a new node, by absolute path; none where there is nothing to tell.

    The authorities are those that this machine's own engine believes for the same registry; of
    what lies beside them (a client's key) nothing is taken.
    """
    flags = [f"--insecure-registry={host}" for host in sources.plain]
    hosts = {sources.registry.host} if sources.registry else set()
    if sources.mirror:
        flags.append(f"--registry-mirror={sources.mirror}")
        hosts.add(urlsplit(sources.mirror).netloc)
    found = {FLAGS: "".join(f"{flag}\n" for flag in flags).encode()} if flags else {}
    for host in sorted(hosts):
        for path in sorted((certs / host).glob("*.crt")):
            found[f"{CERTS}/{host}/{path.name}"] = path.read_bytes()
    return found


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
    name = host.rpartition(":")[0] or host
    return name == "localhost" or name.startswith("127.")
