"""Waits until what ran on nodes before they were stopped runs on them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.wait import Observation, poll
from swarmlab.words import say

SETTLE_SECONDS = 90.0
_SERVICE = "com.docker.swarm.service.name"
# What an engine adds to a container's status while it cannot be counted on.
_NOT_WELL = ("(health: starting)", "(unhealthy)", "(Paused)")


def missing(apis: Mapping[str, Any], *, within: float = SETTLE_SECONDS) -> str:
    """Wait for the services' tasks, `within` seconds at most; what is then still missing, in words.

    `apis` are clients of the nodes' engines. Containers are counted on the engines themselves: a
    swarm that has just come back still tells of tasks as they were before it went.
    """

    def look() -> Observation[None]:
        try:
            wanted = _wanted(apis)
            running = Counter(name for api in apis.values() for name in _running(api))
        except (DockerException, RequestException) as error:
            why = type(error).__name__
            return Observation(False, say("an engine does not answer: {why}", why=why))
        short = [
            say("{name} {some} of {all}", name=name, some=running[name], all=count)
            for name, count in sorted(wanted.items())
            if running[name] < count
        ]
        return Observation(not short, say(", ").join(short))

    waited = poll(look, within=within, every=0.3)
    return "" if waited.done else waited.last.seen


def _wanted(apis: Mapping[str, Any]) -> dict[str, int]:
    """How many tasks each service is to have; of a global one, a task for each node."""
    first = next(iter(apis.values()))
    found = {}
    for service in first.services(status=True):
        spec = service["Spec"]
        replicated = spec.get("Mode", {}).get("Replicated")
        status = service.get("ServiceStatus") or {}
        count = replicated["Replicas"] if replicated else status.get("DesiredTasks", 0)
        found[str(spec["Name"])] = int(count)
    return found


def _running(api: Any) -> list[str]:
    """The services of the containers that run on an engine and are well, one a container."""
    found = api.containers(filters={"label": _SERVICE, "status": "running"})
    return [
        str(container["Labels"][_SERVICE])
        for container in found
        if not any(sign in container.get("Status", "") for sign in _NOT_WELL)
    ]
