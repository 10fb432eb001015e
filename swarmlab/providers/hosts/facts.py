"""What a machine's engine says of itself through its API; looks only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarmlab.engine import Engine
from swarmlab.providers.hosts.snapshot import Snapshot, read
from swarmlab.providers.problems import explained
from swarmlab.words import say


@dataclass(frozen=True)
class Facts:
    """One engine. `skew` is how many seconds its clock is ahead of this machine's.

    `published` maps ports of the machine to the names of the containers that they lead to.
    """

    id: str
    info: Mapping[str, Any]
    containers: Sequence[Mapping[str, Any]]
    volumes: Sequence[Mapping[str, Any]]
    networks: Sequence[Mapping[str, Any]]
    found: Snapshot
    skew: float | None

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def published(self) -> dict[int, str]:
        ports: dict[int, str] = {}
        for one in self.containers:
            for port in one.get("Ports") or ():
                if port.get("PublicPort") and port.get("IP") not in ("127.0.0.1", "::1"):
                    names = one.get("Names") or [str(one["Id"])[:12]]
                    ports[int(port["PublicPort"])] = str(names[0]).lstrip("/")
        return ports


def look(engine: Engine, lab: str) -> Facts:
    """Ask the engine. Raises EnvironmentProblem when it does not answer."""
    api: Any = engine.client.api
    with explained(say("asking it about itself")):
        before = time.time()
        info = api.info()
        between = (before + time.time()) / 2
        containers = api.containers(all=True)
        volumes = api.volumes().get("Volumes") or []
        networks = api.networks()
        images = api.images()
    return Facts(
        id=str(info.get("ID", "")),
        info=info,
        containers=containers,
        volumes=volumes,
        networks=networks,
        found=read(info, containers, volumes, networks, images, lab),
        skew=_skew(str(info.get("SystemTime", "")), between),
    )


def _skew(told: str, now: float) -> float | None:
    try:
        return datetime.fromisoformat(told).timestamp() - now
    except ValueError:
        return None
