"""What fails while a node of the lab is lost is errored; what a student did to a node is failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.base import Finding, World
from swarmlab.checks.lost import RollCall, lost
from swarmlab.errors import EXIT_ENVIRONMENT, EXIT_FAILED, EnvironmentProblem
from swarmlab.inspection import Inspector, claims
from swarmlab.listener import SilentListener
from swarmlab.model import CheckSpec
from swarmlab.results import CheckResult, Verdict
from tests import lab_fakes as fake
from tests.checks_fakes import (
    NODES,
    PROXY_NET,
    Lab,
    api_error,
    http_servers,
    node,
    service,
    task,
)


def spec(check: str, **params: Any) -> CheckSpec:
    return CheckSpec(check, check, f"The claim {check}", params, hint="Mend what you did.")


CLAIMS = {
    "util-global": spec("swarm.service", name="util", mode="global"),
    "three-healthy": spec("swarm.service", name="proxy", replicas=3, healthy=True),
    "all-alike": spec("proxy.identical", instances=3),
    "third": spec("proxy.instance", slot=3),
    "routes": spec("proxy.routes", service="go-demo", have=3, of=3),
    "containers": spec("engines.containers", count=6, label="com.docker.swarm.service.name"),
    "tasks": spec(
        "dns.lookup", service="util", name="tasks.proxy", expect="tasks", of="proxy", count=3
    ),
    "nodes": spec("swarm.nodes"),
    "consul": spec("consul.members"),
    "everywhere": spec("http.all", path="/demo/hello", requests=6),
}


@pytest.fixture
def lab() -> Lab:
    """A whole one: three proxies, and a util on each node."""
    made = Lab()
    nets = {PROXY_NET: "10.0.1.2"}
    made.add(
        service("proxy", 3),
        [task("proxy", slot, one, networks=nets) for slot, one in enumerate(NODES, 1)],
        state={"Running": True, "Status": "running", "Health": {"Status": "healthy"}},
        files={"/cfg/haproxy.cfg": "frontend services\n"},
    )
    made.add(service("util", None), [task("util", 0, one, networks=nets) for one in NODES])
    return made


def dies(lab: Lab) -> None:
    """The others have noticed it."""
    lab.engines["swarm-3"].alive = False
    lab.swarm.nodes[2]["Status"]["State"] = "down"
    lab.swarm.nodes[2]["ManagerStatus"]["Reachability"] = "unreachable"


def inspected(lab: Lab, *specs: CheckSpec, checks: Any = CHECKS) -> dict[str, CheckResult]:
    inspector = Inspector(checks, OBSERVERS, SilentListener())
    found = inspector.inspect(lab, claims(1, specs), once=True)
    return {result.id: result for result in found.values()}


@pytest.mark.parametrize("claim", CLAIMS)
def test_nothing_fails_while_a_node_is_dead(lab: Lab, claim: str) -> None:
    dies(lab)
    (found,) = inspected(lab, CLAIMS[claim]).values()
    assert found.verdict is Verdict.ERRORED
    assert found.reason and "swarmlab" in found.hint
    assert found.hint != "Mend what you did."


def test_the_cause_is_told_and_what_was_seen_is_not_held_against_anybody(lab: Lab) -> None:
    lab.swarm.nodes[2]["Status"]["State"] = "down"
    (found,) = inspected(lab, CLAIMS["util-global"]).values()
    assert found.reason == (
        "The swarm has lost swarm-3 (down). While that is so, nothing is judged as failed."
    )
    assert (found.actual, found.source) == ("", "")
    assert "`swarmlab up` mends the lab" in found.hint


def test_what_holds_all_the_same_passes(lab: Lab) -> None:
    dies(lab)
    found = inspected(lab, spec("swarm.network", name="proxy"), spec("swarm.quorum"))
    assert found["swarm.quorum"].verdict is Verdict.PASSED
    assert found["swarm.network"].verdict is Verdict.ERRORED


def availability(lab: Lab, to: str) -> None:
    lab.swarm.nodes[2]["Spec"]["Availability"] = to
    lab.swarm.tasks.pop()


def demoted(lab: Lab) -> None:
    del lab.swarm.nodes[2]["ManagerStatus"]
    lab.engines["swarm-3"].manager = False


def left(lab: Lab) -> None:
    lab.swarm.nodes[2]["Status"]["State"] = "down"
    lab.engines["swarm-3"].state = "inactive"


def removed(lab: Lab) -> None:
    lab.swarm.nodes.pop()
    lab.engines["swarm-3"].state = "error"


def rejoined(lab: Lab) -> None:
    lab.swarm.nodes.insert(0, node("swarm-3", Status={"State": "down"}))
    lab.swarm.nodes.append(node("swarm-3", Status={"State": "down"}))


STUDENTS: dict[str, Callable[[Lab], None]] = {
    "drained": lambda lab: availability(lab, "drain"),
    "paused": lambda lab: availability(lab, "pause"),
    "demoted": demoted,
    "left": left,
    "removed": removed,
    "left and joined again": rejoined,
}


@pytest.mark.parametrize("what", STUDENTS)
def test_what_a_student_did_to_a_node_is_failed(lab: Lab, what: str) -> None:
    STUDENTS[what](lab)
    (found,) = inspected(lab, CLAIMS["nodes"]).values()
    assert found.verdict is Verdict.FAILED
    assert found.hint == "Mend what you did."


def refuses(lab: Lab, *states: str) -> None:
    for engine, state in zip(lab.engines.values(), states, strict=True):
        engine.refusal = api_error(500, "The swarm does not have a leader. Try again.")
        engine.state = state


def test_no_quorum_is_ours_unless_somebody_left(lab: Lab) -> None:
    refuses(lab, "active", "active", "pending")
    found = lost(lab)
    assert found is not None and "The managers have no leader: " in found.message
    refuses(lab, "active", "inactive", "inactive")
    assert lost(lab) is None


def test_an_engine_that_fails_when_asked_for_the_swarm_is_ours(lab: Lab) -> None:
    lab.engines["swarm-1"].refusal = api_error(500, "disk full")
    found = lost(lab)
    assert found is not None and "disk full" in found.message


def test_an_observer_that_saw_a_node_die_is_errored(lab: Lab) -> None:
    watched = spec("http.steady", path="/x", at_least=3, every=0.01)
    inspector = Inspector(CHECKS, OBSERVERS, SilentListener())
    with http_servers(lab, 80, lambda _: (503, b"")):
        watches = inspector.watch(lab, [watched])
        lab.swarm.nodes[2]["Status"]["State"] = "down"
        (found,) = inspector.unwatch(1, watches)
        assert (found.verdict, "swarm-3" in found.reason) == (Verdict.ERRORED, True)
        lab.swarm.nodes[2] = node("swarm-3")
        (found,) = inspector.unwatch(1, inspector.watch(lab, [watched]))
        assert found.verdict is Verdict.FAILED


def test_the_own_machine_is_looked_at_whatever_became_of_the_nodes(lab: Lab) -> None:
    dies(lab)

    def clean(world: World) -> Finding:
        return Finding(False, "nothing", "a volume", "docker volume ls")

    (found,) = inspected(lab, spec("host.clean"), checks={"host.clean": clean}).values()
    assert found.verdict is Verdict.FAILED


def test_a_runner_takes_nothing_from_anybody_while_a_node_is_lost(tmp_path: Path) -> None:
    room = fake.Room(fake.lab(fake.step(1), fake.step(2)), tmp_path)
    room.runner.run()
    room.facts.true.clear()
    assert room.runner.verify().exit_code == EXIT_FAILED
    room.facts.swarm.nodes[0]["Status"]["State"] = "down"
    result = room.runner.verify()
    assert result.exit_code == EXIT_ENVIRONMENT
    assert {check.verdict for step in result.steps for check in step.checks} == {Verdict.ERRORED}
    assert room.done == {"s1", "s2"}


def test_a_whole_lab_is_not_asked_who_is_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[World] = []
    monkeypatch.setattr("swarmlab.checks.lost.lost", asked.append)
    good, bad = spec("swarm.quorum"), spec("swarm.network", name="proxy")
    assert inspected(lab, good)["swarm.quorum"].verdict is Verdict.PASSED
    assert asked == []
    assert inspected(lab, bad)["swarm.network"].verdict is Verdict.FAILED
    assert asked == [lab]


def test_those_that_fail_together_share_a_call(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[World] = []
    now = [5.0]
    monkeypatch.setattr("swarmlab.checks.lost.lost", calls.append)
    monkeypatch.setattr("swarmlab.checks.lost.time", SimpleNamespace(monotonic=lambda: now[0]))
    specs = [replace(spec("swarm.network", name="proxy"), id=str(one)) for one in range(12)]
    assert {one.verdict for one in inspected(lab, *specs).values()} == {Verdict.FAILED}
    assert len(calls) == 1
    # What fails later may have failed for what happened since.
    roll, finding = RollCall(lab), Finding(False, "this", "that", "ask")
    for now[0] in (6.0, 6.0, 7.0):
        assert roll.excuse("any", finding) is None
    assert len(calls) == 3


def test_a_node_once_lost_is_not_asked_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[World] = []

    def call(world: World) -> EnvironmentProblem:
        calls.append(world)
        return EnvironmentProblem("gone")

    monkeypatch.setattr("swarmlab.checks.lost.lost", call)
    roll = RollCall(lab)
    finding = Finding(False, "this", "that", "ask")
    assert roll.excuse("any", finding) is roll.excuse("any", finding) is not None
    assert len(calls) == 1
    assert roll.excuse("any", Finding(True, "this", "this", "ask")) is None
