"""The diagram of the live cluster: what is seen of a lab made of values, and how it is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from swarmlab.errors import EnvironmentProblem
from swarmlab.handout import diagrams
from swarmlab.handout.diagrams.current import diagram, draw, text
from swarmlab.handout.diagrams.layout import picture
from swarmlab.handout.diagrams.load import LANGUAGES, library
from swarmlab.handout.diagrams.look import look
from swarmlab.handout.diagrams.seen import Consul, Node, Task, Topology
from swarmlab.size import Quorum
from tests.checks_fakes import (
    NODES,
    Asked,
    Container,
    Lab,
    Reply,
    api_error,
    http_servers,
    node,
    service,
    task,
)
from tests.diagrams_eye import parts_apart, texts_apart, texts_fit

ROUTED = """\
frontend services
    acl url_go-demo8080 path_beg /demo
    use_backend go-demo-be8080 if url_go-demo8080
backend go-demo-be8080
    server go-demo go-demo:8080
"""
EMPTY = "frontend services\n    bind *:80\n"


def member(number: int, *, server: bool = False, status: int = 1) -> dict[str, object]:
    role = {"role": "consul" if server else "node"}
    return {"Addr": f"172.31.0.1{number}", "Tags": role, "Status": status}


MEMBERS = [member(1, server=True), member(2), member(3)]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Three proxies, of which one has the route; go-demo; util everywhere; Consul."""
    lab = Lab()
    tasks = [task("proxy", slot, f"swarm-{slot}") for slot in (1, 2, 3)]
    lab.add(service("proxy", 3), tasks)
    for one in tasks:
        engine = lab.engines[one["NodeID"].removeprefix("id-")]
        box = engine.boxes[one["Status"]["ContainerStatus"]["ContainerID"]]
        box.files["/cfg/haproxy.cfg"] = ROUTED if one["Slot"] == 1 else EMPTY
    lab.add(service("go-demo", 2), [task("go-demo", 1, "swarm-2")])
    lab.swarm.tasks.append(task("go-demo", 2, "swarm-3", state="preparing"))
    lab.add(service("util", None), [task("util", 0, name) for name in NODES])
    for name in NODES:
        lab.engines[name].boxes["consul"] = Container("/consul")
    lab.engines["swarm-3"].boxes["extra"] = Container("/by-hand")

    def reply(asked: Asked) -> Reply:
        return 200, json.dumps(MEMBERS).encode()

    with http_servers(lab, 8500, reply):
        yield lab


def test_everything_of_a_lab_is_seen(lab: Lab) -> None:
    seen = look(lab)
    assert (seen.name, seen.swarm) == ("unit", True)
    assert [one.role for one in seen.nodes] == ["leader", "manager", "manager"]
    assert [one.consul for one in seen.nodes] == [
        Consul("server"),
        Consul("agent"),
        Consul("agent"),
    ]
    assert seen.services == (("go-demo", 1, 2), ("proxy", 3, 3), ("util", 3, 3))
    first, second, third = seen.nodes
    assert [one.name for one in first.tasks] == ["proxy.1", "util"]
    assert first.tasks[0].routes == ("/demo -> go-demo:8080",)
    assert [one.name for one in second.tasks] == ["proxy.2", "go-demo.1", "util"]
    assert second.tasks[0].routes == ()
    assert [one.name for one in third.tasks if not one.running] == ["go-demo.2"]
    assert third.others == ("by-hand",) and not first.others
    hashes = [one.configuration for one in seen.proxies()]
    assert hashes[1] == hashes[2] != hashes[0]
    assert seen.hashes() == (hashes[0], hashes[1])


def test_text_and_drawing_say_the_same(lab: Lab) -> None:
    seen = look(lab)
    first, second = seen.hashes()
    lines = text(seen).split("\n")
    assert "swarm-1  172.31.0.11  manager, leader" in lines
    assert f"  proxy.1; configuration {first}; routes: /demo -> go-demo:8080" in lines
    assert f"  proxy.3; configuration {second}; no routes" in lines
    assert "  go-demo.2: does not run" in lines
    assert "  by-hand, not of Swarm" in lines
    assert lines[-2:] == [
        "Services (running of wanted): go-demo 1/2, proxy 3/3, util 3/3",
        "Managers: 3; 2 must agree, 1 may be lost; 3 reachable now",
    ]
    root = ET.fromstring(diagrams.live(lab))
    written = " ".join(str(one.text) for one in root.iter("{http://www.w3.org/2000/svg}text"))
    for word in (first, second, "manager, leader", "Consul server", "go-demo.1", "by-hand"):
        assert word in written
    assert [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")].count("B") == 3


def test_a_service_that_never_was_and_silent_consul() -> None:
    """Right after `swarmlab up`: managers and nothing else."""
    seen = look(Lab())
    assert all(one.consul is None and not one.tasks for one in seen.nodes)
    assert "The swarm has no services." in text(seen)
    assert text(seen).count("  no containers") == 3


def test_a_node_that_is_lost_is_said_to_be(lab: Lab) -> None:
    lab.engines["swarm-1"].alive = False
    lab.swarm.nodes = [
        node("swarm-1", Status={"State": "down"}, ManagerStatus={"Reachability": "unreachable"}),
        node("swarm-2", leader=True),
        node("swarm-3", Spec={"Availability": "drain", "Labels": {}}),
    ]
    seen = look(lab)
    assert not seen.nodes[0].answers
    assert not any(one.running for one in seen.nodes[0].tasks)
    assert [one.role for one in seen.nodes] == ["manager-lost", "leader", "manager"]
    lines = text(seen).split("\n")
    assert lines[1].endswith("manager, not reachable; state: down; engine does not answer")
    assert lines[4] != lines[1] and any("availability: drain" in line for line in lines)
    assert ("proxy", 2, 3) in seen.services
    assert lines[-1] == "Managers: 3; 2 must agree, 1 may be lost; 2 reachable now"


def test_workers_have_no_vote(lab: Lab) -> None:
    lab.managers = ("swarm-1",)
    lab.swarm.nodes[1:] = [node(name, ManagerStatus=None) for name in ("swarm-2", "swarm-3")]
    seen = look(lab)
    assert [one.role for one in seen.nodes] == ["leader", "worker", "worker"]
    assert seen.quorum() == Quorum(1, 1)
    assert "1 must agree, 0 may be lost; 1 reachable now" in text(seen)


def test_consul_as_its_members_see_one_another(lab: Lab) -> None:
    def reply(asked: Asked) -> Reply | None:
        failed = [member(1, server=True), member(2), member(3, status=4)]
        return (200, json.dumps(failed).encode()) if asked.node != "swarm-3" else None

    with http_servers(lab, 8500, reply):
        seen = look(lab)
    assert seen.nodes[2].consul == Consul("agent", alive=False, answers=False)
    said = "Consul agent; failed, as the others see it; nothing answers on port 8500"
    assert said in text(seen)
    assert seen.nodes[0].consul == Consul("server")


@pytest.mark.parametrize(
    "nonsense",
    [b"[" * 100_000, b"7", b"{}", b'[7, {"Addr": "172.31.0.13", "Tags": ["x"], "Status": 1}]'],
)
def test_whatever_answers_in_the_place_of_consul(lab: Lab, nonsense: bytes) -> None:
    def reply(asked: Asked) -> Reply | None:
        return 200, nonsense if asked.node == "swarm-1" else json.dumps(MEMBERS).encode()

    with http_servers(lab, 8500, reply):
        seen = look(lab)
    assert [one.consul.role if one.consul else "" for one in seen.nodes] == [
        "server",
        "agent",
        "agent",
    ]


def test_a_swarm_without_quorum_is_drawn_without_its_services(lab: Lab) -> None:
    for engine in lab.engines.values():
        engine.refusal = api_error(500, "rpc error: The swarm does not have a leader.")
    seen = look(lab)
    assert not seen.swarm and not seen.services
    assert "No manager answers for the swarm." in text(seen)
    assert "role not known now" in text(seen) and "not in the swarm" not in text(seen)
    for name in ("swarm-2", "swarm-3"):
        lab.engines[name].alive = False
    lost = "Managers: 3; 2 must agree, 1 reachable now: no quorum"
    assert text(look(lab)).endswith(lost)
    assert lost in text(look(lab)) and "法定人数" in text(look(lab), "zh")
    assert "no-swarm" not in draw(seen)


def test_a_proxy_without_configuration_is_said_to_have_none(lab: Lab) -> None:
    for box in lab.engines["swarm-2"].boxes.values():
        box.files.clear()
    assert "proxy.2; configuration cannot be read" in text(look(lab))


def test_nothing_that_answers_is_an_error() -> None:
    lab = Lab()
    for engine in lab.engines.values():
        engine.alive = False
    with pytest.raises(EnvironmentProblem, match="No node of the lab"):
        look(lab)


def crowd(nodes: int, proxies: int) -> Topology:
    """A lab larger than the chapter's, with every kind of trouble in it."""
    seen = []
    for number in range(1, nodes + 1):
        tasks = [
            Task(f"proxy.{slot}", "proxy", True, f"{slot % 3:012x}", ("/demo -> go-demo:8080",) * 2)
            for slot in range(number, proxies + 1, nodes)
        ]
        tasks.append(Task("go-demo-db.1", "go-demo-db", running=False))
        seen.append(
            Node(
                f"swarm-{number}",
                "172.31.255.254",
                number != 2,
                "leader" if number == 1 else "manager-lost",
                "down" if number == 2 else "ready",
                "drain" if number == 3 else "active",
                Consul("server" if number == 1 else "agent", number != 2, number != 2),
                tuple(tasks),
                ("go-demo (A)", "a-container-with-a-name"),
            )
        )
    services = tuple((f"service-{number}", number, 9) for number in range(12))
    return Topology(
        "a-name-of-20-letters",
        "2025-01-01 10:00:00 +0000",
        True,
        tuple(seen),
        services,
        (("proxy", (80, 443, 8080)), ("a-service-with-a-name", (30001, 30002))),
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("nodes", range(1, 8))
def test_labs_of_every_size_are_legible(nodes: int, language: str) -> None:
    seen = picture(diagram(crowd(nodes, 9), language), library(), language)
    texts_fit(seen)
    texts_apart(seen)
    parts_apart(seen)
    assert len([one for one in seen.placed if one.part.kind == "node"]) == nodes
    # Arrows lead from the mesh to every node, or to none where nodes need two rows.
    assert len(seen.drawn) == 1 + (nodes if nodes <= 3 else 0)


def test_each_of_many_configurations_has_a_letter_of_its_own() -> None:
    tasks = [Task(f"proxy.{n:02}", "proxy", True, f"{n:012x}") for n in range(1, 30)]
    node = Node("swarm-1", "172.31.0.11", True, "leader", tasks=tuple(tasks))
    many = Topology("many", "2025-01-01 10:00:00 +0000", True, (node,))
    letters = list(many.letters().values())
    assert letters[:2] + letters[25:28] == ["A", "B", "Z", "AA", "AB"]
    assert len(set(letters)) == len(many.hashes()) == 29
    assert "0000000001d" in draw(many)


def test_requests_enter_where_a_service_is_published(lab: Lab) -> None:
    before = draw(look(lab))
    assert "routing mesh" not in before
    raw = next(one for one in lab.swarm.services if one["Spec"]["Name"] == "proxy")
    raw["Endpoint"] = {
        "Ports": [
            {"PublishedPort": 8080, "PublishMode": "ingress"},
            {"PublishedPort": 80, "PublishMode": "ingress"},
            {"PublishedPort": 9, "PublishMode": "host"},
        ]
    }
    seen = look(lab)
    assert seen.published == (("proxy", (80, 8080)),)
    assert "Published on every node: proxy 80 8080" in text(seen).split("\n")
    after = draw(seen)
    assert "routing mesh: every node takes these ports" in after
    assert after.count("<path") > before.count("<path")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_live_words_are_there_in_each_language(lab: Lab, language: str) -> None:
    root = ET.fromstring(draw(look(lab), language))
    title = str(root[0].text)
    assert (
        title
        == {
            "en": "The lab unit as it is now",
            "zh": "实验环境 unit 的当前状态",
        }[language]
    )
    assert "{" not in ET.tostring(root, encoding="unicode")
