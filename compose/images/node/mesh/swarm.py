"""What only managers know.

Gossip tells every node which tasks a service has, but two facts are missing in
the engine's answer: the protocol of a published port, and whether a task is
already on its way out. A manager finds both in the state that managers share.
On a worker, or while the managers have no quorum, we do without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.engine import Engine, EngineError


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


def ask(engine: Engine) -> Swarm | None:
    """What the managers know; None where this node cannot know it."""
    try:
        tasks = engine.get("/tasks", {"desired-state": ["running"]})
        services = engine.get("/services")
    except EngineError:
        return None
    return swarm(tasks, services)


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
