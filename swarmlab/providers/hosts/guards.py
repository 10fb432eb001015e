"""What speaks against making a machine a node of a lab, told before anything on it is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlab import findings
from swarmlab.providers.hosts import belonging, needs
from swarmlab.providers.hosts.facts import Facts
from swarmlab.providers.hosts.file import Host
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.words import say

CLOCK_MOST = 30.0
"""Seconds between two machines' clocks: with more, certificates and leases go wrong."""

_MEMORY = 1 << 30
_MOST_NAMED = 4
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
    # This lab has nothing there yet, whatever its name. What else would speak against the
    # machine is that lab's own: its swarm, say, which nobody is to be told to leave.
    labs = belonging.on_machine(facts.containers)
    if labs:
        return [belonging.occupied(node, lab) for lab in labs]
    found = [
        *_kind(node, facts.info),
        *_name(node, facts, consent),
        *_swarm(node, facts.info, consent),
        *needs.ports(node, facts),
        *needs.names(node, facts),
    ]
    others = sorted(facts.found.containers.values())
    if others and not consent.beside:
        names = say(", ").join(others[:_MOST_NAMED])
        more = len(others) - _MOST_NAMED
        if more > 0:
            names = say("{names} and {more} more", names=names, more=more)
        found.append(
            Trouble(
                node,
                say("its engine has a container of others ({names})", names=names)
                if len(others) == 1
                else say(
                    "its engine has {count} containers of others ({names})",
                    count=len(others),
                    names=names,
                ),
                say(
                    "Take a machine that nobody else uses; `--beside-containers` uses this one "
                    "and leaves them alone."
                ),
            )
        )
    return found


def _kind(node: str, info: Mapping[str, Any]) -> list[Trouble]:
    found = []
    refused = findings.rootless(info)
    if refused is not None:
        why = refused.why.rstrip(".。")
        what = say("{what}: {why}", what=refused.seen, why=why)
        found.append(Trouble(node, what, refused.mend))
    if any("name=userns" in str(option) for option in info.get("SecurityOptions") or ()):
        found.append(
            Trouble(
                node,
                say(
                    "its engine gives containers users of their own (`userns-remap`), and so none "
                    "of the rights that the lab needs to look into the node"
                ),
                say(
                    "Take `userns-remap` out of its /etc/docker/daemon.json and restart the engine."
                ),
            )
        )
    if info.get("LiveRestoreEnabled"):
        found.append(
            Trouble(
                node,
                say("its engine keeps containers alive without it (`live-restore`): Swarm refuses"),
                say(
                    "Take `live-restore` out of its /etc/docker/daemon.json and restart the engine."
                ),
            )
        )
    driver = str(info.get("Driver", ""))
    if driver not in _DRIVERS:
        found.append(
            Trouble(
                node,
                say(
                    "its engine's storage driver is {driver}, which copies whole images",
                    driver=driver or say("unknown"),
                ),
                say(
                    'Set `"storage-driver": "overlay2"` in its /etc/docker/daemon.json and '
                    "restart the engine."
                ),
            )
        )
    memory = int(info.get("MemTotal") or 0)
    if memory < _MEMORY:
        found.append(
            Trouble(
                node,
                say(
                    "it has {memory:.1f} GiB of memory, and a node needs 1 GiB",
                    memory=memory / (1 << 30),
                ),
                say("Give it more, or take another machine."),
            )
        )
    if not info.get("IPv4Forwarding", True):
        found.append(
            Trouble(
                node,
                say("it forwards no packets between networks"),
                say("There: `{command}`.", command="sudo sysctl -w net.ipv4.ip_forward=1"),
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
            say(
                "its machine is called {name}, and the swarm shows nodes by that name",
                name=facts.name,
            ),
            say(
                "There: `sudo hostnamectl set-hostname {node}`; or `--rename` calls it so until "
                "`swarmlab down`.",
                node=node,
            ),
        )
    ]


def _swarm(node: str, info: Mapping[str, Any], consent: Consent) -> list[Trouble]:
    swarm = info.get("Swarm") or {}
    state = str(swarm.get("LocalNodeState") or "inactive")
    if state == "inactive" or consent.leave_swarm:
        return []
    role = say("manager") if swarm.get("ControlAvailable") else say("worker")
    nodes = int(swarm.get("Nodes") or 0)
    if nodes == 1:
        role = say("{role} of 1 node", role=role)
    elif nodes:
        role = say("{role} of {nodes} nodes", role=role, nodes=nodes)
    return [
        Trouble(
            node,
            say("it is in a swarm already ({state}, {role})", state=state, role=role),
            say(
                "If nobody needs that swarm, there: `docker swarm leave --force`; or "
                "`--leave-swarm` does so. What ran in it is lost with its last manager."
            ),
        )
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
                    say(
                        "it is the same engine as {other} (its id is {id})",
                        other=other,
                        id=facts[node].id[:24],
                    ),
                    say(
                        "Each node needs a machine of its own. Two machines copied from one "
                        "image may share the id: stop the engine on one, remove "
                        "/etc/docker/key.json and /var/lib/docker/engine-id there, and start it "
                        "again."
                    ),
                )
            ]
        if node in addresses and addresses.get(other) == addresses[node]:
            found.append(
                Trouble(
                    node,
                    say(
                        "its address {address} is that of {other}, too",
                        address=addresses[node],
                        other=other,
                    ),
                    say("Give both an `address:` in the hosts file."),
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
                say("its clock is {seconds:.0f} s ahead of the others'", seconds=skew - middle)
                if skew > middle
                else say("its clock is {seconds:.0f} s behind the others'", seconds=middle - skew),
                say("There: `{command}`.", command="sudo timedatectl set-ntp true"),
            )
        ]
        for node, skew in skews.items()
        if abs(skew - middle) > CLOCK_MOST
    }
