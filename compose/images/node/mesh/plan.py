"""From a view to the rules we want. No I/O: the same view always gives the same text.

There are two kinds of places to put rules in:

- the balancer's sandbox of each overlay network (for the ingress network it is
  called ingress_sbox), where a VIP becomes the address of a task;
- the node itself, where a published port is sent into ingress_sbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.view import Network, Port, Service, View

TABLE = "swarmlab_mesh"
NODE = "node"  # stands for the node's own network namespace


@dataclass(frozen=True)
class Plan:
    """What one network namespace should hold.

    rules: an nftables script for our table; "" when there should be no table.
    vips: addresses that the sandbox must answer for, besides its own.
    subnets: where to find the interface that carries them.
    tasks: (id, address) of all tasks that are still alive here.
    doors: what udp callers may knock at, each as conntrack's arguments for it.
    gateway: on the node, the address that published ports are sent to.
    words: the same for human readers, one line.
    """

    sandbox: str
    rules: str = ""
    vips: frozenset[str] = frozenset()
    subnets: tuple[str, ...] = ()
    tasks: frozenset[tuple[str, str]] = frozenset()
    doors: frozenset[str] = frozenset()
    gateway: str | None = None
    words: str = "nothing to do"


def plans(view: View) -> list[Plan]:
    """The plans for all balancers of this node, and for the node itself."""
    balancers = [balancer_plan(network, view.gateway) for network in view.networks]
    return [*balancers, node_plan(view)]


def balancer_plan(network: Network, gateway: str | None) -> Plan:
    """The plan for the sandbox that balances one network."""
    if not network.services:
        return Plan(sandbox=network.sandbox, subnets=network.subnets)
    return Plan(
        sandbox=network.sandbox,
        rules=balancer_rules(network, gateway),
        vips=frozenset(service.vip for service in network.services if service.vip),
        subnets=network.subnets,
        tasks=frozenset((t.id, t.address) for s in network.services for t in s.tasks),
        doors=balancer_doors(network, gateway),
        words="; ".join(service_words(service) for service in network.services),
    )


def service_words(service: Service) -> str:
    """For the log: `web 10.0.1.2 -> 10.0.1.3 10.0.1.4`."""
    tasks = " ".join(service.ready) or "no task is ready"
    return f"{service.name} {service.vip or 'without VIP'} -> {tasks}"


def balancer_rules(network: Network, gateway: str | None) -> str:
    """The rules of one balancer: choose a task, and pose as the caller."""
    choices = []
    for service in network.services:
        if service.ready:
            choices += vip_rules(service)
            if network.ingress and gateway:
                choices += port_rules(service, gateway)
    if not choices:
        return ""
    return table(
        chain("prerouting", "type nat hook prerouting priority -100", choices),
        chain(
            "postrouting",
            "type nat hook postrouting priority 100",
            # The answer must come back through here to have the VIP put back in
            # place of the task's address: so the task must take us for the caller.
            ["ct status dnat masquerade"],
        ),
    )


def balancer_doors(network: Network, gateway: str | None) -> frozenset[str]:
    """The udp side of the same rules: VIPs, and published ports at the gateway."""
    services = [service for service in network.services if service.ready]
    doors = {f"--orig-dst {service.vip}" for service in services if service.vip}
    if network.ingress and gateway:
        at = f"--orig-dst {gateway} --orig-port-dst"
        doors |= {f"{at} {number}" for service in services for number in udp(service.ports)}
    return frozenset(doors)


def udp(ports: Sequence[Port]) -> list[int]:
    """The ports that are published for udp."""
    return [port.number for port in ports if "udp" in port.protocols]


def vip_rules(service: Service) -> list[str]:
    """Connections to the VIP go to the tasks in turn.

    Only tcp and udp: a ping of the VIP is answered by the balancer itself, as it
    is with IPVS.
    """
    if not service.vip:
        return []
    return [
        f"ip daddr {service.vip} meta l4proto {{ tcp, udp }} "
        f'{in_turn(service.ready)} comment "{service.name}"'
    ]


def port_rules(service: Service, gateway: str) -> list[str]:
    """Connections that the node sent here for a published port go to the tasks in turn."""
    return [
        f"ip daddr {gateway} {protocol} dport {port.number} "
        f'{in_turn(service.ready)} comment "{service.name}"'
        for port in service.ports
        for protocol in port.protocols
    ]


def in_turn(addresses: Sequence[str]) -> str:
    """Round robin: count connections modulo N, look the address up by the count."""
    numbered = ", ".join(f"{i} : {address}" for i, address in enumerate(addresses))
    return f"dnat to numgen inc mod {len(addresses)} map {{ {numbered} }}"


def node_plan(view: View) -> Plan:
    """The plan for the node itself: which ports lead into the ingress sandbox."""
    ports = sorted(
        {
            port
            for network in view.networks
            if network.ingress
            for service in network.services
            if service.ready
            for port in service.ports
        }
    )
    if not ports or not view.gateway:
        return Plan(sandbox=NODE)
    words = ", ".join(f"{protocol} {port.number}" for port in ports for protocol in port.protocols)
    return Plan(
        sandbox=NODE,
        rules=node_rules(ports, view.gateway),
        doors=frozenset(f"--orig-port-dst {number}" for number in udp(ports)),
        gateway=view.gateway,
        words=f"published ports: {words}",
    )


def node_rules(ports: Sequence[Port], gateway: str) -> str:
    """The rules of the node.

    A port without a ready task is not in the list, so that its caller is refused
    at once by the node instead of waiting in vain.
    """
    pairs = ", ".join(f"{protocol} . {p.number}" for p in ports for protocol in p.protocols)
    to_mesh = f"fib daddr type local meta l4proto . th dport {{ {pairs} }} dnat to {gateway}"
    return table(
        # Just before the engine's own chains (-100), as the engine's own mesh would be.
        chain("prerouting", "type nat hook prerouting priority -105", [to_mesh]),
        chain("output", "type nat hook output priority -105", [to_mesh]),
        # Not only for callers on 127.0.0.1, which is no address to answer to: a
        # container on docker_gwbridge would get its answer past us.
        chain(
            "postrouting",
            "type nat hook postrouting priority 95",
            [f"ip daddr {gateway} ct status dnat masquerade"],
        ),
    )


def table(*chains: str) -> str:
    """Our table. Its fixed name makes it ours: nobody else's rules are in it."""
    return f"table ip {TABLE} {{\n" + "".join(chains) + "}\n"


def chain(name: str, place: str, rules: Sequence[str]) -> str:
    """One chain, hooked in at `place`."""
    lines = [f"{place}; policy accept;", *rules]
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"
