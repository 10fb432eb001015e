"""What only managers know.

Gossip tells every node which tasks a service has, but two facts are missing in
the engine's answer: the protocol of a published port, and whether a task is
already on its way out. A manager finds both in the state that managers share.
On a worker, or while the managers have no quorum, we do without.
"""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.engine import Engine, EngineError

WAIT = 1.5  # seconds to wait for an answer of the managers
STALE = 3.0  # seconds for which an answer may serve when no new one comes
RETRY = 0.5  # seconds until we ask again while the last answer still serves
RARELY = 5.0  # seconds until we ask again after that


@dataclass(frozen=True)
class Swarm:
    """A manager's knowledge.

    wanted: ids of the tasks that swarm wants to run; a task that gossip still
        lists but that is not here is being shut down.
    running: per network id, the ids of the wanted tasks that do run; gossip
        should come to list exactly these.
    protocols: per (service name, published port), the protocols.
    """

    wanted: frozenset[str]
    running: Mapping[str, frozenset[str]]
    protocols: Mapping[tuple[str, int], frozenset[str]]


class Managers:
    """Asks the managers, and puts up with managers that do not answer.

    Without quorum an engine may take many seconds to say so. What follows gossip
    must not wait for that: so we wait briefly, live for a moment with the last
    answer (a new leader is chosen in less), and then ask rarely.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.last: Swarm | None = None
        self.answered = float("-inf")
        self.ask_again = float("-inf")

    def ask(self, now: float) -> Swarm | None:
        """What the managers know at monotonic time `now`; None where nobody can tell."""
        if now >= self.ask_again:
            try:
                tasks = self.engine.get("/tasks", {"desired-state": ["running"]})
                self.last = swarm(tasks, self.engine.get("/services"))
                self.answered = now
            except (EngineError, OSError, http.client.HTTPException):
                self.ask_again = now + (RETRY if now - self.answered < STALE else RARELY)
        return self.last if now - self.answered < STALE else None


def swarm(tasks: Sequence[Mapping[str, Any]], services: Sequence[Mapping[str, Any]]) -> Swarm:
    """The two answers of the engine as one Swarm."""
    return Swarm(
        wanted=frozenset(task["ID"] for task in tasks),
        running=running_per_network(tasks),
        protocols=published_protocols(services),
    )


def running_per_network(tasks: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """For each network id the ids of the tasks that run on it.

    A task whose image has a health check is called running once it is healthy.
    """
    found: dict[str, set[str]] = {}
    for task in tasks:
        if task["Status"]["State"] == "running":
            for attachment in task.get("NetworksAttachments") or []:
                found.setdefault(attachment["Network"]["ID"], set()).add(task["ID"])
    return {network: frozenset(ids) for network, ids in found.items()}


def published_protocols(
    services: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, int], frozenset[str]]:
    """The protocols of each published port: 53 may well be both tcp and udp."""
    found: dict[tuple[str, int], set[str]] = {}
    for service in services:
        for port in service.get("Endpoint", {}).get("Ports") or []:
            if port.get("PublishMode") == "ingress":
                key = (service["Spec"]["Name"], port["PublishedPort"])
                found.setdefault(key, set()).add(port["Protocol"])
    return {key: frozenset(protocols) for key, protocols in found.items()}
