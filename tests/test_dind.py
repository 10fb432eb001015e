"""Nodes as containers: what is asked of the engine, and how its answers are read."""

from __future__ import annotations

import io
import tarfile
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.engine import Engine, Target
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, UsageError
from swarmlab.providers import dind, network, ways
from swarmlab.providers.base import NodeState, Reach
from swarmlab.providers.dind import Dind
from swarmlab.providers.problems import explain, explained
from swarmlab.size import Size
from tests.exec_fakes import Execs

HERE = "6.1.0-here"
THREE = Size(3)


def refused(words: str, status: int = 500) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response=response, explanation=words)


class FakeApi(Execs):
    """An engine that notes what it is asked."""

    def __init__(self) -> None:
        self.existing: list[dict[str, Any]] = []
        self.overlaps = 0
        self.made: list[dict[str, Any]] = []
        self.configs: dict[str, dict[str, Any]] = {}
        self.archives: dict[str, bytes] = {}
        self.started: list[str] = []
        self.order: list[str] = []
        self.state: dict[str, Any] = {"Running": True, "Paused": False}
        self.exit_code: int | None = 0
        self.printed = b""

    def networks(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        return self.existing

    def create_network(self, name: str, **options: Any) -> dict[str, Any]:
        if self.overlaps:
            self.overlaps -= 1
            raise refused("Pool overlaps with other one on this address space", 403)
        self.made.append({"name": name, **options})
        return {"Id": "0123456789abcdef"}

    def create_container_from_config(self, config: dict[str, Any], name: str) -> None:
        self.configs[name] = config

    def put_archive(self, name: str, path: str, data: bytes) -> None:
        self.archives[name] = data

    def start(self, name: str) -> None:
        self.started.append(name)

    def stop(self, name: str, timeout: int) -> None:
        assert timeout == 10
        self.order.append(f"stop {name}")

    def unpause(self, name: str) -> None:
        self.state["Paused"] = False

    def inspect_container(self, name: str) -> dict[str, Any]:
        self.order.append(f"inspect {name}")
        return {"State": self.state}

    def logs(self, name: str, tail: int) -> bytes:
        return b"the engine ended\n"

    def exec_create(self, name: str, command: list[str]) -> dict[str, str]:
        return {"Id": "run"}

    def words(self, identity: str) -> tuple[bytes, bytes]:
        return self.printed, b""

    def exec_inspect(self, run: str) -> dict[str, int | None]:
        return {"ExitCode": self.exit_code}

    def remove_container(self, name: str, **options: bool) -> None:
        raise NotFound("gone")

    def remove_volume(self, name: str, force: bool) -> None:
        raise NotFound("gone")


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a kernel of that name, no routes, and no bridges."""
    monkeypatch.setattr("platform.release", lambda: HERE)
    monkeypatch.setattr("swarmlab.providers.subnets.routes", list)
    monkeypatch.setattr(network, "_BRIDGES", tmp_path)


def made(
    api: FakeApi, *, url: str = "unix:///x.sock", kernel: str = HERE, size: Size = THREE
) -> Dind:
    client = cast(Any, SimpleNamespace(api=api))
    engine = Engine(client, Target(url, "test"), "26.1", "1.44", kernel)
    return Dind(engine, "demo", image=lambda: "swarmlab/loaded-node:x", size=size)


def bridge(tmp_path: Path) -> None:
    (tmp_path / "br-0123456789ab").mkdir()


# The network.


def test_network_carries_labels_and_a_fixed_subnet(tmp_path: Path) -> None:
    bridge(tmp_path)
    api = FakeApi()
    provider = made(api)
    provider.prepare()
    (network,) = api.made
    assert network["name"] == "swarmlab-demo"
    assert network["labels"][labels.LAB] == "demo"
    assert network["labels"][labels.ROLE] == "network"
    assert network["labels"][labels.COUNT] == "3"
    assert network["ipam"]["Config"] == [{"Subnet": "192.168.99.0/24"}]
    assert provider.reach is Reach.DIRECT
    assert provider.address("swarm-2") == "192.168.99.12"
    assert len(provider.instance) == 16


def test_a_subnet_taken_at_the_same_moment_means_the_next_one(tmp_path: Path) -> None:
    bridge(tmp_path)
    api = FakeApi()
    api.overlaps = 2
    provider = made(api)
    provider.prepare()
    assert provider.subnet == IPv4Network("192.168.101.0/24")


def test_subnets_that_are_always_taken_end_in_words(tmp_path: Path) -> None:
    api = FakeApi()
    api.overlaps = 1000
    with pytest.raises(EnvironmentProblem, match="No subnet"):
        made(api).prepare()


def test_no_bridge_on_this_machine_means_published_ports() -> None:
    provider = made(FakeApi())
    provider.prepare()
    assert provider.reach is Reach.PUBLISHED


def test_another_kernel_means_a_virtual_machine_and_published_ports(tmp_path: Path) -> None:
    bridge(tmp_path)
    provider = made(FakeApi(), kernel="5.15.0-linuxkit")
    provider.prepare()
    assert provider.reach is Reach.PUBLISHED


@pytest.mark.parametrize("wanted", ["direct", "published"])
def test_the_way_can_be_forced(wanted: str) -> None:
    provider = made(FakeApi(), url="tcp://192.0.2.1:2375")
    provider.prepare(wanted)
    assert provider.reach is Reach(wanted)


def test_nodes_of_an_engine_elsewhere_are_reached_through_it() -> None:
    provider = made(FakeApi(), url="tcp://192.0.2.1:2375")
    provider.prepare()
    assert provider.reach is Reach.RELAY


def test_published_ports_are_open_elsewhere_only_when_asked(tmp_path: Path) -> None:
    api = FakeApi()
    provider = made(api)
    provider.prepare("published", "192.0.2.7")
    provider.create("swarm-1")
    assert api.made[0]["labels"][labels.PUBLISH] == "192.0.2.7"
    for bindings in api.configs["swarmlab-demo-swarm-1"]["HostConfig"]["PortBindings"].values():
        assert bindings == [{"HostIp": "192.0.2.7", "HostPort": ""}]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "me", "224.0.0.1", "192.0.2.0/24", ""])
def test_addresses_to_publish_at_that_are_none(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        ways.opened(address, "auto")
    assert caught.value.hint


def test_an_address_to_publish_at_means_published_ports() -> None:
    assert ways.opened("192.0.2.7", "auto") == "published"
    with pytest.raises(UsageError, match="--reach relay uses none"):
        ways.opened("192.0.2.7", "relay")


def test_a_network_that_is_there_is_taken_over(tmp_path: Path) -> None:
    bridge(tmp_path)
    api = FakeApi()
    api.existing = [
        {
            "Name": "swarmlab-demo",
            "Id": "0123456789abcdef",
            "Labels": {labels.INSTANCE: "abc", labels.REACH: "published", labels.COUNT: "5"},
            "IPAM": {"Config": [{"Subnet": "192.168.120.0/24"}]},
        },
        {"Name": "swarmlab-demo-2", "Id": "f", "Labels": {}, "IPAM": {"Config": []}},
    ]
    provider = made(api)
    provider.adopt()
    assert (provider.instance, provider.reach) == ("abc", Reach.PUBLISHED)
    assert provider.address("swarm-1") == "192.168.120.11"
    provider.create("swarm-5")
    told = api.configs["swarmlab-demo-swarm-5"]["Labels"]
    assert (told[labels.COUNT], told[labels.INSTANCE]) == ("5", "abc")


def test_a_network_that_is_gone_is_said() -> None:
    with pytest.raises(EnvironmentProblem, match="network is gone"):
        made(FakeApi()).adopt()


# Nodes.


def configured(tmp_path: Path, *, reach: str = "direct") -> dict[str, Any]:
    api = FakeApi()
    provider = made(api)
    provider.prepare(reach)
    provider.create("swarm-1")
    return api.configs["swarmlab-demo-swarm-1"]


def test_a_node_gets_what_it_needs_and_no_more(tmp_path: Path) -> None:
    config = configured(tmp_path)
    host = config["HostConfig"]
    assert "Privileged" not in host
    # AppArmor and SELinux would each keep the inner engine from mounting.
    assert {"apparmor=unconfined", "label=disable"} < set(host["SecurityOpt"])
    assert sorted(host["CapAdd"]) == ["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"]
    assert host["MaskedPaths"] == host["ReadonlyPaths"] == []
    # In the machine's own namespace a node could have programs started outside of itself.
    assert host["CgroupnsMode"] == "private"
    assert [mount["Type"] for mount in host["Mounts"]] == ["volume"]
    assert config["Hostname"] == "swarm-1"
    assert config["Image"] == "swarmlab/loaded-node:x"
    endpoint = config["NetworkingConfig"]["EndpointsConfig"]["swarmlab-demo"]
    assert endpoint == {
        "IPAMConfig": {"IPv4Address": "192.168.99.11"},
        "Aliases": ["swarm-1"],
    }


def test_the_nodes_volume_is_named_and_labelled(tmp_path: Path) -> None:
    (mount,) = configured(tmp_path)["HostConfig"]["Mounts"]
    assert mount["Source"] == "swarmlab-demo-swarm-1"
    assert mount["VolumeOptions"]["Labels"][labels.ROLE] == "volume"
    assert mount["VolumeOptions"]["Labels"][labels.LAB] == "demo"


def test_ports_only_when_published_and_on_loopback_only(tmp_path: Path) -> None:
    assert configured(tmp_path)["HostConfig"]["PortBindings"] == {}
    bindings = configured(tmp_path, reach="published")["HostConfig"]["PortBindings"]
    assert sorted(bindings) == ["2376/tcp", "443/tcp", "80/tcp", "8080/tcp", "8500/tcp"]
    for binding in bindings.values():
        assert binding == [{"HostIp": "127.0.0.1", "HostPort": ""}]


def test_files_go_in_before_the_start_readable_by_root_alone(tmp_path: Path) -> None:
    api = FakeApi()
    made(api).start("swarm-1", {"/etc/docker/certs/key.pem": b"KEY"})
    assert api.started == ["swarmlab-demo-swarm-1"]
    with tarfile.open(fileobj=io.BytesIO(api.archives["swarmlab-demo-swarm-1"])) as archive:
        entries = {entry.name: entry for entry in archive}
        assert entries["etc/docker/certs/key.pem"].mode == 0o600
        assert entries["etc/docker/certs"].mode == 0o700
        assert "etc" not in entries
        content = archive.extractfile("etc/docker/certs/key.pem")
        assert content is not None
        assert content.read() == b"KEY"


def test_a_paused_node_goes_on_as_it_is() -> None:
    api = FakeApi()
    api.state["Paused"] = True
    made(api).start("swarm-1", {"/x": b""})
    assert (api.started, api.archives, api.state["Paused"]) == ([], {}, False)


def test_removing_what_is_gone_is_content() -> None:
    made(FakeApi()).remove("swarm-1")


def test_last_words_of_a_node_that_ended() -> None:
    api = FakeApi()
    assert made(api).last_words("swarm-1") is None
    api.state = {"Running": False, "ExitCode": 1}
    assert made(api).last_words("swarm-1") == "ended with exit code 1\nthe engine ended"
    api.state = {"Running": False, "ExitCode": 137, "OOMKilled": True}
    words = made(api).last_words("swarm-1")
    assert words is not None
    assert words.startswith("killed for want of memory")


def test_a_node_that_is_stopped_is_let_go_of_by_the_engine() -> None:
    """Until then the engine lists it as running, and keeps its address."""
    api = FakeApi()
    made(api).stop("swarm-2")
    box = labels.container("demo", "swarm-2")
    assert api.order == [f"stop {box}", f"inspect {box}"]


def test_a_kernel_without_vxlan_is_refused_in_words() -> None:
    api = FakeApi()
    made(api).check_kernel("swarm-1")
    api.exit_code, api.printed = 2, b"Error: Unknown device type.\n"
    with pytest.raises(EnvironmentProblem, match="no VXLAN") as caught:
        made(api).check_kernel("swarm-1")
    assert caught.value.evidence == "Error: Unknown device type."
    # A node that ended meanwhile is told of by whoever waits for it.
    api.exit_code = None
    made(api).check_kernel("swarm-1")
    assert "modprobe vxlan" in caught.value.hint


# What the engine lists.


def listed(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "State": state,
        "Status": f"{state} for a while",
        "Labels": {
            labels.ROLE: "node",
            labels.NODE: name,
            labels.ADDRESS: "192.168.99.11",
            labels.REACH: "published",
            labels.INSTANCE: "abc",
            labels.COUNT: "3",
        },
        **more,
    }


def test_nodes_are_read_in_the_order_of_their_numbers() -> None:
    info = dind.read(
        [
            listed("swarm-3", "exited"),
            {"Labels": {labels.ROLE: "workstation"}, "State": "running"},
            listed("swarm-1"),
            {"Labels": None},
        ]
    )
    assert info.names == ("swarm-1", "swarm-3")
    assert [node.state for node in info.nodes] == [NodeState.RUNNING, NodeState.STOPPED]
    assert (info.instance, info.size) == ("abc", Size(3))
    assert info.node("swarm-2") is None


def test_the_labels_of_one_node_tell_how_many_managers_and_workers_there_are(
    tmp_path: Path,
) -> None:
    bridge(tmp_path)
    api = FakeApi()
    provider = made(api, size=Size(3, 2))
    provider.prepare()
    provider.create("swarm-5")
    config = api.configs["swarmlab-demo-swarm-5"]
    assert dind.read([listed("swarm-5", Labels=config["Labels"])]).size == Size(3, 2)
    assert Size.told(api.made[0]["labels"]) == Size(3, 2)


def test_published_ports_are_read() -> None:
    ports = [
        {"IP": "127.0.0.1", "PrivatePort": 2376, "PublicPort": 49153, "Type": "tcp"},
        {"PrivatePort": 4789, "Type": "udp"},
    ]
    (node,) = dind.read([listed("swarm-1", Ports=ports)]).nodes
    assert node.ports == {2376: ("127.0.0.1", 49153)}


@pytest.mark.parametrize("name", ["swarm-", "swarm-x", "node-1", "", "swarm"])
def test_names_that_are_no_nodes(name: str) -> None:
    with pytest.raises(UsageError):
        dind.number(name)


# Refusals.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("write /x: no space left on device", "disk"),
        ("fork/exec: cannot allocate memory", "memory"),
        ("driver failed: Bind for 127.0.0.1:80 failed: port is already allocated", "port"),
        ("Address already in use", "in use"),
        ("unable to apply caps: operation not permitted", "rights"),
        ("No such image: swarmlab/node:x", "image"),
        ("something nobody has seen before", "refused while making swarm-1"),
    ],
)
def test_every_refusal_says_what_to_do(words: str, message: str) -> None:
    error = explain("making swarm-1", words)
    assert message in error.message
    assert error.evidence == words
    assert error.hint


def test_an_engine_that_goes_away_is_unreachable() -> None:
    with (
        pytest.raises(EngineUnreachable, match="while making swarm-1"),
        explained("making swarm-1"),
    ):
        raise requests.exceptions.ConnectionError("gone")
