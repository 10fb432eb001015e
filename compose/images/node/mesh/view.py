"""What the engine knows, as a few plain values.

`GET /networks/{id}?verbose=true` lists the services of a network as this node's
gossip knows them: the same source from which the engine would program IPVS.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from mesh.engine import Engine, EngineError
from mesh.swarm import Swarm

INGRESS_SANDBOX = "ingress_sbox"
GATEWAY_NETWORK = "docker_gwbridge"
PORT = re.compile(r"Target: (\d+), Publish: (\d+)")


@dataclass(frozen=True)
class Task:
    """One task of a service on one network.

    `ready` is False for a task that is being shut down: it may finish what it
    has begun, but gets nothing new.
    """

    address: str
    id: str
    ready: bool = True


@dataclass(frozen=True, order=True)
class Port:
    """A published port, with the protocols ("tcp", "udp") it is published for."""

    number: int
    protocols: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """A service on one network. Without a VIP (`dnsrr`) there is nothing to balance."""

    name: str
    vip: str | None
    ports: tuple[Port, ...]
    tasks: tuple[Task, ...]

    @property
    def ready(self) -> tuple[str, ...]:
        """The addresses that new connections may go to."""
        return tuple(task.address for task in self.tasks if task.ready)


@dataclass(frozen=True)
class Network:
    """An overlay network in use on this node, with its balancer's sandbox."""

    id: str
    name: str
    sandbox: str
    subnets: tuple[str, ...]
    services: tuple[Service, ...]

    @property
    def ingress(self) -> bool:
        return self.sandbox == INGRESS_SANDBOX


@dataclass(frozen=True)
class View:
    """All of it. `gateway` is the address at which the node reaches ingress_sbox."""

    networks: tuple[Network, ...]
    gateway: str | None


def look(engine: Engine, sandboxes: Iterable[str], swarm: Swarm | None) -> View:
    """Ask the engine about every network that has one of `sandboxes` on this node."""
    present = set(sandboxes)
    networks = []
    for short in engine.overlay_networks():
        if sandbox_name(short) not in present:
            continue
        try:
            networks.append(network_view(engine.network(short["Id"], gossip=True), swarm))
        except EngineError as problem:
            if problem.status != 404:  # 404: it went between the two questions
                raise
    return View(tuple(sorted(networks, key=lambda n: n.name)), gateway_address(engine))


def sandbox_name(network: Mapping[str, Any]) -> str:
    """The name of the balancer's network namespace, as libnetwork forms it."""
    return INGRESS_SANDBOX if network.get("Ingress") else "lb_" + network["Id"][:9]


def network_view(answer: Mapping[str, Any], swarm: Swarm | None) -> Network:
    """The engine's answer about one network, reduced to what we need."""
    return Network(
        id=answer["Id"],
        name=answer["Name"],
        sandbox=sandbox_name(answer),
        subnets=tuple(c["Subnet"] for c in answer["IPAM"].get("Config") or []),
        services=tuple(
            service_view(name, said, swarm)
            for name, said in sorted((answer.get("Services") or {}).items())
            if name  # containers attached by hand are listed under an empty name
        ),
    )


def service_view(name: str, said: Mapping[str, Any], swarm: Swarm | None) -> Service:
    """One entry of `Services`. The engine writes "<nil>" where there is no VIP."""
    ports = {port_view(name, text, swarm) for text in said.get("Ports") or []}
    return Service(
        name=name,
        vip=said["VIP"] if said["VIP"] not in ("", "<nil>") else None,
        ports=tuple(sorted(port for port in ports if port.protocols)),
        tasks=tuple(sorted((task_view(t, swarm) for t in said.get("Tasks") or []), key=by_address)),
    )


def by_address(task: Task) -> int:
    """The order of tasks: as text 10.0.0.10 would come before 10.0.0.9."""
    return int(IPv4Address(task.address))


def task_view(said: Mapping[str, Any], swarm: Swarm | None) -> Task:
    """One entry of `Tasks`; the last part of its name is the id of the task."""
    task_id = said["Name"].rpartition(".")[2]
    ready = swarm is None or task_id in swarm.wanted
    return Task(address=said["EndpointIP"], id=task_id, ready=ready)


def port_view(service: str, text: str, swarm: Swarm | None) -> Port:
    """A published port from the engine's text "Target: 8080, Publish: 80".

    The text keeps silent about the protocol. Where no manager can tell, we take
    both; a port that managers no longer know is published for none. The target is
    left to the task: its own sandbox redirects the published port to it, with
    rules that the engine writes with IPVS or without.
    """
    match = PORT.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the port of {service}: {text!r}")
    number = int(match[2])
    both = frozenset({"tcp", "udp"})
    known = swarm.protocols.get((service, number), frozenset()) if swarm else both
    return Port(number, tuple(sorted(known & both)))


def gateway_address(engine: Engine) -> str | None:
    """The address of the ingress sandbox on docker_gwbridge; None outside a swarm."""
    try:
        answer = engine.network(GATEWAY_NETWORK)
    except EngineError as problem:
        if problem.status == 404:
            return None
        raise
    end = (answer.get("Containers") or {}).get("ingress-sbox")
    return end["IPv4Address"].partition("/")[0] if end else None


def agrees(view: View, swarm: Swarm) -> bool:
    """Has gossip caught up? True when it lists exactly the tasks that managers say run."""
    return all(
        {task.id for service in network.services for task in service.tasks}
        == swarm.running.get(network.id, frozenset())
        for network in view.networks
    )
