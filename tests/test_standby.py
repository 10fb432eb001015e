"""A lab at rest, and what must run again before it counts as started; on made-up engines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import NotFound

from swarmlab.cluster import remains, settling, status
from swarmlab.cluster.amiss import amiss
from swarmlab.size import Quorum
from tests.test_lifecycle_parts import NETWORK, THREE, container

SERVICE = "com.docker.swarm.service.name"


def stopped(name: str, role: str = "node") -> dict[str, Any]:
    return container(name, "exited", role)


REST = [*(stopped(name) for name in THREE), stopped("workstation", "workstation")]


def test_a_lab_of_which_all_is_there_and_nothing_runs_is_at_rest() -> None:
    there = remains.read(REST, [], NETWORK)
    assert there.at_rest
    nodes = [status._node(one, None, None, "") for one in status._with_missing(there)]
    assert amiss(there, True, nodes, (), Quorum(3, 0)) == ["the lab is stopped"]


@pytest.mark.parametrize(
    ("listed", "networks"),
    [
        (REST[:2] + REST[3:], NETWORK),
        (REST[:3], NETWORK),
        (REST, []),
        ([container("swarm-1"), *REST[1:]], NETWORK),
        ([*REST[:3], container("workstation", "running", "workstation")], NETWORK),
        ([{**stopped(n), "Status": "Up 5 minutes (Paused)"} for n in THREE] + REST[3:], NETWORK),
    ],
)
def test_a_lab_with_a_hole_or_with_something_that_runs_is_not_at_rest(
    listed: list[dict[str, Any]], networks: list[dict[str, Any]]
) -> None:
    assert not remains.read(listed, [], networks).at_rest


class Engine:
    """An engine with a list of services and of running containers."""

    def __init__(self, services: dict[str, int], *running: tuple[str, str]) -> None:
        self._services = services
        self.listed = list(running)

    def services(self, status: bool) -> list[dict[str, Any]]:
        return [
            {"Spec": {"Name": name, "Mode": {"Replicated": {"Replicas": count}}}}
            if count
            else {
                "Spec": {"Name": name, "Mode": {"Global": {}}},
                "ServiceStatus": {"DesiredTasks": 2},
            }
            for name, count in self._services.items()
        ]

    def containers(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        assert filters == {"label": SERVICE, "status": "running"}
        return [{"Labels": {SERVICE: name}, "Status": words} for name, words in self.listed]


def test_tasks_are_counted_on_the_engines_and_only_when_they_are_well() -> None:
    one = Engine({"proxy": 3, "util": 0, "db": 1}, ("proxy", "Up 1 second (healthy)"))
    two = Engine({}, ("util", "Up 2 seconds"), ("proxy", "Up 1 second (health: starting)"))
    apis = {"swarm-1": one, "swarm-2": two}
    assert settling.missing(apis, within=0.0) == "db 0 of 1, proxy 1 of 3, util 1 of 2"
    one.listed += [("db", "Up 1 second"), ("proxy", "Up 1 second (healthy)"), ("util", "Up")]
    two.listed += [("proxy", "Up 1 second (healthy)")]
    assert settling.missing(apis, within=0.0) == ""


def test_an_engine_that_does_not_answer_is_asked_again_and_named_in_the_end() -> None:
    class Silent:
        def services(self, status: bool) -> None:
            raise NotFound("no such place")

    assert "does not answer" in settling.missing({"swarm-1": Silent()}, within=0.0)


class Halting:
    """An engine whose containers are paused or running, or gone when asked for."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def inspect_container(self, name: str) -> dict[str, Any]:
        if name == "gone":
            raise NotFound("gone")
        self.heard.append(f"inspect {name}")
        return {"State": {"Paused": name == "paused"}}

    def unpause(self, name: str) -> None:
        self.heard.append(f"unpause {name}")

    def stop(self, name: str, timeout: int) -> None:
        # A node's own end takes up to eight seconds.
        assert timeout > 8
        self.heard.append(f"stop {name}")


def test_what_is_paused_is_woken_so_that_it_hears_of_its_end() -> None:
    api = Halting()
    engine = cast(Any, SimpleNamespace(client=SimpleNamespace(api=api)))
    remains.halt(engine, ["paused", "gone", "running"])
    of_paused = [one for one in api.heard if one.endswith("paused")]
    # The engine answers before it is done: a last look waits for that.
    assert of_paused == ["inspect paused", "unpause paused", "stop paused", "inspect paused"]
    of_running = [one for one in api.heard if one.endswith("running")]
    assert of_running == ["inspect running", "stop running", "inspect running"]
