"""What speaks against a machine, told before anything on it is touched."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from swarmlab import words
from swarmlab.errors import EnvironmentProblem
from swarmlab.providers import at_once
from swarmlab.providers.hosts import belonging, ports
from swarmlab.providers.hosts.facts import Facts
from swarmlab.providers.hosts.file import Host
from swarmlab.providers.hosts.guards import Consent, troubles
from swarmlab.providers.hosts.needs import GATE_PORT, PORTS
from swarmlab.providers.hosts.snapshot import Snapshot
from tests.test_words import ENGLISH, NAMES

HOSTS = [Host(f"swarm-{n}", url=f"ssh://me@pc-{n}") for n in (1, 2, 3)]
ADDRESSES = {f"swarm-{n}": f"10.0.0.{n}" for n in (1, 2, 3)}
INFO = {
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Driver": "overlay2",
    "MemTotal": 4 << 30,
    "IPv4Forwarding": True,
    "Swarm": {"LocalNodeState": "inactive"},
}


def machine(node: str, **changes: Any) -> Facts:
    info = {**INFO, **changes.pop("info", {})}
    found = replace(Snapshot(name=node), **changes.pop("found", {}))
    given: dict[str, Any] = {
        "id": f"id of {node}",
        "containers": (),
        "volumes": (),
        "networks": (),
        "skew": 0.2,
        **changes,
    }
    return Facts(info=info, found=found, **given)


NOTHING = Consent()


def told(second: Facts, consent: Consent = NOTHING) -> str:
    """What is said where the second of three machines is like that."""
    facts = {"swarm-1": machine("swarm-1"), "swarm-2": second, "swarm-3": machine("swarm-3")}
    return "\n".join(map(str, troubles(HOSTS, facts, ADDRESSES, consent)))


def test_three_good_machines_have_no_troubles() -> None:
    assert told(machine("swarm-2")) == ""


SWARM = {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True, "Nodes": 3}}
ALONE = {"Swarm": {**SWARM["Swarm"], "Nodes": 1}}
OTHERS = {"containers": {f"c{n}": f"web-{n}" for n in range(6)}}


@pytest.mark.parametrize(
    ("changes", "said", "mend"),
    [
        ({"info": {"SecurityOptions": ["name=rootless"]}}, "rootless", "context use default"),
        ({"info": {"SecurityOptions": ["name=userns"]}}, "gives containers", "userns-remap"),
        ({"info": {"Driver": "vfs"}}, "storage driver is vfs", '"storage-driver": "overlay2"'),
        ({"info": {"LiveRestoreEnabled": True}}, "(`live-restore`): Swarm refuses", "Take `live-"),
        ({"info": {"MemTotal": 1 << 29}}, "0.5 GiB of memory", "Give it more"),
        ({"info": {"IPv4Forwarding": False}}, "forwards no packets", "ip_forward=1"),
        ({"info": SWARM}, "in a swarm already (active, manager of 3 nodes)", "--leave-swarm"),
        ({"info": ALONE}, "in a swarm already (active, manager of 1 node)", "--leave-swarm"),
        ({"found": {"name": "pc-02"}}, "is called pc-02", "hostnamectl set-hostname swarm-2"),
        (
            {"found": OTHERS},
            "6 containers of others (web-0, web-1, web-2, web-3 and 2 more)",
            "--bes",
        ),
        ({"found": {"containers": {"c": "consul"}}}, "a container named consul", "docker rename"),
        ({"found": {"volumes": frozenset({"consul_consul-data"})}}, "a volume named", "volume rm"),
        ({"found": {"volumes": frozenset({"go-demo-db"})}}, "a volume named go-demo-db", "volume"),
        ({"found": {"networks": frozenset({"proxy"})}}, "a network named proxy", "network rm"),
        ({"skew": 95.0}, "its clock is 95 s ahead of the others'", "set-ntp"),
        ({"skew": -95.0}, "its clock is 95 s behind the others'", "set-ntp"),
        ({"id": "id of swarm-1"}, "the same engine as swarm-1", "engine-id"),
        (
            {
                "containers": [
                    {"Id": "c", "Names": ["/web"], "Ports": [{"PublicPort": 80, "IP": "0.0.0.0"}]}
                ]
            },
            "port 80, which the proxy needs, leads to its container web",
            "docker stop web",
        ),
    ],
)
def test_each_trouble_names_the_machine_and_what_mends_it(
    changes: dict[str, Any], said: str, mend: str
) -> None:
    words = told(machine("swarm-2", **changes))
    assert said in words
    assert mend in words
    assert all(line.startswith("swarm-2: ") for line in words.splitlines())


def test_all_troubles_of_all_machines_are_told_in_order() -> None:
    facts = {
        "swarm-1": machine("swarm-1", found={"name": "pc-01"}, info=SWARM),
        "swarm-3": machine("swarm-3", info={"Driver": "vfs"}),
    }
    found = troubles(HOSTS, facts, ADDRESSES, Consent())
    assert [one.node for one in found] == ["swarm-1", "swarm-1", "swarm-3"]


def test_what_is_allowed_is_no_trouble() -> None:
    changes: dict[str, Any] = {"info": SWARM, "found": {**OTHERS, "name": "pc-02"}}
    everything = Consent(beside=True, leave_swarm=True, rename=True)
    assert told(machine("swarm-2", **changes), everything) == ""


@pytest.mark.parametrize("role", ["gate", "lookout"])
def test_a_node_of_another_lab_is_none_of_this_one_whatever_is_allowed(role: str) -> None:
    """Nobody is told to leave that lab's swarm, or to give the machine another name."""
    marks = {"swarmlab.lab": "default", "swarmlab.instance": "ff00", "swarmlab.role": role}
    box = {"Id": "g", "Names": ["/swarmlab-default-gate"], "Labels": marks}
    theirs = machine("swarm-2", containers=[box], info=SWARM, found={"name": "pc-02"})
    for consent in (NOTHING, Consent(beside=True, leave_swarm=True, rename=True)):
        (line,) = told(theirs, consent).splitlines()
        assert line.startswith("swarm-2: it is a node of another lab, or just becomes one: default")
        assert "`swarmlab down --name default --hosts FILE`" in line
        assert "leave" not in line


def test_nodes_of_labs_in_containers_are_no_nodes_of_the_machine() -> None:
    """The machine may be somebody's who has such a lab of his own on it."""
    marks = {"swarmlab.lab": "default", "swarmlab.role": "node"}
    box = {"Id": "n", "Names": ["/swarmlab-default-swarm-1"], "Labels": marks}
    theirs = machine("swarm-2", containers=[box])
    assert told(theirs, Consent(beside=True)) == ""


def test_consent_allows_nothing_that_would_collide() -> None:
    changes: dict[str, Any] = {"found": {"containers": {"c": "consul"}}}
    everything = Consent(beside=True, leave_swarm=True, rename=True)
    assert "a container named consul" in told(machine("swarm-2", **changes), everything)


def test_a_port_of_the_machine_alone_is_no_trouble() -> None:
    own = [{"Id": "c", "Names": ["/web"], "Ports": [{"PublicPort": 80, "IP": "127.0.0.1"}]}]
    assert "port 80" not in told(machine("swarm-2", containers=own))


def test_two_machines_at_one_address() -> None:
    facts = {host.node: machine(host.node) for host in HOSTS}
    same = {**ADDRESSES, "swarm-3": "10.0.0.1"}
    found = troubles(HOSTS, facts, same, Consent())
    assert [str(one) for one in found] == [
        "swarm-3: its address 10.0.0.1 is that of swarm-1, too. Give both an `address:` in the "
        "hosts file."
    ]


def test_ports_that_are_in_use_are_told_with_their_use() -> None:
    told = {"address": False, "engine": "another", "tcp": [80, GATE_PORT], "udp": [4789]}
    words = "\n".join(map(str, ports.judge("swarm-2", "10.0.0.2", "/run/x.sock", "mine", told)))
    assert "no interface with the address 10.0.0.2" in words
    assert "TCP port 80, which the proxy needs, is in use" in words
    assert "sudo ss -lunp 'sport = :4789'" in words
    assert "does not listen at /run/x.sock" in words
    free = {"address": True, "engine": "mine", "tcp": [], "udp": []}
    assert ports.judge("swarm-2", "10.0.0.2", "/run/x.sock", "mine", free) == []


def test_the_failure_of_one_machine_hides_that_of_no_other() -> None:
    def work(node: str) -> str:
        if node != "swarm-2":
            raise EnvironmentProblem(f"{node} is broken")
        return node

    outcome = at_once.each(["swarm-1", "swarm-2", "swarm-3"], work)
    assert outcome.done == {"swarm-2": "swarm-2"}
    assert list(outcome.failed) == ["swarm-1", "swarm-3"]
    with pytest.raises(EnvironmentProblem, match="swarm-1"):
        at_once.must(["swarm-1", "swarm-2", "swarm-3"], work)


def test_consul_has_its_ports() -> None:
    """Servers, members in both rooms, clients and names: what `consul agent` binds."""
    assert {8300, 8301, 8302, 8500, 8600} <= set(PORTS)
    assert {8301, 8302, 8600} <= set(ports.UDP)


def test_all_of_it_is_said_in_chinese_too() -> None:
    changes: dict[str, Any] = {
        "info": {
            **SWARM,
            "Driver": "vfs",
            "MemTotal": 1 << 29,
            "IPv4Forwarding": False,
            "LiveRestoreEnabled": True,
        },
        "found": {"name": "pc-02", "containers": {**OTHERS["containers"], "c": "consul"}},
        "skew": 95.0,
    }
    words.use("zh")
    try:
        all_wrong = told(machine("swarm-2", **changes)).splitlines()
        all_wrong.append(str(belonging.occupied("swarm-2", "default")))
        tried = {"address": False, "engine": "another", "tcp": [80, GATE_PORT], "udp": [4789]}
        all_wrong += map(str, ports.judge("swarm-2", "10.0.0.2", "/run/s", "one", tried))
    finally:
        words.use(words.MAIN)
    assert len(all_wrong) == 15
    for line in all_wrong:
        assert re.match("swarm-2：[^a-z]", line), line
        assert not ENGLISH.search(NAMES.sub("", line)), line
