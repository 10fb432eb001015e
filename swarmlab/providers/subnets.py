"""A subnet for the lab that collides with nothing: neither this machine's routes nor any network
of its engine."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path

from swarmlab.errors import EnvironmentProblem
from swarmlab.words import say

ROUTES = Path("/proc/net/route")
_WORKSTATION = 10
_FIRST_NODE = 11

# Routes wider than this are ways out (a default route, or a VPN's two halves of one), not
# networks that a lab could collide with.
_WIDEST = 5


def candidates() -> Iterator[IPv4Network]:
    """Subnets in the order they are tried.

    First the one that docker-machine's nodes had. 10.0.0.0/8 comes late, because Swarm takes
    its overlay networks from its beginning; half of 198.18.0.0/15 (RFC 2544) comes last, for
    machines whose VPN claims every private range. The nodes' engines use the other half.
    """
    for third in (*range(99, 256), *range(1, 99)):
        yield IPv4Network(f"192.168.{third}.0/24")
    for second in range(31, 19, -1):
        for third in range(0, 256, 16):
            yield IPv4Network(f"172.{second}.{third}.0/24")
    for second in range(213, 223):
        yield IPv4Network(f"10.{second}.99.0/24")
    for third in range(256):
        yield IPv4Network(f"198.19.{third}.0/24")


def choose(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first candidate that overlaps nothing taken. Raises EnvironmentProblem if all do."""
    occupied = [network for network in taken if network.prefixlen >= _WIDEST]
    for candidate in candidates():
        if not any(candidate.overlaps(network) for network in occupied):
            return candidate
    raise EnvironmentProblem(
        say(
            "No free subnet: every range that a lab could use is taken by a "
            "network of the engine or a route of this machine."
        ),
        hint=say(
            "Remove a network that nobody uses (`docker network ls`, then `docker network rm "
            "NAME`) or leave the VPN."
        ),
    )


def routes(table: Path = ROUTES) -> list[IPv4Network]:
    """The networks this machine has routes to; empty where the kernel shows no table.

    The columns are those of proc_net_route in the kernel: destination and mask are hexadecimal
    in the machine's byte order.
    """
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) >= 8:
            mask = _address(fields[7])
            found.append(ip_network(f"{_address(fields[1])}/{mask}", strict=False))
    return [network for network in found if isinstance(network, IPv4Network)]


def of_engine(networks: Iterable[dict[str, object]]) -> list[IPv4Network]:
    """The IPv4 subnets of an engine's networks, as `GET /networks` lists them."""
    found = []
    for network in networks:
        ipam = network.get("IPAM")
        for config in (ipam.get("Config") or ()) if isinstance(ipam, dict) else ():
            subnet = str(config.get("Subnet", ""))
            if subnet and ":" not in subnet:
                found.append(IPv4Network(subnet, strict=False))
    return found


def workstation(subnet: IPv4Network) -> str:
    """The workstation's address."""
    return str(subnet[_WORKSTATION])


def node(subnet: IPv4Network, number: int) -> str:
    """The address of node `number`, counted from 1."""
    return str(subnet[_FIRST_NODE + number - 1])


def _address(text: str) -> IPv4Address:
    return IPv4Address(int.from_bytes(bytes.fromhex(text), sys.byteorder))
