"""A snapshot of a cluster keeps what somebody chose and leaves out what is new each time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from swarmlab import words
from swarmlab.authoring import looks, snapshot
from swarmlab.checks.base import World
from swarmlab.checks.web import Answer
from swarmlab.errors import EnvironmentProblem
from tests.exec_fakes import Execs

Raw = dict[str, Any]


def cluster(token: str) -> Raw:
    """One cluster as its engines tell it; `token` is in all that differs from time to time."""
    network = {"Driver": "overlay", "Internal": False, "Attachable": False, "Ingress": False}
    return {
        "manager": True,
        "settings": {"Orchestration": {"TaskHistoryRetentionLimit": 5}},
        "nodes": [
            {
                "ID": f"node-{token}",
                "Version": {"Index": len(token)},
                "Spec": {"Role": "manager", "Availability": "active", "Labels": {"env": "prod"}},
                "Description": {"Hostname": "swarm-1"},
                "Status": {"State": "ready"},
                "ManagerStatus": {"Reachability": "reachable", "Leader": token == "a"},
            }
        ],
        "networks": [
            {
                "Id": f"net-{token}", "Name": "proxy", "Scope": "swarm", "Labels": None,
                "IPAM": {"Config": [{"Subnet": f"10.0.{len(token)}.0/24"}]}, **network,
            },
            {"Id": f"bridge-{token}", "Name": "bridge", "Scope": "local"},
        ],
        "services": [
            {
                "ID": f"service-{token}",
                "Spec": {
                    "Name": "proxy",
                    "Mode": {"Replicated": {"Replicas": 2}},
                    "TaskTemplate": {
                        "ContainerSpec": {"Image": "swarmlab/flow-proxy:1.0"},
                        "Networks": [{"Target": f"net-{token}"}],
                        "ForceUpdate": len(token),
                    },
                },
            }
        ],
        "tasks": [
            {"ServiceID": f"service-{token}", "DesiredState": state}
            for state in ("running", "running", "shutdown")
        ],
        "containers": [
            box(f"proxy.1.{token}", service="proxy", health="healthy"),
            box(f"proxy.2.{token}", service="proxy", health="healthy"),
            box(f"proxy.2.old{token}", service="proxy", running=False),
            box("consul", Cmd=["agent", "-server"]),
            box("silly_meitner" if token == "a" else "brave_wescoff", Cmd=["go-demo"]),
        ],
        "volumes": [{"Name": "go-demo-db"}, {"Name": ("0" if token == "a" else "f") * 64}],
        "consul": [{"Key": "msg1", "Value": "aGk=", "Flags": 0, "ModifyIndex": len(token)}],
    }  # fmt: skip


def box(
    name: str, *, service: str = "", running: bool = True, health: str = "", **config: Any
) -> Raw:
    labels = {looks.SERVICE: service} if service else {"com.docker.compose.config-hash": name}
    state = {"Running": running, "Status": "running" if running else "exited"}
    return {
        "Id": name,
        "Name": f"/{name}",
        "State": {**state, "Health": {"Status": health}} if health else state,
        "Config": {"Image": "an/image", "Labels": labels, **config},
        "HostConfig": {"NetworkMode": "host"},
    }


class Api(Execs):
    """An engine's API, as far as a snapshot asks it."""

    def __init__(self, told: Raw) -> None:
        self._told = told
        self.asked = 0

    def info(self) -> Raw:
        return {"Swarm": {"ControlAvailable": self._told["manager"]}}

    def inspect_swarm(self) -> Raw:
        return {"Spec": self._told["settings"]}

    def containers(self, all: bool) -> list[Raw]:
        assert all
        return [{"Id": one["Id"]} for one in self._told["containers"]]

    def inspect_container(self, id: str) -> Raw:
        found: Raw = next(one for one in self._told["containers"] if one["Id"] == id)
        return found

    def volumes(self) -> Raw:
        return {"Volumes": self._told["volumes"]}

    def secrets(self) -> list[Raw]:
        return []

    configs = secrets

    def exec_create(self, container: str, command: list[str]) -> Raw:
        assert container == "swarmlab-default-workstation"
        return {"Id": "x"}

    def words(self, identity: str) -> tuple[bytes, bytes]:
        # The first time the engine loses the words, as it does under load.
        self.asked += 1
        return (b".\n..\nremove.sh\nA.state\n", b"") if self.asked > 1 else (b"", b"")

    def exec_inspect(self, id: str) -> Raw:
        return {"ExitCode": 0}

    def __getattr__(self, name: str) -> Callable[[], Any]:
        return lambda: self._told[name]


class Site:
    """One node, which is also the host."""

    name = "default"
    nodes = ("swarm-1",)

    def __init__(self, told: Raw) -> None:
        self.told = told
        self.api = Api(told)

    def engine(self, node: str) -> Site:
        return self

    host_engine = property(lambda self: lambda: self)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Raw], snapshot.Snapshot]:
    def take(told: Raw) -> snapshot.Snapshot:
        def get(world: World, node: str, port: int, path: str) -> Answer:
            if told["consul"] is None:
                return Answer(node, trouble="connection refused", refused=True)
            if path == "/v1/agent/members":
                ones = [
                    {"Name": "swarm-1", "Status": 1, "Tags": {"role": "consul"}},
                    {"Name": "swarm-2", "Status": 4, "Tags": {"role": "node"}},
                ]
                return Answer(node, 200, json.dumps(ones).encode())
            return Answer(node, 200, json.dumps(told["consul"]).encode())

        monkeypatch.setattr(looks, "get", get)
        return snapshot.take(cast(World, Site(told)))

    return take


Taken = Callable[[Raw], snapshot.Snapshot]


def test_what_is_new_each_time_makes_no_difference(taken: Taken) -> None:
    first, again = taken(cluster("a")), taken(cluster("another"))
    assert snapshot.differences(first, again) == []
    assert first.restless == again.restless == ()
    assert first.facts["service proxy"]["containers"] == {"healthy": 2}
    assert first.facts["service proxy"]["Networks"] == ["proxy"]
    assert first.facts["Consul at swarm-1"] == {"alive": "swarm-1 (consul)"}


def change(path: str, value: Any) -> Callable[[Raw], None]:
    def apply(told: Raw) -> None:
        *way, last = path.split("/")
        place: Any = told
        for key in way:
            place = place[int(key) if key.isdigit() else key]
        place[int(last) if last.isdigit() else last] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (
            change("services/0/Spec/Mode/Replicated/Replicas", 3),
            "service proxy, Mode, Replicated, Replicas: was 2, is 3",
        ),
        (
            change("services/0/Spec/TaskTemplate/Networks", []),
            "service proxy, Networks: was ['proxy'], is []",
        ),
        (
            change("containers/0/State/Health/Status", "unhealthy"),
            "service proxy, containers, healthy: was 2, is 1",
        ),
        (change("networks/0/Driver", "bridge"), "network proxy, Driver: was overlay, is bridge"),
        (change("networks/1/Name", "mine"), "network mine of swarm-1 alone was not there before"),
        (
            change("nodes/0/Spec/Availability", "drain"),
            "node swarm-1, Availability: was active, is drain",
        ),
        (
            change("settings/Orchestration/TaskHistoryRetentionLimit", 0),
            "the swarm's settings, Orchestration, TaskHistoryRetentionLimit: was 5, is 0",
        ),
        (change("volumes/0/Name", "other"), "volume go-demo-db is gone"),
        (change("volumes/0/Name", "a" * 64), "unnamed volumes: was 1, is 2"),
        (change("consul/0/Value", "aG8="), "key msg1 at swarm-1, Value: was aGk=, is aG8="),
        (change("consul", None), "key msg1 at swarm-1 is gone"),
        (
            change("containers/3/Name", "/consul2"),
            "container consul of an/image on swarm-1 is gone",
        ),
    ],
)
def test_what_somebody_chose_makes_a_difference(
    taken: Taken, apply: Callable[[Raw], None], said: str
) -> None:
    told = cluster("a")
    changed = copy.deepcopy(told)
    apply(changed)
    assert said in snapshot.differences(taken(told), taken(changed))


def test_the_command_of_a_container_that_nobody_named_counts(taken: Taken) -> None:
    changed = cluster("a")
    changed["containers"][4]["Config"]["Cmd"] = ["other"]
    (line,) = snapshot.differences(taken(cluster("a")), taken(changed))
    assert line.startswith("container of an/image on swarm-1: was [{")


def test_a_cluster_on_its_way_is_restless(taken: Taken) -> None:
    starting = cluster("a")
    starting["containers"][0]["State"]["Health"]["Status"] = "starting"
    assert taken(starting).restless == ("service proxy has 1 starting, 1 healthy of 2 containers",)
    ending = cluster("a")
    ending["services"] = ending["tasks"] = []
    assert taken(ending).restless == ("2 healthy containers of proxy are left",)


def test_without_a_manager_nothing_can_be_said(taken: Taken) -> None:
    told = cluster("a")
    told["manager"] = False
    with pytest.raises(EnvironmentProblem, match="No node of the lab is a manager"):
        taken(told)


def test_differences_are_named_in_the_language_that_is_spoken(taken: Taken) -> None:
    told, changed = cluster("a"), cluster("a")
    changed["volumes"][0]["Name"] = "other"
    changed["containers"][0]["State"]["Health"]["Status"] = "starting"
    words.use("zh")
    try:
        now = taken(changed)
        found = snapshot.differences(taken(told), now)
    finally:
        words.use(words.MAIN)
    assert "数据卷 go-demo-db 不在了" in found
    assert any(line.startswith("服务 proxy，containers，healthy") for line in found)
    # Which facts are services is not told by their names.
    assert len(now.restless) == 1 and now.restless[0].startswith("服务 proxy")
