"""Faults on purpose, without an engine: what is refused, and what is said."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from swarmlab import naming, words
from swarmlab.cluster import cutting, fault_tasks, faults
from swarmlab.cluster.remains import read
from swarmlab.cluster.status import ClusterStatus, NodeStatus
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.handout.diagrams.seen import Consul, Node, Task, Topology
from swarmlab.report import faults as report

ENGINE: Any = SimpleNamespace()


def container(number: int, state: str = "running", status: str = "Up 3 minutes") -> dict[str, Any]:
    labels = {
        "swarmlab.role": "node",
        "swarmlab.node": f"swarm-{number}",
        "swarmlab.address": f"192.168.100.1{number}",
        "swarmlab.nodes": "3",
    }
    name = f"/swarmlab-unit-swarm-{number}"
    return {"Labels": labels, "State": state, "Status": status, "Names": [name]}


def site(*containers: dict[str, Any]) -> faults.Site:
    engine: Any = SimpleNamespace(client=SimpleNamespace(api=None))
    return faults.Site("unit", engine, read(containers or [container(n) for n in (1, 2, 3)]))


def standing(*lost: str, **more: Any) -> ClusterStatus:
    nodes = tuple(
        NodeStatus(f"swarm-{n}", "", "", answers=f"swarm-{n}" not in lost, **more)
        for n in (1, 2, 3)
    )
    return ClusterStatus("unit", True, nodes)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_LATE_SECONDS", 0.0)


def test_an_engine_that_is_only_late_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [standing("swarm-3"), standing("swarm-1"), standing()]
    monkeypatch.setattr(faults, "_LATE_SECONDS", 60.0)
    monkeypatch.setattr(faults, "inspect", lambda engine, name: looks.pop(0))
    assert site().guard("swarm-2", False) == ["swarm-1", "swarm-3"]
    assert looks == []


def test_a_node_that_is_stopped_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [standing("swarm-3")]
    monkeypatch.setattr(faults, "_LATE_SECONDS", 60.0)
    monkeypatch.setattr(faults, "inspect", lambda engine, name: looks.pop(0))
    at = site(container(1), container(2), container(3, "exited", "Exited (0)"))
    with pytest.raises(UsageError, match="1 of 3 managers"):
        at.guard("swarm-2", False)


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (standing(), False),
        (standing("swarm-2"), False),  # lost already: the swarm has done without it
        (standing("swarm-3"), True),
        (standing("swarm-1", "swarm-3"), True),
        (standing(cut=True), True),
        (standing(reachability="unreachable"), True),
    ],
)
def test_a_quorum_is_not_lost_by_accident(
    monkeypatch: pytest.MonkeyPatch, status: ClusterStatus, refused: bool
) -> None:
    monkeypatch.setattr(faults, "inspect", lambda engine, name: status)
    at = site()
    if not refused:
        assert len(at.guard("swarm-2", False)) == 2
        return
    assert at.guard("swarm-2", True) == []
    with pytest.raises(UsageError) as caught:
        at.guard("swarm-2", False)
    assert "--yes" in caught.value.hint and "needs 2" in caught.value.message


@pytest.mark.parametrize(
    ("lost", "others"),
    [
        ((), ["swarm-1", "swarm-2", "swarm-3"]),
        (("swarm-2", "swarm-4"), ["swarm-1", "swarm-3"]),
        (("swarm-1", "swarm-2"), []),  # lost before, and not by this
    ],
)
def test_a_worker_may_always_be_taken_and_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...], others: list[str]
) -> None:
    listed = [container(number) for number in range(1, 6)]
    for one in listed:
        one["Labels"] |= {"swarmlab.nodes": "5", "swarmlab.managers": "3"}
    nodes = tuple(
        NodeStatus(f"swarm-{n}", "", "", answers=f"swarm-{n}" not in lost) for n in range(1, 6)
    )
    monkeypatch.setattr(faults, "inspect", lambda engine, name: ClusterStatus("unit", True, nodes))
    at = site(*listed)
    assert at.guard("swarm-5", False) == others
    told = faults._lost(at, "swarm-5", others, "Done.")
    assert ("has no vote" in told.happens) == bool(others)
    if "swarm-2" in lost:
        with pytest.raises(UsageError, match="of 3 managers would be left"):
            at.guard("swarm-1", False)


def test_whoever_was_promoted_by_hand_has_a_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four managers three must agree: then no other may be taken while one is lost."""
    listed = [container(number) for number in range(1, 5)]
    for one in listed:
        one["Labels"] |= {"swarmlab.nodes": "4", "swarmlab.managers": "3"}
    nodes = tuple(
        NodeStatus(f"swarm-{n}", "", "", answers=n != 3, role="manager") for n in range(1, 5)
    )
    monkeypatch.setattr(faults, "inspect", lambda engine, name: ClusterStatus("unit", True, nodes))
    with pytest.raises(UsageError, match="2 of 4 managers would be left, and the swarm needs 3"):
        site(*listed).guard("swarm-4", False)


def test_strangers_missing_and_stopped_nodes_are_told_apart() -> None:
    at = site(container(1), container(2, "exited", "Exited (137) 1 second ago"))
    with pytest.raises(UsageError, match="no node 'swarm-4'"):
        at.running("swarm-4")
    with pytest.raises(EnvironmentProblem, match="container of swarm-3 is missing"):
        at.running("swarm-3")
    with pytest.raises(UsageError, match="swarm-2 is not running") as caught:
        at.running("swarm-2")
    assert "`swarmlab fault heal swarm-2`" in caught.value.hint


def test_a_node_cannot_be_cut_off_twice_nor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "is_cut", lambda *words: True)
    with pytest.raises(UsageError, match="cut off already"):
        faults.cut(site(), "swarm-2", True)
    alone = container(1)
    alone["Labels"]["swarmlab.nodes"] = "1"
    with pytest.raises(UsageError, match="no other node"):
        faults.cut(site(alone), "swarm-1", True)


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    words.use(request.param)
    naming.choose("monday")
    yield request.param
    words.use(words.MAIN)
    naming.choose(naming.DEFAULT)


def test_what_to_look_at_names_the_lab(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(report, "out", lambda: Console(file=file, width=60))
    fault = fault_tasks.Fault(
        "Done.", "It happens.", ("swarmlab status", "docker ps"), "swarmlab fault heal swarm-2"
    )
    report.fault_made(fault)
    report.healed([])
    lines = file.getvalue().splitlines()
    assert "    swarmlab status --name monday" in lines
    assert "    docker ps" in lines
    assert "    swarmlab fault heal swarm-2 --name monday" in lines
    assert ("There was nothing to heal." in lines) == (language == "en")


class Boxes:
    """The engines of a lab's nodes: the containers of each, and what is done to them."""

    nodes = ("swarm-1", "swarm-2", "swarm-3")
    name = "unit"

    def __init__(self, **on: list[dict[str, Any]]) -> None:
        self._on = on
        self.done: list[str] = []

    def engine(self, node: str) -> Any:
        def containers(all: bool) -> list[dict[str, Any]]:
            boxes = self._on.get(node.replace("-", "_"), [])
            return [box for box in boxes if all or box["State"] == "running"]

        kill = lambda box: self.done.append(f"kill {box}")  # noqa: E731
        stop = lambda box, timeout: self.done.append(f"stop {box}")  # noqa: E731
        return SimpleNamespace(api=SimpleNamespace(containers=containers, kill=kill, stop=stop))


def consul(state: str = "running", role: str = "-server ") -> dict[str, Any]:
    command = f"consul-entrypoint agent {role}-client=0.0.0.0"
    return {"Id": "c1", "Names": ["/consul"], "State": state, "Command": command}


def seen(*, silent: str = "", server: bool = True, proxy: bool = True) -> Topology:
    task = Task("proxy.1", "proxy", container="0123456789abcdef")
    nodes = (
        Node("swarm-1", "", silent != "swarm-1", "manager-lost", consul=Consul("server")),
        Node("swarm-2", "", silent != "swarm-2", "leader", tasks=(task,)),
        Node("swarm-3", "", silent != "swarm-3", "manager"),
    )
    if not server:
        nodes = (Node("swarm-1", "", silent != "swarm-1", "manager"), *nodes[1:])
    return Topology("unit", "", True, nodes, services=(("proxy", 1, 1),) if proxy else ())


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A lab of which `look` sees what is handed in, with those boxes on its nodes."""

    def put(what: Topology, boxes: Boxes) -> None:
        monkeypatch.setattr(fault_tasks, "_cluster", lambda name: nullcontext(boxes))
        monkeypatch.setattr(fault_tasks, "look", lambda cluster: what)

    return put


@pytest.mark.parametrize(
    ("boxes", "silent", "message", "hint"),
    [
        ({"swarm_1": [consul("exited")]}, "", "on swarm-1 is stopped already", "heal --all"),
        ({"swarm_2": [consul("exited", "")]}, "", "No Consul server runs", "step 4"),
        ({}, "swarm-1", "No Consul server runs", "heal --all"),
        ({}, "", "No Consul server runs", "step 4"),
    ],
)
def test_a_consul_server_that_is_stopped_is_not_to_be_made_anew(
    stage: Any, boxes: dict[str, Any], silent: str, message: str, hint: str
) -> None:
    stage(seen(silent=silent, server=False), Boxes(**boxes))
    with pytest.raises(UsageError, match=message) as caught:
        fault_tasks.consul_server("unit")
    assert f"`swarmlab {hint}`".replace("heal", "fault heal") in caught.value.hint


def test_what_to_look_at_works_as_it_is_typed(monkeypatch: pytest.MonkeyPatch, stage: Any) -> None:
    """In a fresh workstation docker has no engine: each command names a node that it asks."""
    boxes = Boxes(swarm_1=[consul()])
    stage(seen(), boxes)
    made = [fault_tasks.kill("unit", "proxy.1"), fault_tasks.consul_server("unit")]
    stage(seen(proxy=False), boxes)
    alone = fault_tasks.consul_server("unit")
    assert "proxy" not in "".join(alone.look)
    assert boxes.done == ["kill 0123456789abcdef", "stop c1", "stop c1"]

    at = site()
    monkeypatch.setattr(faults, "_begin", lambda *words: None)
    stopped = site(container(1), container(2, "exited"), container(3))
    made += [
        alone,
        faults._lost(at, "swarm-1", ["swarm-2", "swarm-3"], "Done."),
        faults._lost(at, "swarm-1", [], "Done."),
        faults.start(stopped, "swarm-2", ENGINE),
    ]
    provider = SimpleNamespace(borrowed=False, adopt=lambda: None, address=lambda node: node)
    monkeypatch.setattr(at, "provider", provider)
    monkeypatch.setattr(at, "lookout", lambda node: None)
    monkeypatch.setattr(at, "guard", lambda node, sure: ["swarm-1", "swarm-3"])
    monkeypatch.setattr(cutting, "is_cut", lambda *words: False)
    monkeypatch.setattr(cutting, "cut", lambda *words: None)
    made.append(faults.cut(at, "swarm-2", False))

    typed = [command for fault in made for command in fault.look]
    asked = re.compile(r"\(eval \$\(docker-machine env swarm-[123]\); docker [a-z -]+.*\)")
    assert [
        c for c in typed if not c.startswith(("swarmlab ", "curl ")) and not asked.match(c)
    ] == []
    assert sum("docker" in command for command in typed) == 7
    # Not the node that is lost, nor a manager that nobody reaches.
    for fault in made[:1] + made[3:6]:
        assert not any("env swarm-1" in command for command in fault.look) or fault is made[5]
