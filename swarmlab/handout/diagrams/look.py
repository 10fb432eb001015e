"""Looking at the live cluster for a diagram: everything once, and what does not answer is said."""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterator, Mapping, Sequence
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
from swarmlab.watching.eye import IN_PEACE, PATIENCE, Eyes, Reading, Told
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.api import APIClient

_SERVICE_LABEL = "com.docker.swarm.service.name"
Swarm = tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]
_ALIVE = 1  # the member states of Serf: 1 alive, 2 leaving, 3 left, 4 failed


def look(world: World, eyes: Eyes | None = None) -> Topology:
    """The lab as it is now. Raises EnvironmentProblem when no node's engine answers."""
    return Looker(world, eyes).look()


class Looker:
    """Looks at one lab any number of times: by `eyes`, and by its engines where those cannot.

    Nodes that are `still` are known to stand still and not asked. It remembers who could speak
    for the swarm, and leaves a node that let it wait in peace for some seconds, so that one look
    after another stays quick while a node hangs.
    """

    def __init__(self, world: World, eyes: Eyes | None = None, still: Container[str] = ()) -> None:
        self._world = world
        self._eyes = eyes
        self._asked = tuple(node for node in world.nodes if node not in still)
        self._speaker = ""
        self._left: dict[str, float] = {}

    def look(self) -> Topology:
        """The lab as it is now. Raises EnvironmentProblem when no node's engine answers."""
        world = self._world
        told = self._told()
        containers = {node: one.containers for node, one in told.items()}
        containers |= over([node for node in self._asked if node not in told], self._containers)
        awake = [node for node in self._asked if containers[node] is not None]
        if not awake:
            raise EnvironmentProblem(
                say("No node of the lab {name!r} answers.", name=world.name),
                hint=say("See `swarmlab status`; `swarmlab up` mends what is broken."),
            )
        swarm = self._swarm(awake, told)
        members, services = swarm or ({}, [])
        consul = _consul(world, awake, told)
        tasks = _tasks(services, self._readings(services, awake, told))
        nodes = []
        for name in world.nodes:
            found = containers.get(name)
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
                    tuple(_others(found or (), name in consul)),
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

    def _told(self) -> dict[str, Told]:
        """What the nodes tell by their eyes, and of the swarm whoever told of it before."""
        if self._eyes is None:
            return {}
        known = self._speaker in self._asked
        first = [self._speaker] if known else list(self._asked)
        told = self._eyes.look(self._asked, first)
        if known and not _speaking(told):
            # The others, one look later: what they told of themselves is still so.
            others = [node for node in self._asked if node in told and node != self._speaker]
            told |= self._eyes.look(others, others)
        self._speaker = next(iter(_speaking(told)), "")
        return told

    def _containers(self, node: str) -> Sequence[dict[str, Any]] | None:
        """What runs on the node, None when its engine does not answer."""
        begun = time.monotonic()
        if begun < self._left.get(node, 0.0):
            return None
        try:
            found: list[dict[str, Any]] = self._world.engine(node).api.containers()
        except _engine_errors():
            if time.monotonic() - begun > PATIENCE:
                self._left[node] = time.monotonic() + IN_PEACE
            return None
        return found

    def _swarm(
        self, awake: Sequence[str], told: Mapping[str, Told]
    ) -> tuple[dict[str, dict[str, Any]], list[Service]] | None:
        """Nodes by name and services, from the first manager that answers; None without any."""
        for one in _speaking(told).values():
            return _as_seen(*one)
        order = sorted(set(awake) - set(told), key=lambda one: (one != self._speaker, one))
        asked = in_turn(order, lambda one: from_manager(self._world, one, _listed))
        for node, answer in asked:
            try:
                listed = answer.result()
            except _engine_errors():
                continue
            if not isinstance(listed, Refusal):
                self._speaker = node
                return _as_seen(*listed)
        return None

    def _readings(
        self, services: Sequence[Service], awake: Sequence[str], told: Mapping[str, Told]
    ) -> dict[Instance, Reading]:
        """What each running proxy holds; where no eye can be had, file by file."""
        proxies = [one for s in services if s.name == PROXY for one in s.instances()]
        left = [one for one in proxies if one.node in awake and one.node not in told]
        found = over(left, lambda one: Reading(_configuration(self._world, one)))
        for one in proxies:
            if one.node in told:
                found[one] = told[one.node].proxies.get(one.container, Reading())
        return found


def _speaking(told: Mapping[str, Told]) -> dict[str, Swarm]:
    """The nodes that can speak for the swarm, with what they say of it."""
    return {node: one.swarm for node, one in told.items() if one.swarm is not None}


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


def _listed(api: APIClient) -> Swarm:
    return api.nodes(), api.tasks(), list_services(api)  # type: ignore[no-untyped-call]


def _as_seen(
    members: Sequence[dict[str, Any]],
    tasks: Sequence[dict[str, Any]],
    services: Sequence[dict[str, Any]],
) -> tuple[dict[str, dict[str, Any]], list[Service]]:
    nodes = {one["ID"]: one for one in members}
    listed: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        listed.setdefault(str(task.get("ServiceID")), []).append(task)
    found = [Service(raw, tuple(listed.get(str(raw["ID"]), ())), nodes) for raw in services]
    # Of a node that was lost and made again the swarm lists two; the one that is ready counts.
    ordered = sorted(nodes.values(), key=lambda one: one["Status"]["State"] == "ready")
    return {str(one["Description"]["Hostname"]): one for one in ordered}, found


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


def _consul(world: World, awake: Sequence[str], told: Mapping[str, Told]) -> dict[str, Consul]:
    """Each node's Consul: as its members see one another, and whether it answers itself."""
    answers = {node: one.members for node, one in told.items()}
    others = [node for node in awake if node not in told]
    answers |= over(others, lambda node: list(_members(world, node)))
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
            tags = member.get("Tags")
            server = isinstance(tags, dict) and tags.get("role") == "consul"
            role = "server" if server else "agent"
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
        except (ValueError, RecursionError):
            return
        if isinstance(members, list):
            yield from (one for one in members if isinstance(one, dict))


def _others(containers: Sequence[dict[str, Any]], consul: bool) -> Iterator[str]:
    """What runs on the node and is neither a task nor the Consul that is shown already."""
    for one in containers:
        labels = one.get("Labels") or {}
        name = str((one.get("Names") or ["?"])[0]).lstrip("/")
        if _SERVICE_LABEL in labels or (consul and name in ("consul", "registry")):
            continue
        if "naive" in labels:  # of the naive managers: the engine made up its name
            name = f"{labels['naive']} ({labels.get('manager', '?')})"
        yield name
