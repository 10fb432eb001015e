"""The configuration that each running instance of the proxy has, read from its container."""

from __future__ import annotations

from hashlib import sha256

from swarmlab.checks import inside
from swarmlab.checks.base import World
from swarmlab.checks.looking import on_each, over
from swarmlab.checks.tasks import Instance, running

CONFIGURATION = "/cfg/haproxy.cfg"


def read_all(world: World, service: str) -> dict[Instance, str]:
    """The text of every running instance's configuration.

    Raises Unfit when the service has no running task, or one has no such file.
    """
    return over(running(world, service), lambda one: read_one(world, one))


def read_one(world: World, instance: Instance) -> str:
    """The instance's configuration; Unfit when there is none."""
    return inside.read(world, instance, CONFIGURATION).decode(errors="replace")


def fingerprint(text: str) -> str:
    """A short SHA-256, the beginning of what `sha256sum` prints."""
    return sha256(text.encode()).hexdigest()[:12]


def in_each(world: World, which: str, tool: str) -> str:
    """A line that runs the tool on the configuration of those instances, node by node."""
    names = f"docker ps --filter {which} --format '{{{{.Names}}}}'"
    return on_each(
        world.nodes,
        f'for c in $({names}); do echo "== $c on $n"; docker exec $c {tool} {CONFIGURATION}; done',
    )
