"""Looking at the live cluster for a diagram: everything once, and what does not answer is said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from swarmlab.checks import haproxy, proxies
from swarmlab.checks.base import World
from swarmlab.checks.consul import PORT
from swarmlab.checks.looking import Unfit, over
from swarmlab.checks.tasks import Instance, Refusal, Service, from_manager, list_services
from swarmlab.checks.web import get
from swarmlab.errors import EnvironmentProblem
from swarmlab.handout.diagrams.seen import PROXY, Consul, Node, Task, Topology
from swarmlab.inquiry import in_turn
from swarmlab.watching.eye import Reading
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.api import APIClient

_SERVICE_LABEL = "com.docker.swarm.service.name"
_PATIENCE, _IN_PEACE = 1.0, 3.0  # seconds: a node that takes longer is not asked for so long
_ALIVE = 1  # the member states of Serf: 1 alive, 2 leaving, 3 left, 4 failed


Read = Callable[[Sequence[Instance]], Mapping[Instance, Reading]]
"""How the proxies are read: `Eyes.read`, or file by file over their engines."""


def look(world: World, read: Read | None = None) -> Topology:
    """The lab as it is now. Raises EnvironmentProblem when no node's engine answers."""
    return Looker(world, read).look()


class Looker:
    """Looks at one lab any number of times.

    It remembers who could speak for the swarm, and leaves a node that let it wait in peace for
    some seconds, so that one look after another stays quick while a node hangs.
    """

    def __init__(self, world: World, read: Read | None = None) -> None:
        self._world = world
        self._read = read
        self._speaker = ""
        self._left: dict[str, float] = {}

    def look(self) -> Topology:
        """The lab as it is now. Raises EnvironmentProblem when no node's engine answers."""
        world = self._world
        containers = over(world.nodes, self._containers)
        awake = [node for node in world.nodes if containers[node] is not None]
        if not awake:
            raise EnvironmentProblem(
                say("No node of the lab {name!r} answers.", name=world.name),
                hint=say("See `swarmlab status`; `swarmlab up` mends what is broken."),
            )
        swarm = self._swarm(awake)
        members, services = swarm or ({}, [])
        consul = _consul(world, awake)
        tasks = _tasks(services, self._readings(services))
        nodes = []
        for name in world.nodes:
            found = containers[name]
            raw = members.get(name)
            nodes.append(
                Node(
                    name,
                    _address(world, name),
                    found is not None,
                    _role(raw) if swarm else "untold",
                    str(raw["Status"]["State"]) if raw else "",
                    str(raw["Spec"]["Availability"]) if raw else "",
                    consul.get(name),
                    tuple(tasks.get(name, ())),
                    tuple(_others(found or [], name in consul)),
                )
            )
        seen = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
        counts = tuple(sorted(_count(one) for one in services))
        return Topology(
            world.name,
            seen,
            swarm is not None,
            tuple(nodes),
            counts,
            _published(services),
            world.managers,
        )

    def _containers(self, node: str) -> list[dict[str, Any]] | None:
        """What runs on the node, None when its engine does not answer."""
        begun = time.monotonic()
        if begun < self._left.get(node, 0.0):
            return None
        try:
            found: list[dict[str, Any]] = self._world.engine(node).api.containers()
        except _engine_errors():
            if time.monotonic() - begun > _PATIENCE:
                self._left[node] = time.monotonic() + _IN_PEACE
            return None
        return found

    def _swarm(
        self, awake: Sequence[str]
    ) -> tuple[dict[str, dict[str, Any]], list[Service]] | None:
        """Nodes by name and services, from the first manager that answers; None without any."""
        order = sorted(awake, key=lambda one: one != self._speaker)
        asked = in_turn(order, lambda one: from_manager(self._world, one, _swarm_as_seen))
        for node, told in asked:
            try:
                answer = told.result()
            except _engine_errors():
                continue
            if not isinstance(answer, Refusal):
                self._speaker = node
                return answer
        return None

    def _readings(self, services: Sequence[Service]) -> dict[Instance, Reading]:
        """What each running proxy holds; of one that the reader left out, file by file."""
        proxies = [one for s in services if s.name == PROXY for one in s.instances()]
        found = dict(self._read(proxies)) if self._read else {}
        left = [one for one in proxies if one not in found]
        return found | over(left, lambda one: Reading(_configuration(self._world, one)))


def _engine_errors() -> tuple[type[Exception], ...]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    return (DockerException, RequestException, EnvironmentProblem, OSError)


def _address(world: World, node: str) -> str:
    """The node's address; empty for one whose container is gone."""
    try:
        return world.address(node)
    except EnvironmentProblem:
        return ""


def _swarm_as_seen(api: APIClient) -> tuple[dict[str, dict[str, Any]], list[Service]]:
    nodes = {one["ID"]: one for one in api.nodes()}
    listed: dict[str, list[dict[str, Any]]] = {}
    for task in api.tasks():  # type: ignore[no-untyped-call]
        listed.setdefault(str(task.get("ServiceID")), []).append(task)
    services = [
        Service(raw, tuple(listed.get(str(raw["ID"]), ())), nodes) for raw in list_services(api)
    ]
    # Of a node that was lost and made again the swarm lists two; the one that is ready counts.
    ordered = sorted(nodes.values(), key=lambda one: one["Status"]["State"] == "ready")
    return {str(one["Description"]["Hostname"]): one for one in ordered}, services


def _role(raw: dict[str, Any] | None) -> str:
    if raw is None:
        return "stranger"
    status = raw.get("ManagerStatus")
    if not status:
        return "worker"
    if status.get("Leader"):
        return "leader"
    return "manager" if status.get("Reachability") == "reachable" else "manager-lost"


def _count(service: Service) -> tuple[str, int, int]:
    """Running and wanted; a global service wants one on each node that may take tasks."""
    wanted = service.replicas
    if wanted is None:
        active = [
            node
            for node in service.nodes.values()
            if node["Spec"]["Availability"] == "active" and node["Status"]["State"] == "ready"
        ]
        wanted = len(active)
    return service.name, len(service.instances()), wanted


def _published(services: Sequence[Service]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The ports of each service that every node takes for it."""
    found = []
    for service in services:
        ports = (service.raw.get("Endpoint") or {}).get("Ports") or ()
        everywhere = sorted(
            int(port["PublishedPort"])
            for port in ports
            if port.get("PublishedPort") and port.get("PublishMode", "ingress") == "ingress"
        )
        if everywhere:
            found.append((service.name, tuple(everywhere)))
    return tuple(sorted(found))


def _tasks(
    services: Sequence[Service], readings: Mapping[Instance, Reading]
) -> dict[str, list[Task]]:
    """The tasks of each node: the proxy's first, then by name; those that start last."""
    running = [one for service in services for one in service.instances()]
    names = [service.name for service in services]
    found: dict[str, list[Task]] = {}
    for one in sorted(running, key=lambda one: (one.service != PROXY, one.service, one.slot)):
        found.setdefault(one.node, []).append(_task(one, readings.get(one), names))
    for service in services:
        for raw in service.starting():
            slot = raw.get("Slot")
            name = f"{service.name}.{slot}" if slot else service.name
            node = service.node_name(raw.get("NodeID", ""))
            found.setdefault(node, []).append(Task(name, service.name, running=False))
    return found


def _task(one: Instance, reading: Reading | None, services: list[str]) -> Task:
    name = f"{one.service}.{one.slot}" if one.slot else one.service
    if reading is None or reading.text is None:
        return Task(name, one.service, container=one.container)
    routes = (haproxy.route(reading.text, service) for service in services)
    return Task(
        name,
        one.service,
        configuration=proxies.fingerprint(reading.text),
        routes=tuple(str(route) for route in routes if route),
        container=one.container,
        answered=reading.answered,
    )


def _configuration(world: World, one: Instance) -> str | None:
    try:
        return proxies.read_one(world, one)
    except Unfit:
        return None
    except _engine_errors():
        return None


def _consul(world: World, awake: Sequence[str]) -> dict[str, Consul]:
    """Each node's Consul: as its members see one another, and whether it answers itself."""
    answers = over(awake, lambda node: list(_members(world, node)))
    by_address: dict[str, dict[str, Any]] = {}
    for members in answers.values():
        for one in members:
            known = by_address.get(str(one.get("Addr")))
            if known is None or known.get("Status") != _ALIVE:
                by_address[str(one.get("Addr"))] = one
    found = {}
    for node in world.nodes:
        member = by_address.get(_address(world, node))
        if member is not None:
            role = "server" if (member.get("Tags") or {}).get("role") == "consul" else "agent"
            alive = member.get("Status") == _ALIVE
            found[node] = Consul(role, alive, answers=bool(answers.get(node)))
    return found


def _members(world: World, node: str) -> Iterator[dict[str, Any]]:
    """The members that the node's Consul lists; none when it does not answer, or not so."""
    try:
        answer = get(world, node, PORT, "/v1/agent/members")
    except EnvironmentProblem:
        return
    if answer.status == 200:
        try:
            members = json.loads(answer.body)
        except ValueError:
            return
        yield from (one for one in members if isinstance(one, dict))


def _others(containers: list[dict[str, Any]], consul: bool) -> Iterator[str]:
    """What runs on the node and is neither a task nor the Consul that is shown already."""
    for one in containers:
        labels = one.get("Labels") or {}
        name = str((one.get("Names") or ["?"])[0]).lstrip("/")
        if _SERVICE_LABEL in labels or (consul and name in ("consul", "registry")):
            continue
        if "naive" in labels:  # of the naive managers: the engine made up its name
            name = f"{labels['naive']} ({labels.get('manager', '?')})"
        yield name
