"""What speaks against making a machine a node of a lab, told before anything on it is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlab import findings
from swarmlab.providers.hosts.facts import Facts
from swarmlab.providers.hosts.file import Host

GATE_PORT = 12376
"""Where a machine's engine answers the lab: beside 2376, which may be the engine's own."""
PORTS = {
    80: "the proxy",
    443: "the proxy",
    2377: "the swarm's managers",
    7946: "the swarm",
    8080: "the proxy's commands",
    8300: "Consul",
    8301: "Consul",
    8302: "Consul",
    8500: "Consul",
    8600: "Consul",
    GATE_PORT: "the lab's way in",
    27017: "the database of step 1",
}
"""TCP ports that a lab opens on every machine, and what for."""

CLOCK_MOST = 30.0
"""Seconds between two machines' clocks: with more, certificates and leases go wrong."""

_MEMORY = 1 << 30
_MOST_NAMED = 4
# Names that the chapter gives to what it makes.
CONTAINERS = ("consul", "registry")
VOLUMES = ("consul_consul-data", "go-demo-db")
_NETWORKS = ("proxy", "go-demo")
_DRIVERS = ("overlay2", "overlayfs", "btrfs", "zfs", "fuse-overlayfs")


@dataclass(frozen=True)
class Consent:
    """What the user allows beyond the harmless.

    `beside`: use machines that run other containers, which are never touched. `leave_swarm`:
    take them out of the swarm that they are in, for good. `rename`: call the machines swarm-1,
    swarm-2 and so on until the lab is removed.
    """

    beside: bool = False
    leave_swarm: bool = False
    rename: bool = False


@dataclass(frozen=True)
class Trouble:
    """One thing that stops a lab: on which node's machine, what, and what mends it."""

    node: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what}. {self.mend}"


def troubles(
    hosts: Sequence[Host],
    facts: Mapping[str, Facts],
    addresses: Mapping[str, str],
    consent: Consent,
) -> list[Trouble]:
    """Everything that speaks against these machines, in their order.

    Machines without facts are left out: why they have none was told elsewhere.
    """
    found = []
    clocks = _clocks(facts)
    for host in hosts:
        if host.node in facts:
            one = facts[host.node]
            found += _alone(host.node, one, consent)
            found += _twins(host.node, facts, addresses)
            found += clocks.get(host.node, [])
    return found


def _alone(node: str, facts: Facts, consent: Consent) -> list[Trouble]:
    found = [
        *_kind(node, facts.info),
        *_name(node, facts, consent),
        *_swarm(node, facts.info, consent),
        *_ports(node, facts),
        *_names(node, facts),
    ]
    others = sorted(facts.found.containers.values())
    if others and not consent.beside:
        named = ", ".join(others[:_MOST_NAMED])
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        count = "a container" if len(others) == 1 else f"{len(others)} containers"
        found.append(
            Trouble(
                node,
                f"its engine has {count} of others ({named}{more})",
                "Take a machine that nobody else uses; `--beside-containers` uses this one and "
                "leaves them alone.",
            )
        )
    return found


def _kind(node: str, info: Mapping[str, Any]) -> list[Trouble]:
    found = []
    refused = findings.rootless(info)
    if refused is not None:
        found.append(Trouble(node, f"{refused.seen}: {refused.why.rstrip('.')}", refused.mend))
    if any("name=userns" in str(option) for option in info.get("SecurityOptions") or ()):
        found.append(
            Trouble(
                node,
                "its engine gives containers users of their own, and so none of the rights that "
                "the lab's look into the node needs",
                "Take `userns-remap` out of its /etc/docker/daemon.json and restart the engine.",
            )
        )
    driver = str(info.get("Driver", ""))
    if driver not in _DRIVERS:
        found.append(
            Trouble(
                node,
                f"its engine's storage driver is {driver or 'unknown'}, which copies whole images",
                'Set `"storage-driver": "overlay2"` in its /etc/docker/daemon.json and restart '
                "the engine.",
            )
        )
    memory = int(info.get("MemTotal") or 0)
    if memory < _MEMORY:
        found.append(
            Trouble(
                node,
                f"it has {memory / (1 << 30):.1f} GiB of memory, and a node needs 1 GiB",
                "Give it more, or take another machine.",
            )
        )
    if not info.get("IPv4Forwarding", True):
        found.append(
            Trouble(
                node,
                "it forwards no packets between networks",
                "There: `sudo sysctl -w net.ipv4.ip_forward=1`.",
            )
        )
    return found


def _name(node: str, facts: Facts, consent: Consent) -> list[Trouble]:
    """The chapter and its checks go by the names that the swarm shows: the machines' own."""
    if facts.name == node or consent.rename:
        return []
    return [
        Trouble(
            node,
            f"its machine is called {facts.name}, and the swarm shows nodes by that name",
            f"There: `sudo hostnamectl set-hostname {node}`; or `--rename` calls it so until "
            "`swarmlab down`.",
        )
    ]


def _swarm(node: str, info: Mapping[str, Any], consent: Consent) -> list[Trouble]:
    swarm = info.get("Swarm") or {}
    state = str(swarm.get("LocalNodeState") or "inactive")
    if state == "inactive" or consent.leave_swarm:
        return []
    role = "manager" if swarm.get("ControlAvailable") else "worker"
    nodes = int(swarm.get("Nodes") or 0)
    of = f" of {nodes} node{'' if nodes == 1 else 's'}" if nodes else ""
    return [
        Trouble(
            node,
            f"it is in a swarm already ({state}, {role}{of})",
            "If nobody needs that swarm, there: `docker swarm leave --force`; or `--leave-swarm` "
            "does so. What ran in it is lost with its last manager.",
        )
    ]


def _ports(node: str, facts: Facts) -> list[Trouble]:
    taken = {port: name for port, name in facts.published.items() if port in PORTS}
    return [
        Trouble(
            node,
            f"port {port}, which {PORTS[port]} needs, leads to its container {name}",
            f"There: `docker stop {name}`, or give that container another port.",
        )
        for port, name in sorted(taken.items())
    ]


def _names(node: str, facts: Facts) -> list[Trouble]:
    """Things of others that have the name of something which the chapter makes."""
    kinds = (
        ("container", set(facts.found.containers.values()), CONTAINERS, "docker rename"),
        ("volume", set(facts.found.volumes), VOLUMES, "docker volume rm"),
        ("network", set(facts.found.networks), _NETWORKS, "docker network rm"),
    )
    return [
        Trouble(
            node,
            f"it has a {kind} named {name}, as the chapter calls one of its own",
            f"Save what is in it and remove it (there: `{command} {name}`), or take another "
            "machine."
            if kind != "container"
            else f"There: `{command} {name} {name}-old`.",
        )
        for kind, there, names, command in kinds
        for name in names
        if name in there
    ]


def _twins(node: str, facts: Mapping[str, Facts], addresses: Mapping[str, str]) -> list[Trouble]:
    """One engine under two names, or two machines at one address; told at the later one."""
    found = []
    earlier = list(facts)[: list(facts).index(node)]
    for other in earlier:
        if facts[other].id == facts[node].id:
            return [
                Trouble(
                    node,
                    f"it is the same engine as {other} (its id is {facts[node].id[:24]})",
                    "Each node needs a machine of its own. Two machines copied from one image may "
                    "share the id: stop the engine on one, remove /etc/docker/key.json and "
                    "/var/lib/docker/engine-id there, start it again.",
                )
            ]
        if node in addresses and addresses.get(other) == addresses[node]:
            found.append(
                Trouble(
                    node,
                    f"its address {addresses[node]} is that of {other}, too",
                    "Give both an `address:` in the hosts file.",
                )
            )
    return found


def _clocks(facts: Mapping[str, Facts]) -> dict[str, list[Trouble]]:
    """Whose clock is far from that of most machines, this one counted."""
    skews = {node: one.skew for node, one in facts.items() if one.skew is not None}
    if not skews:
        return {}
    near = Counter(
        {
            node: sum(abs(skew - other) <= CLOCK_MOST for other in (*skews.values(), 0.0))
            for node, skew in skews.items()
        }
    )
    middle = skews[near.most_common(1)[0][0]]
    return {
        node: [
            Trouble(
                node,
                f"its clock is {abs(skew - middle):.0f} s "
                f"{'ahead of' if skew > middle else 'behind'} the others'",
                "There: `sudo timedatectl set-ntp true`.",
            )
        ]
        for node, skew in skews.items()
        if abs(skew - middle) > CLOCK_MOST
    }
