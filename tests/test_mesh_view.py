"""The mesh fallback reads the engine's answers; these are cut from real ones (Docker 26.1)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "compose" / "images" / "node"))
view = importlib.import_module("mesh.view")
swarm = importlib.import_module("mesh.swarm")

FRONT = "6a4d17imaqvc4cb2iaa28rmy2"


def gossip_task(name: str, address: str) -> dict[str, Any]:
    return {
        "Name": name,
        "EndpointID": "c77664673aa3",
        "EndpointIP": address,
        "Info": {"Host IP": "172.18.0.4"},
    }


def gossip_network(services: dict[str, Any] | None, ingress: bool = False) -> dict[str, Any]:
    return {
        "Name": "front",
        "Id": FRONT,
        "Scope": "swarm",
        "Driver": "overlay",
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.0.1.0/24"}]},
        "Ingress": ingress,
        "Services": services,
    }


WEB = {
    "VIP": "10.0.1.2",
    "Ports": ["Target: 8000, Publish: 80", "Target: 8001, Publish: 53"],
    "LocalLBIndex": 260,
    "Tasks": [
        gossip_task("web.2.ux6nwqt3015y", "10.0.1.10"),
        gossip_task("web.1.gciuvv3p1w0g", "10.0.1.9"),
    ],
}


def manager_task(task_id: str, state: str = "running", network: str = FRONT) -> dict[str, Any]:
    return {
        "ID": task_id,
        "Status": {"State": state},
        "DesiredState": "running",
        "NetworksAttachments": [{"Network": {"ID": network}, "Addresses": ["10.0.1.9/24"]}],
    }


def port(number: int, protocol: str, mode: str = "ingress") -> dict[str, Any]:
    return {
        "Protocol": protocol,
        "TargetPort": 1,
        "PublishedPort": number,
        "PublishMode": mode,
    }


def manager_service(name: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {"ID": "x", "Spec": {"Name": name}, "Endpoint": {"Ports": list(ports)}}


def test_a_service_has_its_vip_and_its_tasks_in_the_order_of_their_addresses() -> None:
    (web,) = view.network_view(gossip_network({"web": WEB}), None).services
    assert web.vip == "10.0.1.2"
    assert web.ready == ("10.0.1.9", "10.0.1.10")
    assert [task.id for task in web.tasks] == ["gciuvv3p1w0g", "ux6nwqt3015y"]


def test_a_dnsrr_service_has_no_vip() -> None:
    said = {**WEB, "VIP": "<nil>", "Ports": []}
    assert view.service_view("rr", said, None).vip is None


def test_containers_attached_by_hand_are_no_service() -> None:
    said = gossip_network({"": {**WEB, "VIP": "<nil>"}, "web": WEB})
    assert [service.name for service in view.network_view(said, None).services] == ["web"]


@pytest.mark.parametrize("services", [None, {}])
def test_a_network_may_have_no_services(services: dict[str, Any] | None) -> None:
    assert view.network_view(gossip_network(services), None).services == ()


def test_sandboxes_are_named_as_libnetwork_names_them() -> None:
    assert view.sandbox_name(gossip_network({})) == "lb_6a4d17ima"
    assert view.sandbox_name(gossip_network({}, ingress=True)) == "ingress_sbox"


def test_a_global_service_has_its_task_id_behind_the_node_id() -> None:
    task = view.task_view(gossip_task("h.7i8dbus014ag.o9fdqx4v6nnm", "10.0.1.4"), None)
    assert task.id == "o9fdqx4v6nnm"


def test_where_no_manager_can_tell_a_port_is_taken_for_both_protocols() -> None:
    assert view.port_view("web", "Target: 8000, Publish: 80", None) == view.Port(80, ("tcp", "udp"))


def test_managers_know_the_protocols() -> None:
    known = swarm.swarm(
        [], [manager_service("web", port(80, "tcp"), port(53, "udp"), port(53, "tcp"))]
    )
    web = view.service_view("web", WEB, known)
    assert web.ports == (view.Port(53, ("tcp", "udp")), view.Port(80, ("tcp",)))


def test_a_port_that_managers_no_longer_know_is_not_published_any_more() -> None:
    known = swarm.swarm([], [])
    assert view.service_view("web", WEB, known).ports == ()


def test_a_protocol_of_which_nftables_is_not_told_gives_no_rule() -> None:
    known = swarm.swarm([], [manager_service("web", port(80, "sctp"), port(53, "udp"))])
    assert view.service_view("web", WEB, known).ports == (view.Port(53, ("udp",)),)


def test_ports_of_host_mode_are_not_the_meshs() -> None:
    found = swarm.published_protocols([manager_service("h", port(8100, "tcp", "host"))])
    assert found == {}


def test_a_service_without_endpoint_is_read() -> None:
    assert swarm.published_protocols([{"ID": "x", "Spec": {"Name": "rr"}, "Endpoint": {}}]) == {}


def test_an_unreadable_port_is_an_error_and_not_silence() -> None:
    with pytest.raises(ValueError, match="cannot read the port of web"):
        view.port_view("web", "Target: 80", None)


def test_a_task_that_managers_no_longer_want_is_not_ready_but_still_there() -> None:
    known = swarm.swarm([manager_task("ux6nwqt3015y")], [])
    web = view.service_view("web", WEB, known)
    assert web.ready == ("10.0.1.10",)
    assert [task.address for task in web.tasks] == ["10.0.1.9", "10.0.1.10"]


def test_gossip_agrees_when_it_lists_what_runs() -> None:
    seen = view.View((view.network_view(gossip_network({"web": WEB}), None),), None)
    both = [manager_task("gciuvv3p1w0g"), manager_task("ux6nwqt3015y")]
    assert view.agrees(seen, swarm.swarm(both, []))


@pytest.mark.parametrize(
    "tasks",
    [
        [],
        [manager_task("gciuvv3p1w0g")],
        [manager_task("gciuvv3p1w0g"), manager_task("ux6nwqt3015y", state="starting")],
        [manager_task("gciuvv3p1w0g"), manager_task("ux6nwqt3015y"), manager_task("new")],
    ],
    ids=["all gone", "one gone", "one not up yet", "one more"],
)
def test_gossip_does_not_agree_yet(tasks: list[dict[str, Any]]) -> None:
    seen = view.View((view.network_view(gossip_network({"web": WEB}), None),), None)
    assert not view.agrees(seen, swarm.swarm(tasks, []))


def test_tasks_on_networks_that_are_not_here_do_not_matter() -> None:
    seen = view.View((), None)
    assert view.agrees(seen, swarm.swarm([manager_task("elsewhere", network="other")], []))


class FakeEngine:
    """Answers as the engine does, from a dict of networks."""

    def __init__(self, networks: dict[str, dict[str, Any]]) -> None:
        self.networks = networks
        self.gossip_asked: list[str] = []

    def overlay_networks(self) -> list[dict[str, Any]]:
        return [n for n in self.networks.values() if n.get("Driver") == "overlay"]

    def network(self, name: str, gossip: bool = False) -> dict[str, Any]:
        if gossip:
            self.gossip_asked.append(name)
        if name not in self.networks or self.networks[name].get("vanished"):
            raise view.EngineError(404, f"/networks/{name}", "not found")
        return self.networks[name]


GATEWAY = {"Containers": {"ingress-sbox": {"IPv4Address": "172.19.0.2/16"}}}


def test_only_networks_with_a_sandbox_on_this_node_are_looked_at() -> None:
    other = {**gossip_network({}), "Id": "zzzzzzzzzzzz"}
    engine = FakeEngine(
        {FRONT: gossip_network({"web": WEB}), "zzzzzzzzzzzz": other, "docker_gwbridge": GATEWAY}
    )
    seen = view.look(engine, ["lb_6a4d17ima"], None)
    assert engine.gossip_asked == [FRONT]
    assert [network.id for network in seen.networks] == [FRONT]
    assert seen.gateway == "172.19.0.2"


def test_a_network_that_goes_while_we_look_is_left_out() -> None:
    engine = FakeEngine({FRONT: {**gossip_network({}), "vanished": True}})
    seen = view.look(engine, ["lb_6a4d17ima"], None)
    assert seen == view.View((), None)


def test_without_ingress_sandbox_there_is_no_gateway() -> None:
    assert view.gateway_address(FakeEngine({"docker_gwbridge": {"Containers": {}}})) is None


class Silent:
    """An engine whose managers answer, say no, or do not answer in time."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.asked = 0

    def get(self, path: str, filters: object = None) -> list[Any]:
        self.asked += 1
        if self.problem:
            raise self.problem
        return [manager_task("a")] if path == "/tasks" else []


NO_MANAGER = view.EngineError(503, "/tasks", "This node is not a swarm manager.")


@pytest.mark.parametrize("problem", [NO_MANAGER, TimeoutError("timed out")])
def test_an_answer_of_the_managers_serves_for_three_seconds(problem: Exception) -> None:
    """A new leader is chosen in less; without quorum gossip must do."""
    engine = Silent()
    managers = swarm.Managers(engine)
    known = managers.ask(100.0)
    assert known is not None
    engine.problem = problem
    assert managers.ask(101.0) == known
    assert managers.ask(102.9) == known
    assert managers.ask(103.1) is None
    engine.problem = None
    assert managers.ask(109.0) == known


def test_a_worker_asks_rarely() -> None:
    engine = Silent()
    engine.problem = NO_MANAGER
    managers = swarm.Managers(engine)
    assert [managers.ask(100.0 + second) for second in range(10)] == [None] * 10
    assert engine.asked == 2
