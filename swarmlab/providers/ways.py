"""Which of a lab's nodes are reached by relay, and the ports on this machine that lead to them."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from swarmlab.engine import Engine
from swarmlab.errors import UsageError
from swarmlab.providers.base import LAB_PORTS, Info, Node, NodeState, Reach
from swarmlab.words import say


def warning(address: str) -> str:
    """What it means that the nodes' ports are open at that address."""
    return say(
        "Whoever reaches {address} can use Consul, the proxy's commands and all that the lab "
        "serves: none of it asks for a password. Only the nodes' engines do, by certificate.",
        address=address,
    )


def opened(address: str, reach: str) -> str:
    """The reach of a lab whose ports are published at `address`. Raises UsageError for an
    address that is none, and for a reach that publishes nothing."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        raise UsageError(
            say("{address!r} is no IPv4 address to publish at.", address=address),
            hint=say("Give one of the engine's machine, such as `--publish-address 192.168.1.20`."),
        ) from None
    if parsed.is_unspecified or parsed.is_multicast:
        raise UsageError(
            say(
                "{address} is not one address: ports would be open in every network.",
                address=address,
            ),
            hint=say("Give the address in the network that is meant."),
        )
    if reach not in (Reach.PUBLISHED.value, "auto"):
        raise UsageError(
            say("--publish-address publishes ports, and --reach {reach} uses none.", reach=reach),
            hint=say("Leave --reach away."),
        )
    return Reach.PUBLISHED.value


def reached(engine: Engine, lab: str, info: Info) -> Info:
    """The same, with this process's own ports for nodes reached by relay.

    Raises EngineUnreachable when the way to them cannot be opened.
    """
    if not any(_by_relay(node) for node in info.nodes):
        return info
    from swarmlab.relay import way

    to = way.to(engine, lab)
    nodes = []
    for node in info.nodes:
        if _by_relay(node):
            ports = {port: ("127.0.0.1", to.port(node.address, port)) for port in LAB_PORTS}
            node = replace(node, ports=ports)
        nodes.append(node)
    return replace(info, nodes=tuple(nodes))


def _by_relay(node: Node) -> bool:
    return node.reach is Reach.RELAY and node.state is NodeState.RUNNING
