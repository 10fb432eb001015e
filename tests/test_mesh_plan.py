"""From a view to nftables text: pure, so the whole text can be compared."""

from __future__ import annotations

import importlib
import re
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "compose" / "images" / "node"))
view = importlib.import_module("mesh.view")
plan = importlib.import_module("mesh.plan")

WEB_TASKS = (view.Task("10.0.1.3", "a"), view.Task("10.0.1.4", "b"))


def network(*services: Any, sandbox: str = "lb_6a4d17ima") -> Any:
    return view.Network("6a4d17imaqvc", "front", sandbox, ("10.0.1.0/24",), services)


def service(
    tasks: tuple[Any, ...] = WEB_TASKS, vip: str | None = "10.0.1.2", ports: Any = ()
) -> Any:
    return view.Service("web", vip, ports, tasks)


def node_of(*networks: Any, gateway: str | None = "172.19.0.2") -> Any:
    return plan.plans(view.View(networks, gateway))[-1]


def test_a_vip_leads_to_its_tasks_in_turn() -> None:
    (balancer, _) = plan.plans(view.View((network(service()),), None))
    assert balancer.rules == (
        "table ip swarmlab_mesh {\n"
        "\tchain prerouting {\n"
        "\t\ttype nat hook prerouting priority -100; policy accept;\n"
        "\t\tip daddr 10.0.1.2 meta l4proto { tcp, udp } dnat to numgen inc mod 2"
        ' map { 0 : 10.0.1.3, 1 : 10.0.1.4 } comment "web"\n'
        "\t}\n"
        "\tchain postrouting {\n"
        "\t\ttype nat hook postrouting priority 100; policy accept;\n"
        "\t\tct status dnat masquerade\n"
        "\t}\n"
        "}\n"
    )
    assert balancer.sandbox == "lb_6a4d17ima"
    assert balancer.vips == {"10.0.1.2"}
    assert balancer.words == "web 10.0.1.2 -> 10.0.1.3 10.0.1.4"
    assert balancer.tasks == {("a", "10.0.1.3"), ("b", "10.0.1.4")}


def test_published_ports_in_the_ingress_sandbox_keep_their_number() -> None:
    """The task's own sandbox turns the published port into the target port."""
    web = service(ports=(view.Port(53, ("tcp", "udp")), view.Port(80, ("tcp",))))
    rules = plan.balancer_rules(network(web, sandbox="ingress_sbox"), "172.19.0.2")
    turn = 'dnat to numgen inc mod 2 map { 0 : 10.0.1.3, 1 : 10.0.1.4 } comment "web"'
    assert f"ip daddr 10.0.1.2 meta l4proto {{ tcp, udp }} {turn}\n" in rules
    assert f"ip daddr 172.19.0.2 tcp dport 53 {turn}\n" in rules
    assert f"ip daddr 172.19.0.2 udp dport 53 {turn}\n" in rules
    assert f"ip daddr 172.19.0.2 tcp dport 80 {turn}\n" in rules
    assert "udp dport 80" not in rules


def test_doors_are_what_udp_callers_knock_at() -> None:
    web = service(ports=(view.Port(53, ("tcp", "udp")), view.Port(80, ("tcp",))))
    seen = view.View((network(web, sandbox="ingress_sbox"), network(web)), "172.19.0.2")
    ingress, front, node = plan.plans(seen)
    assert ingress.doors == {
        "--orig-dst 10.0.1.2",
        "--orig-dst 172.19.0.2 --orig-port-dst 53",
    }
    assert front.doors == {"--orig-dst 10.0.1.2"}
    assert node.doors == {"--orig-port-dst 53"}


def test_only_the_ingress_network_has_rules_for_ports() -> None:
    web = service(ports=(view.Port(80, ("tcp",)),))
    assert "dport" not in plan.balancer_rules(network(web), "172.19.0.2")
    assert node_of(network(web)).rules == ""


def test_the_node_sends_published_ports_into_the_mesh() -> None:
    web = service(ports=(view.Port(53, ("tcp", "udp")), view.Port(80, ("tcp",))))
    node = node_of(network(web, sandbox="ingress_sbox"))
    to_mesh = (
        "\t\tfib daddr type local meta l4proto . th dport"
        " { tcp . 53, udp . 53, tcp . 80 } dnat to 172.19.0.2\n"
    )
    assert node.rules == (
        "table ip swarmlab_mesh {\n"
        "\tchain prerouting {\n"
        "\t\ttype nat hook prerouting priority -105; policy accept;\n"
        f"{to_mesh}"
        "\t}\n"
        "\tchain output {\n"
        "\t\ttype nat hook output priority -105; policy accept;\n"
        f"{to_mesh}"
        "\t}\n"
        "\tchain postrouting {\n"
        "\t\ttype nat hook postrouting priority 95; policy accept;\n"
        "\t\tip daddr 172.19.0.2 ct status dnat masquerade\n"
        "\t}\n"
        "}\n"
    )
    assert node.gateway == "172.19.0.2"
    assert node.words == "published ports: tcp 53, udp 53, tcp 80"


def test_a_task_on_its_way_out_gets_nothing_new_but_is_not_forgotten() -> None:
    leaving = (*WEB_TASKS, view.Task("10.0.1.5", "c", ready=False))
    (balancer, _) = plan.plans(view.View((network(service(leaving)),), None))
    assert "10.0.1.5" not in balancer.rules
    assert ("c", "10.0.1.5") in balancer.tasks


def test_without_a_ready_task_the_caller_is_refused() -> None:
    """No rule and no port on the node; the VIP stays an address that refuses."""
    leaving = (view.Task("10.0.1.5", "c", ready=False),)
    web = service(leaving, ports=(view.Port(80, ("tcp",)),))
    balancer, node = plan.plans(view.View((network(web, sandbox="ingress_sbox"),), "172.19.0.2"))
    assert balancer.rules == ""
    assert balancer.vips == {"10.0.1.2"}
    assert balancer.words == "web 10.0.1.2 -> no task is ready"
    assert node == plan.Plan(sandbox="node")


def test_a_network_without_services_gets_an_empty_plan() -> None:
    (balancer, _) = plan.plans(view.View((network(),), None))
    assert (balancer.rules, balancer.vips, balancer.words) == ("", frozenset(), "nothing to do")


def test_a_service_without_vip_gets_no_rule() -> None:
    (balancer, _) = plan.plans(view.View((network(service(vip=None)),), None))
    assert balancer.rules == ""
    assert balancer.vips == frozenset()


def test_outside_a_swarm_there_is_nothing_to_do() -> None:
    assert plan.plans(view.View((), None)) == [plan.Plan(sandbox="node")]


def test_a_service_on_two_networks_is_balanced_on_each() -> None:
    other = view.Network(
        "oav543h3sewg",
        "back",
        "lb_oav543h3s",
        ("10.0.2.0/24",),
        (view.Service("web", "10.0.2.2", (), (view.Task("10.0.2.3", "a"),)),),
    )
    front, back, _ = plan.plans(view.View((network(service()), other), None))
    assert "10.0.2." not in front.rules
    assert "10.0.1." not in back.rules
    assert "mod 1 map { 0 : 10.0.2.3 }" in back.rules


addresses = st.lists(
    st.integers(0x0A000001, 0x0AFFFFFE).map(lambda n: str(IPv4Address(n))),
    min_size=1,
    max_size=40,
    unique=True,
)


@given(addresses)
def test_every_task_has_exactly_one_turn(tasks: list[str]) -> None:
    text = plan.in_turn(tasks)
    assert f"mod {len(tasks)} " in text
    assert re.findall(r"(\d+) : ([\d.]+)", text) == [(str(i), a) for i, a in enumerate(tasks)]


@given(st.permutations(["a", "b", "c"]))
def test_the_same_view_gives_the_same_text(names: list[str]) -> None:
    tasks = {"a": "10.0.1.3", "b": "10.0.1.4", "c": "10.0.1.5"}
    said = {
        "VIP": "10.0.1.2",
        "Tasks": [{"Name": f"web.1.{n}", "EndpointIP": tasks[n]} for n in names],
    }
    text = plan.balancer_rules(network(view.service_view("web", said, None)), None)
    assert "map { 0 : 10.0.1.3, 1 : 10.0.1.4, 2 : 10.0.1.5 }" in text
