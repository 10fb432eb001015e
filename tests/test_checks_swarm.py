"""Checks of the swarm and of services: true, false, and impossible to look."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from docker.errors import APIError

from swarmlab.checks import CHECKS
from swarmlab.checks.base import Finding
from tests.checks_fakes import DEMO_NET, PROXY_NET, Container, Lab, api_error, node, service, task


@pytest.fixture
def lab() -> Lab:
    return Lab()


def check(lab: Lab, which: str, /, **params: Any) -> Finding:
    return CHECKS[which](lab, **params)


def proxies(lab: Lab, running: int = 3, wanted: int = 3, **box: Any) -> None:
    state = {"Running": True, "Status": "running", "Health": {"Status": "healthy"}}
    tasks = [
        task("proxy", slot, f"swarm-{slot}", networks={PROXY_NET: f"10.0.1.{slot}"})
        for slot in range(1, running + 1)
    ]
    raw = service("proxy", wanted, ports=(80, 443, 8080), env=("MODE=swarm", "A=x=y"))
    lab.add(raw, tasks, **{"state": state, **box})


# Every check that asks managers errors when an engine is gone, and fails without a swarm.

ASKING: dict[str, dict[str, Any]] = {
    "swarm.nodes": {},
    "swarm.quorum": {},
    "swarm.label": {"name": "env", "value": "prod"},
    "swarm.same_view": {},
    "swarm.network": {"name": "proxy"},
    "swarm.absent": {"networks": ["proxy"]},
    "swarm.service": {"name": "proxy"},
    "swarm.attached": {"service": "proxy", "networks": ["proxy"]},
    "swarm.environment": {"service": "proxy", "name": "MODE", "value_pattern": "swarm"},
    "swarm.healed": {"service": "proxy", "slot": 1},
    "proxy.addresses": {"service": "proxy", "name": "CONSUL_ADDRESS", "port": 8500},
    "swarm.volume": {"service": "go-demo-db", "name": "data", "path": "/data/db"},
}


@pytest.mark.parametrize("name", ASKING)
def test_engine_gone_is_not_the_students(lab: Lab, name: str) -> None:
    for engine in lab.engines.values():
        engine.alive = False
    with pytest.raises(requests.ConnectionError):
        check(lab, name, **ASKING[name])


ONE_MANAGER = sorted(set(ASKING) - {"swarm.nodes", "swarm.same_view"})


@pytest.mark.parametrize("name", ONE_MANAGER)
def test_a_manager_that_is_down_is_not_the_one_to_ask(lab: Lab, name: str) -> None:
    """The next is asked, and says what the first would have said; a worker is passed over, too."""
    lab.swarm.networks = [{"Name": "proxy", "Driver": "overlay", "Scope": "swarm"}]
    healthy = check(lab, name, **ASKING[name])
    lab.engines["swarm-1"].alive = False
    lab.engines["swarm-2"].manager = False
    assert check(lab, name, **ASKING[name]) == healthy


@pytest.mark.parametrize("name", ONE_MANAGER)
def test_a_node_that_is_down_may_be_the_manager(lab: Lab, name: str) -> None:
    """Nobody can tell, so it is not the student's."""
    lab.engines["swarm-1"].manager = False
    lab.engines["swarm-2"].alive = False
    lab.engines["swarm-3"].manager = False
    with pytest.raises(requests.ConnectionError):
        check(lab, name, **ASKING[name])


def test_an_engine_that_answers_wrongly_is_not_passed_over(lab: Lab) -> None:
    lab.engines["swarm-1"].refusal = api_error(500, "database is corrupt")
    with pytest.raises(APIError, match="corrupt"):
        check(lab, "swarm.service", name="proxy")


@pytest.mark.parametrize("name", ASKING)
def test_no_swarm_is_a_finding(lab: Lab, name: str) -> None:
    for engine in lab.engines.values():
        engine.manager = False
    found = check(lab, name, **ASKING[name])
    assert not found.passed
    assert "not a swarm manager" in found.actual


@pytest.mark.parametrize("name", ASKING)
def test_an_engine_error_is_not_the_students(lab: Lab, name: str) -> None:
    for engine in lab.engines.values():
        engine.refusal = api_error(500, "disk full")
    with pytest.raises(APIError):
        check(lab, name, **ASKING[name])


def test_lost_quorum_is_a_finding(lab: Lab) -> None:
    for engine in lab.engines.values():
        engine.refusal = api_error(
            500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's ..."
        )
    found = check(lab, "swarm.nodes")
    assert not found.passed
    assert "does not have a leader" in found.actual


def test_a_frozen_manager_is_waited_for_once(lab: Lab) -> None:
    """Each look would take its whole time limit before it asked the next one."""
    first = lab.engines["swarm-1"]
    first.frozen = True
    for _ in range(3):
        assert check(lab, "swarm.quorum", managers=3, needed=2).passed
    assert first.waits == 1
    # Where nobody else answers, it is asked all the same.
    for other in ("swarm-2", "swarm-3"):
        lab.engines[other].alive = False
    first.frozen = False
    assert check(lab, "swarm.quorum", managers=3, needed=2).passed


# swarm.nodes, quorum, label, same_view


def test_nodes(lab: Lab) -> None:
    found = check(lab, "swarm.nodes", ready=3, leaders=1, reachable=2)
    assert found.passed
    assert "3 ready and active, 1 leader, 2 reachable" in found.actual


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Spec": {"Availability": "drain"}}, "swarm-3 is drain"),
        ({"Status": {"State": "down"}}, "swarm-3 is down"),
        ({"ManagerStatus": None}, "swarm-3 is worker"),
        ({"ManagerStatus": {"Reachability": "unreachable"}}, "swarm-3 is unreachable"),
    ],
)
def test_nodes_not_as_they_should_be(lab: Lab, change: dict[str, Any], words: str) -> None:
    lab.swarm.nodes[2] = node("swarm-3", **change)
    found = check(lab, "swarm.nodes")
    assert not found.passed
    assert words in found.actual


def test_nodes_from_every_node(lab: Lab) -> None:
    lab.engines["swarm-2"].manager = False
    found = check(lab, "swarm.nodes")
    assert not found.passed
    assert "swarm-2 does not answer as a manager" in found.actual


def with_workers(lab: Lab) -> None:
    """One manager and two workers, in a lab that was made so."""
    lab.managers = ("swarm-1",)
    lab.swarm.nodes[1:] = [node(name, ManagerStatus=None) for name in ("swarm-2", "swarm-3")]
    for name in ("swarm-2", "swarm-3"):
        lab.engines[name].manager = False


def test_workers_are_ready_and_have_no_vote(lab: Lab) -> None:
    with_workers(lab)
    found = check(lab, "swarm.nodes")
    assert found.passed, found.actual
    assert "swarm-1 each see 3 ready and active, 1 leader, 0 reachable" in found.actual
    assert check(lab, "swarm.quorum").actual.startswith("1 manager, of which 1 are a quorum")
    view = check(lab, "swarm.same_view")
    assert view.passed
    assert "swarm-2" not in view.source


def test_a_promoted_worker_is_not_as_it_should_be(lab: Lab) -> None:
    with_workers(lab)
    lab.swarm.nodes[1] = node("swarm-2")
    found = check(lab, "swarm.nodes")
    assert not found.passed
    assert "1 reachable (swarm-2 is manager)" in found.actual
    assert not check(lab, "swarm.quorum").passed


def test_a_lost_worker_is_not_as_it_should_be(lab: Lab) -> None:
    with_workers(lab)
    lab.swarm.nodes[2]["Status"]["State"] = "down"
    found = check(lab, "swarm.nodes")
    assert not found.passed
    assert "2 ready and active" in found.actual and "swarm-3 is down" in found.actual


def test_workers_are_not_blamed_where_no_manager_answers(lab: Lab) -> None:
    with_workers(lab)
    lab.engines["swarm-1"].manager = False
    found = check(lab, "swarm.quorum")
    assert "swarm-1 does not answer" in found.actual
    assert "swarm-2" not in found.actual


def test_quorum(lab: Lab) -> None:
    assert check(lab, "swarm.quorum", managers=3, needed=2).passed
    lab.swarm.nodes[2]["ManagerStatus"] = None
    found = check(lab, "swarm.quorum", managers=3, needed=2)
    assert not found.passed
    assert found.actual.startswith("2 managers")


def test_quorum_lost(lab: Lab) -> None:
    for raw in lab.swarm.nodes[1:]:
        raw["ManagerStatus"] = {"Reachability": "unreachable"}
    assert not check(lab, "swarm.quorum", managers=3, needed=2).passed


def test_label_of_engine_or_node(lab: Lab) -> None:
    lab.swarm.nodes[1]["Description"]["Engine"]["Labels"] = {}
    lab.swarm.nodes[1]["Spec"]["Labels"] = {"env": "prod"}
    found = check(lab, "swarm.label", name="env", value="prod")
    assert found.passed
    assert "engine and node label" in found.actual


@pytest.mark.parametrize("labels", [{}, {"env": "test"}])
def test_label_missing_or_other(lab: Lab, labels: dict[str, str]) -> None:
    lab.swarm.nodes[1]["Description"]["Engine"]["Labels"] = labels
    found = check(lab, "swarm.label", name="env", value="prod")
    assert not found.passed
    assert "swarm-2 has" in found.actual


def test_same_view(lab: Lab) -> None:
    proxies(lab)
    found = check(lab, "swarm.same_view")
    assert found.passed
    assert "1 service: proxy (version 10)" in found.actual


def test_same_view_differs(lab: Lab) -> None:
    proxies(lab)
    lab.engines["swarm-3"].services_here = [{**lab.swarm.services[0], "Version": {"Index": 9}}]
    found = check(lab, "swarm.same_view")
    assert not found.passed
    assert "version 9" in found.actual


# swarm.network, attached, environment, absent


def test_network(lab: Lab) -> None:
    lab.swarm.networks = [{"Name": "proxy", "Driver": "overlay", "Scope": "swarm"}]
    assert check(lab, "swarm.network", name="proxy").passed


@pytest.mark.parametrize(
    "network",
    [
        {"Name": "proxy-old", "Driver": "overlay", "Scope": "swarm"},
        {"Name": "proxy", "Driver": "bridge", "Scope": "local"},
        {"Name": "proxy", "Driver": "macvlan", "Scope": "swarm"},
    ],
)
def test_network_other(lab: Lab, network: dict[str, str]) -> None:
    lab.swarm.networks = [network]
    assert not check(lab, "swarm.network", name="proxy").passed


def test_attached(lab: Lab) -> None:
    both = {PROXY_NET: "10.0.1.9", DEMO_NET: "10.0.2.9", "net-ingress": "10.0.0.9"}
    lab.add(service("go-demo", 1), [task("go-demo", 1, "swarm-2", networks=both)])
    assert check(lab, "swarm.attached", service="go-demo", networks=["go-demo", "proxy"]).passed
    found = check(lab, "swarm.attached", service="go-demo", networks=["go-demo"])
    assert not found.passed
    assert "go-demo.1 is on go-demo and proxy" in found.actual


def test_environment(lab: Lab) -> None:
    proxies(lab)
    params = {"service": "proxy", "name": "MODE"}
    assert check(lab, "swarm.environment", **params, value_pattern="swarm|service").passed
    assert not check(lab, "swarm.environment", **params, value_pattern="war").passed
    assert check(lab, "swarm.environment", service="proxy", name="A", value_pattern="x=y").passed
    missing = check(lab, "swarm.environment", service="proxy", name="DB", value_pattern=".*")
    assert not missing.passed
    assert missing.actual == "proxy has no DB (it has A and MODE)"


def told(lab: Lab, value: str | None) -> Finding:
    """The check of CONSUL_ADDRESS on a proxy with that value (None: without the variable)."""
    env = ("MODE=swarm",) if value is None else ("MODE=swarm", f"CONSUL_ADDRESS={value}")
    lab.add(service("proxy", 1, env=env), [])
    return check(lab, "proxy.addresses", service="proxy", name="CONSUL_ADDRESS", port=8500)


ALL = "172.31.0.11:8500,172.31.0.12:8500,172.31.0.13:8500"


@pytest.mark.parametrize(
    "value",
    [ALL, ALL.replace("172", "http://172"), ",".join(reversed(ALL.split(",")))],
)
def test_addresses(lab: Lab, value: str) -> None:
    found = told(lab, value)
    assert found.passed, found.actual


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "proxy has no CONSUL_ADDRESS"),
        ("", "'' is no node's address with port 8500"),
        (ALL.replace(",", ", "), "white space between the addresses"),
        (f" {ALL}", "white space"),
        ("172.31.0.11:8500", "the address of swarm-2 and swarm-3 is missing"),
        (",".join(["172.31.0.11:8500"] * 3), "the address of swarm-2 and swarm-3 is missing"),
        (ALL.replace("13:8500", "13:8300"), "'172.31.0.13:8300' is no node's address"),
        (f"{ALL},127.0.0.1:8500", "'127.0.0.1:8500' is no node's address"),
        (f"{ALL},", "'' is no node's address"),
        (ALL.replace(",", ";"), "is no node's address"),
    ],
)
def test_other_addresses(lab: Lab, value: str | None, words: str) -> None:
    found = told(lab, value)
    assert not found.passed
    assert words in found.actual


def test_addresses_of_some_nodes(lab: Lab) -> None:
    lab.add(service("proxy", 1, env=(f"CONSUL_ADDRESS={ALL}",)), [])
    params = {"service": "proxy", "name": "CONSUL_ADDRESS", "port": 8500}
    found = check(lab, "proxy.addresses", **params, nodes=["swarm-1", "swarm-2"])
    assert not found.passed
    assert found.actual.endswith("the address of swarm-3 is one too many")
    lab.swarm.services.clear()
    two = ALL.rpartition(",")[0]
    lab.add(service("proxy", 1, env=(f"CONSUL_ADDRESS={two}",)), [])
    assert check(lab, "proxy.addresses", **params, nodes=["swarm-1", "swarm-2"]).passed
    assert not check(lab, "proxy.addresses", **params).passed


@pytest.mark.parametrize(
    ("mounts", "right", "words"),
    [
        ([{"Type": "volume", "Source": "data", "Target": "/data/db"}], True, "data at /data/db"),
        ([{"Type": "volume", "Source": "data", "Target": "/data"}], False, "data at /data"),
        ([{"Type": "volume", "Source": "dat", "Target": "/data/db"}], False, "dat at /data/db"),
        ([{"Type": "volume", "Target": "/data/db"}], False, "a volume without a name at /data/db"),
        (None, False, "db has no volume"),
    ],
)
def test_volume_of_a_service(
    lab: Lab, mounts: list[dict[str, str]] | None, right: bool, words: str
) -> None:
    raw = service("db", 1)
    raw["Spec"]["TaskTemplate"]["ContainerSpec"]["Mounts"] = mounts
    lab.add(raw, [])
    found = check(lab, "swarm.volume", service="db", name="data", path="/data/db")
    assert (found.passed, found.actual) == (right, words)


def test_absent(lab: Lab) -> None:
    params = {"services": ["proxy", "util"], "networks": ["proxy"]}
    assert check(lab, "swarm.absent", **params).passed
    proxies(lab)
    lab.swarm.networks = [{"Name": "proxy", "Driver": "overlay", "Scope": "swarm"}]
    found = check(lab, "swarm.absent", **params)
    assert not found.passed
    assert found.actual == "service proxy is there; network proxy is there"


def test_absent_while_a_container_still_runs(lab: Lab) -> None:
    proxies(lab)
    lab.swarm.services.clear()
    found = check(lab, "swarm.absent", services=["proxy"])
    assert not found.passed
    assert "a container of proxy still runs on swarm-2" in found.actual


# swarm.service


def test_service(lab: Lab) -> None:
    proxies(lab)
    lab.swarm.tasks.append(task("proxy", 1, "swarm-1", state="shutdown", desired="shutdown"))
    lab.swarm.tasks.append(task("proxy", 4, "swarm-1", state="running", desired="remove"))
    found = check(
        lab,
        "swarm.service",
        name="proxy",
        replicas=3,
        image="swarmlab/thing:1.0",
        healthy=True,
        ports=[8080, 80, 443],
    )
    assert found.passed
    assert found.actual == (
        "3 of 3 tasks running, all healthy (1 on swarm-1, 1 on swarm-2, 1 on swarm-3)"
    )


def test_service_by_its_whole_name(lab: Lab) -> None:
    lab.add(service("go-demo-db", 1), [task("go-demo-db", 1, "swarm-1")])
    found = check(lab, "swarm.service", name="go-demo", replicas=1)
    assert not found.passed
    assert found.actual == "there is no service go-demo"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"replicas": 2}, "3 wanted by the service"),
        ({"replicas": 3, "mode": "global"}, "service proxy is replicated"),
        ({"image": "swarmlab/thing:1.1"}, "the service has image swarmlab/thing:1.0"),
        ({"ports": [80]}, "published ports: 80, 443 and 8080"),
        ({"ports": []}, "published ports: 80, 443 and 8080"),
    ],
)
def test_service_not_as_it_should_be(lab: Lab, params: dict[str, Any], words: str) -> None:
    proxies(lab)
    found = check(lab, "swarm.service", name="proxy", **params)
    assert not found.passed
    assert words in found.actual


def test_service_that_does_not_run_whole(lab: Lab) -> None:
    proxies(lab, running=2)
    lab.swarm.tasks.append(task("proxy", 3, "swarm-3", state="starting"))
    lab.swarm.tasks.append(
        task("proxy", 3, "swarm-3", state="failed", desired="shutdown", err="non-zero exit (1)")
    )
    found = check(lab, "swarm.service", name="proxy", replicas=3)
    assert not found.passed
    assert found.actual == ("2 of 3 tasks running (1 starting; last error: non-zero exit (1))")


def test_a_task_of_a_lost_node_is_not_counted(lab: Lab) -> None:
    """What the check sees; that nobody has to answer for it is in test_lost."""
    proxies(lab)
    lab.swarm.nodes[2]["Status"]["State"] = "down"
    assert "2 of 3 tasks running" in check(lab, "swarm.service", name="proxy").actual


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"Running": True, "Status": "running"}, "without a HEALTHCHECK"),
        ({"Running": True, "Status": "running", "Health": {"Status": "starting"}}, "is starting"),
        ({"Running": False, "Status": "exited", "Health": {"Status": "healthy"}}, "is exited"),
    ],
)
def test_service_unhealthy(lab: Lab, state: dict[str, Any], words: str) -> None:
    proxies(lab)
    lab.engines["swarm-2"].boxes["proxy-2-swarm-2"].state = state
    found = check(lab, "swarm.service", name="proxy", healthy=True)
    assert not found.passed
    assert "proxy.2 on swarm-2" in found.actual
    assert words in found.actual
    assert check(lab, "swarm.service", name="proxy").passed


def test_service_whose_container_is_gone(lab: Lab) -> None:
    proxies(lab)
    lab.engines["swarm-2"].boxes.clear()
    found = check(lab, "swarm.service", name="proxy", healthy=True)
    assert not found.passed
    assert "without its container" in found.actual


def test_service_health_needs_the_engine_of_the_node(lab: Lab) -> None:
    proxies(lab)
    lab.engines["swarm-3"].alive = False
    with pytest.raises(requests.ConnectionError):
        check(lab, "swarm.service", name="proxy", healthy=True)


def test_global_service(lab: Lab) -> None:
    lab.add(service("util", None), [task("util", 0, f"swarm-{n}") for n in (1, 2, 3)])
    assert check(lab, "swarm.service", name="util", mode="global").passed
    assert not check(lab, "swarm.service", name="util", replicas=3).passed
    lab.swarm.tasks[1]["Status"]["State"] = "preparing"
    found = check(lab, "swarm.service", name="util", mode="global")
    assert not found.passed
    assert found.actual == "0 tasks running on swarm-2 (1 preparing)"


# swarm.healed


def healing(lab: Lab) -> None:
    lab.add(
        service("proxy", 6),
        [
            task(
                "proxy",
                6,
                "swarm-3",
                created="2025-01-01T10:05:00Z",
                at="2025-01-01T10:05:07.75Z",
            ),
            task(
                "proxy",
                6,
                "swarm-2",
                state="failed",
                desired="shutdown",
                err="task: non-zero exit (137)",
                at="2025-01-01T10:05:00.25Z",
            ),
        ],
    )


def test_healed(lab: Lab) -> None:
    healing(lab)
    found = check(lab, "swarm.healed", service="proxy", slot=6)
    assert found.passed
    assert "7.5 s after" in found.actual
    assert "on swarm-2 (failed: task: non-zero exit (137))" in found.actual


def test_healed_without_a_fall(lab: Lab) -> None:
    healing(lab)
    fallen = lab.swarm.tasks.pop(1)
    found = check(lab, "swarm.healed", service="proxy", slot=6)
    assert not found.passed
    assert "still its first task" in found.actual
    assert found.actual.endswith("; no task of proxy has failed")
    # Another one was killed: which, and where, tells the student what went wrong.
    lab.swarm.tasks.append({**fallen, "Slot": 4})
    found = check(lab, "swarm.healed", service="proxy", slot=6)
    assert not found.passed
    assert found.actual.endswith("; what failed is proxy.4 on swarm-2")
    # The history of one slot would not show the others.
    assert found.source == "docker service ps proxy"
    found = check(lab, "swarm.healed", service="proxy", slot=6, killed=True)
    assert found.actual.endswith("; what was killed is proxy.4 on swarm-2")
    lab.swarm.tasks[-1]["Status"]["Err"] = "task: non-zero exit (1)"
    found = check(lab, "swarm.healed", service="proxy", slot=6, killed=True)
    assert found.actual.endswith("; no task of proxy was killed")


@pytest.mark.parametrize(
    "change",
    [
        {"CreatedAt": "2025-01-01T10:09:00Z"},
        {"Status": {"State": "rejected", "Timestamp": "2025-01-01T10:05:00Z"}},
        {"Slot": 5},
    ],
)
def test_healed_by_a_task_that_took_no_place(lab: Lab, change: dict[str, Any]) -> None:
    healing(lab)
    lab.swarm.tasks[1].update(change)
    assert not check(lab, "swarm.healed", service="proxy", slot=6).passed


@pytest.mark.parametrize("state", ["complete", "shutdown"])
def test_healed_of_a_task_that_did_not_fail(lab: Lab, state: str) -> None:
    healing(lab)
    lab.swarm.tasks[1]["Status"]["State"] = state
    assert check(lab, "swarm.healed", service="proxy", slot=6).passed
    found = check(lab, "swarm.healed", service="proxy", slot=6, killed=True)
    assert not found.passed
    assert found.actual == f"the task before proxy.6 did not fail: it ended as {state}"


def test_fallen_before_it_was_shut_down(lab: Lab) -> None:
    healing(lab)
    later = task("proxy", 6, "swarm-1", state="shutdown", created="2025-01-01T10:03:00Z")
    lab.swarm.tasks.append(later)
    found = check(lab, "swarm.healed", service="proxy", slot=6, killed=True)
    assert found.passed
    assert "(failed: task: non-zero exit (137))" in found.actual


@pytest.mark.parametrize(
    ("status", "killed"),
    [
        ({"Err": "task: non-zero exit (137)"}, True),
        ({"Err": "task: non-zero exit (137)", "ContainerStatus": {"ExitCode": 137}}, True),
        ({"Err": "No such container: proxy.6.x"}, True),
        ({"Err": "task: non-zero exit (1)", "ContainerStatus": {"ExitCode": 1}}, False),
        ({"Err": "task: non-zero exit (143)"}, False),
        ({"Err": "task: non-zero exit (137): dockerexec: unhealthy container"}, False),
        ({"Err": "starting container failed: no space left on device"}, False),
    ],
)
def test_killed_is_more_than_failed(lab: Lab, status: dict[str, Any], killed: bool) -> None:
    """Who could not restore for a while (no Consul) has failed tasks, and has killed nothing."""
    healing(lab)
    told = lab.swarm.tasks[1]["Status"]
    told["Err"] = status["Err"]
    told["ContainerStatus"].update(status.get("ContainerStatus", {}))
    assert check(lab, "swarm.healed", service="proxy", slot=6).passed
    found = check(lab, "swarm.healed", service="proxy", slot=6, killed=True)
    assert found.passed == killed
    if not killed:
        assert "the task before proxy.6 was not killed" in found.actual
        assert status["Err"] in found.actual


def test_not_yet_healed(lab: Lab) -> None:
    healing(lab)
    lab.swarm.tasks[0]["Status"]["State"] = "ready"
    found = check(lab, "swarm.healed", service="proxy", slot=6)
    assert not found.passed
    assert "no task runs in slot 6" in found.actual


# engines, host


def box(state: str = "running", **other: Any) -> Container:
    return Container(state={"Running": state == "running", "Status": state}, **other)


def test_containers(lab: Lab) -> None:
    mark = {"naive": "a"}
    lab.engines["swarm-1"].boxes = {"1": box(labels=mark), "2": box("exited", labels=mark)}
    lab.engines["swarm-2"].boxes = {"3": box(labels=mark), "4": box(labels={"naive": "b"})}
    look = {"label": "naive=a"}
    assert check(lab, "engines.containers", count=2, **look).passed
    assert check(lab, "engines.containers", count=3, running=False, **look).passed
    assert check(lab, "engines.containers", count=3, label="naive").passed
    assert not check(lab, "engines.containers", count=3, **look).passed
    spread = {"swarm-1": 1, "swarm-2": 1, "swarm-3": 0}
    assert check(lab, "engines.containers", count=2, per_node=spread, **look).passed
    found = check(lab, "engines.containers", count=2, per_node={"swarm-1": 2}, **look)
    assert not found.passed
    assert found.actual == "2 containers (swarm-1: thing; swarm-2: thing; swarm-3: none)"


def test_containers_of_an_image(lab: Lab) -> None:
    lab.engines["swarm-1"].boxes = {"1": box(image="a:1"), "2": box(image="a:10")}
    assert check(lab, "engines.containers", count=1, image="a:1").passed
    assert not check(lab, "engines.containers", count=2, image="a:1").passed


def test_volume_absent(lab: Lab) -> None:
    lab.engines["swarm-2"].volume_names = ["registry-old"]
    assert check(lab, "engines.volume_absent", name="registry").passed
    lab.engines["swarm-2"].volume_names = ["registry"]
    found = check(lab, "engines.volume_absent", name="registry")
    assert not found.passed
    assert found.actual == "volume registry is on swarm-2"


@pytest.mark.parametrize(
    ("name", "params"), [("containers", {"count": 0}), ("volume_absent", {"name": "registry"})]
)
def test_engines_gone(lab: Lab, name: str, params: dict[str, Any]) -> None:
    lab.engines["swarm-3"].alive = False
    with pytest.raises(requests.ConnectionError):
        check(lab, f"engines.{name}", **params)


def test_host_clean(lab: Lab) -> None:
    assert check(lab, "host.clean").passed
    lab.host.boxes = {"1": box(name="/swarmlab-unit-swarm-1", labels={"swarmlab.lab": "unit"})}
    lab.host.volume_names = ["swarmlab-unit-swarm-1"]
    found = check(lab, "host.clean")
    assert not found.passed
    assert found.actual == "container swarmlab-unit-swarm-1; volume swarmlab-unit-swarm-1"


def test_host_clean_looks_for_nodes_that_are_elsewhere(lab: Lab) -> None:
    lab.machines = ("swarm-3",)
    found = check(lab, "host.clean")
    assert not found.passed
    assert found.actual == "node swarm-3"


def test_host_engine_gone(lab: Lab) -> None:
    lab.host.alive = False
    with pytest.raises(Exception, match="engine is gone"):
        check(lab, "host.clean")
