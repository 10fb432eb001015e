"""Checks over HTTP, against real servers on loopback: true, false, and impossible to look."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import requests
from docker.errors import APIError

from swarmlab.checks import CHECKS, OBSERVERS, http, web
from swarmlab.checks.base import Finding
from swarmlab.errors import EnvironmentProblem
from tests.checks_fakes import Asked, Container, Lab, Reply, http_servers, service, task
from tests.lab_fakes import soon

HELLO = b"hello, world!\n"


@pytest.fixture
def lab() -> Lab:
    return Lab()


def check(lab: Lab, which: str, /, **params: Any) -> Finding:
    return CHECKS[which](lab, **params)


def hello(asked: Asked) -> Reply:
    return (200, HELLO) if asked.path == "/demo/hello" else (404, b"")


def in_turn(*statuses: int) -> Callable[[Asked], Reply]:
    """Each node gives its connections out in turn, as the routing mesh does."""
    turns: dict[str, count[int]] = {}

    def reply(asked: Asked) -> Reply:
        turn = next(turns.setdefault(asked.node, count()))
        return statuses[turn % len(statuses)], b""

    return reply


# http.answers


def test_answers(lab: Lab) -> None:
    with http_servers(lab, 80, hello):
        found = check(lab, "http.answers", path="/demo/hello", body="hello, world!")
        assert found.passed
        assert found.actual == "200 'hello, world!' from swarm-1, swarm-2 and swarm-3"
        assert not check(lab, "http.answers", path="/demo/hello", body="hello").passed
        assert not check(lab, "http.answers", path="/demo/hello", status=503).passed
        assert check(lab, "http.answers", path="/", status=404).passed


def test_answers_of_every_node(lab: Lab) -> None:
    with http_servers(lab, 80, lambda asked: (503 if asked.node == "swarm-2" else 200, b"")):
        found = check(lab, "http.answers", path="/")
        assert not found.passed
        assert found.actual == "swarm-2: 503 ''"
        assert check(lab, "http.answers", path="/", nodes=["swarm-1", "swarm-3"]).passed


def test_refused_by_a_living_node_is_a_finding(lab: Lab) -> None:
    with http_servers(lab, 80, hello, nodes=("swarm-1", "swarm-2")):
        found = check(lab, "http.answers", path="/demo/hello")
    assert not found.passed
    assert found.actual == "swarm-3: connection refused"


def test_stranger_node_is_an_error(lab: Lab) -> None:
    with pytest.raises(EnvironmentProblem, match="swarm-9"):
        check(lab, "http.answers", path="/", nodes=["swarm-9"])


LOOKING: dict[str, dict[str, Any]] = {
    "http.answers": {"path": "/"},
    "http.ports_open": {"ports": [80]},
    "http.split": {"path": "/", "share": [1, 3]},
    "http.all": {"path": "/"},
    "http.unreachable": {"path": "/"},
    "consul.leader": {},
    "consul.members": {},
    "consul.key": {"key": "a", "value": "b"},
    "consul.absent": {},
    "consul.unreachable": {},
    "consul.proxy_keys": {"service": "go-demo", "path": "/demo", "port": 8080},
    "consul.matches_proxies": {"service": "go-demo"},
}


@pytest.mark.parametrize("name", LOOKING)
def test_a_lost_node_is_not_the_students(lab: Lab, name: str) -> None:
    lab.engines["swarm-1"].alive = False
    with pytest.raises(EnvironmentProblem, match="swarm-1 does not answer, nor does its engine"):
        check(lab, name, **LOOKING[name])


@pytest.mark.parametrize("name", LOOKING)
def test_a_node_that_does_not_run_is_not_waited_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    engine = lab.engine

    def known(node: str) -> Any:
        if node == "swarm-1":
            raise EnvironmentProblem("The node swarm-1 does not run.")
        return engine(node)

    def asked(*_: object, **__: object) -> Any:
        raise AssertionError("a node was asked all the same")

    monkeypatch.setattr(lab, "engine", known)
    monkeypatch.setattr("http.client.HTTPConnection.connect", asked)
    with pytest.raises(EnvironmentProblem, match="swarm-1 does not run"):
        check(lab, name, **LOOKING[name])


def test_hanging_up_and_silence_are_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TIME_LIMIT", 2.0)
    given_up = threading.Event()

    def reply(asked: Asked) -> Reply | None:
        if asked.node == "swarm-2":
            given_up.wait(60)  # longer than the time limit: what is tested
        return None

    with http_servers(lab, 80, reply):
        found = check(lab, "http.answers", path="/")
        given_up.set()
    assert not found.passed
    assert "swarm-1 and swarm-3: connection closed without an answer" in found.actual
    assert "swarm-2: no answer within" in found.actual


def test_silence_is_waited_for_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the place of the first that get no answer, to wait as long as they did."""
    monkeypatch.setattr(web, "TIME_LIMIT", 1.0)
    given_up = threading.Event()
    with http_servers(lab, 80, lambda _: (200, b"") if given_up.wait(60) else None) as seen:
        found = check(lab, "http.all", path="/", requests=40)
        given_up.set()
    assert "3 × no answer within 1 s in 3 requests" in found.actual
    assert len(seen) == 3


# http.ports_open


def test_ports_open(lab: Lab) -> None:
    with http_servers(lab, 80, lambda _: (503, b"")), http_servers(lab, 8080, hello):
        assert check(lab, "http.ports_open", ports=[80, 8080]).passed
        found = check(lab, "http.ports_open", ports=[80, 443])
    assert not found.passed
    assert "swarm-1:443, swarm-2:443 and swarm-3:443: connection refused" in found.actual


def test_an_accepted_connection_alone_is_not_open(lab: Lab) -> None:
    with http_servers(lab, 80, lambda _: None):
        assert not check(lab, "http.ports_open", ports=[80]).passed


# http.split, http.all


def test_split(lab: Lab) -> None:
    with http_servers(lab, 80, in_turn(503, 200, 503)) as seen:
        found = check(lab, "http.split", path="/demo/hello", share=[1, 3])
    assert found.passed, found
    assert len(seen) == 60
    assert len({(asked.node, asked.peer) for asked in seen}) == 60, "a new connection each"
    assert set(Counter(asked.node for asked in seen).values()) == {20}


def test_split_asks_more_where_the_nodes_are_many(lab: Lab) -> None:
    """On each node the turns may begin anywhere: a request a node is how far it may be off."""
    with http_servers(lab, 80, in_turn(503, 200, 503)) as seen:
        check(lab, "http.split", path="/", share=[1, 3], requests=6, tolerance=0.1)
    assert len(seen) == 30


@pytest.mark.parametrize(
    "statuses",
    [(200,), (503,), (200, 200, 503), (200, 503), (200, 404, 404), (503, 200, 500), (200, 502)],
)
def test_split_otherwise(lab: Lab, statuses: tuple[int, ...]) -> None:
    with http_servers(lab, 80, in_turn(*statuses)):
        assert not check(lab, "http.split", path="/", share=[1, 3]).passed


def test_split_with_one_other_answer(lab: Lab) -> None:
    reply = in_turn(503, 200, 503)
    number = count()
    with http_servers(lab, 80, lambda a: (404, b"") if next(number) == 30 else reply(a)):
        found = check(lab, "http.split", path="/", share=[1, 3])
    assert not found.passed
    assert "1 × 404" in found.actual


def test_split_never_passes_with_one_kind(lab: Lab) -> None:
    with http_servers(lab, 80, in_turn(503)):
        assert not check(lab, "http.split", path="/", share=[1, 20], tolerance=0.2).passed


def test_all(lab: Lab) -> None:
    with http_servers(lab, 80, hello) as seen:
        found = check(lab, "http.all", path="/demo/hello", body="hello, world!\n")
    assert found.passed
    assert len({(asked.node, asked.peer) for asked in seen}) == 60
    assert found.actual == "60 × 200 in 60 requests (swarm-1 20, swarm-2 20 and swarm-3 20)"


def test_all_but_one(lab: Lab) -> None:
    number = count()
    with http_servers(lab, 80, lambda a: (503, b"") if next(number) == 59 else hello(a)):
        found = check(lab, "http.all", path="/demo/hello")
    assert not found.passed
    assert "59 × 200, 1 × 503" in found.actual


def test_all_with_another_body(lab: Lab) -> None:
    number = count()
    with http_servers(lab, 80, lambda a: (200, b"hi") if next(number) == 40 else hello(a)):
        found = check(lab, "http.all", path="/demo/hello", body="hello, world!")
    assert not found.passed
    assert "200 'hi'" in found.actual


def test_many_requests_stop_where_nobody_listens(lab: Lab) -> None:
    found = check(lab, "http.all", path="/", requests=1000)
    assert not found.passed
    assert "connection refused" in found.actual
    assert "1000" not in found.actual


# http.unreachable


def test_unreachable(lab: Lab) -> None:
    with http_servers(lab, 80, lambda _: (503, b""), nodes=("swarm-1", "swarm-2")):
        found = check(lab, "http.unreachable", path="/demo/hello")
    assert found.passed
    assert "1 × connection refused" in found.actual
    assert "2 × 503" in found.actual


def test_a_published_port_that_hangs_up_is_one_where_nothing_listens(lab: Lab) -> None:
    with http_servers(lab, 80, lambda _: None):
        found = check(lab, "http.unreachable", path="/demo/hello")
    assert found.passed
    assert "3 × connection closed without an answer" in found.actual


def test_a_node_that_hangs_up_by_its_own_address_does_listen(lab: Lab) -> None:
    lab.direct = True
    with http_servers(lab, 80, lambda _: None):
        found = check(lab, "http.unreachable", path="/demo/hello")
    assert not found.passed


def test_reachable_on_one_node(lab: Lab) -> None:
    with http_servers(lab, 80, hello, nodes=("swarm-3",)):
        found = check(lab, "http.unreachable", path="/demo/hello")
    assert not found.passed
    assert found.actual == "swarm-3: 200 'hello, world!'"


# http.inside, http.database


def inside(lab: Lab, told: dict[str, Any] | str = "") -> list[list[str]]:
    """A global service util; asking from its network brings what is `told`."""
    asked: list[list[str]] = []

    def runs(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return (0, json.dumps(told), "") if isinstance(told, dict) else (1, "", told)

    lab.add(service("util", None), [task("util", 0, name) for name in lab.nodes])
    lab.host.boxes = {f"swarmlab-unit-{name}": Container(runs=runs) for name in lab.nodes}
    return asked


URL = "http://go-demo:8080/demo/hello"


def test_inside(lab: Lab) -> None:
    asked = inside(lab, {"status": 200, "body": "hello, world!\n"})
    found = check(lab, "http.inside", service="util", url=URL, body="hello, world!")
    assert found.passed
    assert found.actual == "util on swarm-1 gets 200 'hello, world!'"
    assert asked[0][-2:] == [URL, "3"]
    assert "/var/run/docker/netns/util-0-swarm-1" in asked[0]
    assert not check(lab, "http.inside", service="util", url=URL, status=404).passed
    assert not check(lab, "http.inside", service="util", url=URL, body="hello").passed


def test_inside_without_an_answer(lab: Lab) -> None:
    inside(lab, {"trouble": "the name go-demo does not resolve"})
    found = check(lab, "http.inside", service="util", url=URL)
    assert not found.passed
    assert found.actual == "util on swarm-1 gets no answer: the name go-demo does not resolve"


def test_inside_a_service_that_is_not_there(lab: Lab) -> None:
    assert "no service util" in check(lab, "http.inside", service="util", url=URL).actual


def test_inside_a_container_that_has_gone(lab: Lab) -> None:
    inside(lab, {"status": 200, "body": ""})
    lab.engines["swarm-1"].boxes["util-0-swarm-1"].state = {"Running": False}
    for _ in range(2):
        found = check(lab, "http.inside", service="util", url=URL)
        assert not found.passed
        assert found.actual == "the container of util on swarm-1 does not run"
        lab.engines["swarm-1"].boxes.clear()


ASKED: dict[str, dict[str, Any]] = {"http.inside": {}, "http.database": {"contains": ["Ann"]}}


@pytest.mark.parametrize("name", ASKED)
def test_inside_needs_the_engine(lab: Lab, name: str) -> None:
    """Another manager says where the task is; its container is known to its own node alone."""
    inside(lab, {"status": 200, "body": "Ann"})
    lab.engines["swarm-1"].alive = False
    with pytest.raises(requests.ConnectionError):
        check(lab, name, service="util", url=URL, **ASKED[name])


@pytest.mark.parametrize("ends", ["removed", "stopped"])
def test_a_container_that_ends_before_its_network_is_entered(lab: Lab, ends: str) -> None:
    inside(lab, {"status": 200, "body": "Ann"})
    boxes = lab.engines["swarm-1"].boxes

    def runs(command: list[str]) -> tuple[int, str, str]:
        if ends == "removed":
            boxes.clear()
        else:
            boxes["util-0-swarm-1"].state = {"Running": False}
        return 1, "", "nsenter: cannot open /var/run/docker/netns/x: No such file or directory"

    lab.host.boxes = {f"swarmlab-unit-{name}": Container(runs=runs) for name in lab.nodes}
    found = check(lab, "http.inside", service="util", url=URL)
    assert (found.passed, found.actual) == (False, "the container of util on swarm-1 does not run")


@pytest.mark.parametrize(("lost", "heard"), [(2, True), (3, False)])
def test_words_that_the_engine_lost_are_asked_for_again(lab: Lab, lost: int, heard: bool) -> None:
    asked = inside(lab, {"status": 200, "body": "Ann"})
    answers = lab.host.boxes["swarmlab-unit-swarm-1"].runs

    def runs(command: list[str]) -> tuple[int, str, str]:
        told = answers(command)
        return told if len(asked) > lost else (0, "", "")

    lab.host.boxes["swarmlab-unit-swarm-1"].runs = runs
    if heard:
        assert check(lab, "http.inside", service="util", url=URL, body="Ann").passed
    else:
        with pytest.raises(EnvironmentProblem, match="cannot be entered") as caught:
            check(lab, "http.inside", service="util", url=URL)
        assert caught.value.evidence == "exit code 0"
    assert len(asked) == 3


@pytest.mark.parametrize("name", ASKED)
def test_a_network_that_cannot_be_entered_is_not_the_students(lab: Lab, name: str) -> None:
    inside(lab, "nsenter: reassociate to namespace failed")
    with pytest.raises(EnvironmentProblem, match="cannot be entered") as caught:
        check(lab, name, service="util", url=URL, **ASKED[name])
    assert "swarmlab doctor" in caught.value.hint
    lab.host.boxes.clear()
    with pytest.raises(APIError):
        check(lab, name, service="util", url=URL, **ASKED[name])


@pytest.mark.parametrize(
    ("status", "body", "passed"),
    [
        (200, "Ann\nBob\n", True),
        (200, "Bob\nCid\nAnn", True),
        (200, "Ann\nBob\nBob\n", False),
        (200, "Ann\nBobby\n", False),
        (200, "Bob\n", False),
        (500, "Ann\nBob\n", False),
        (200, "", False),
    ],
)
def test_database(lab: Lab, status: int, body: str, passed: bool) -> None:
    inside(lab, {"status": status, "body": body})
    found = check(lab, "http.database", service="util", url=URL, contains=["Ann", "Bob"])
    assert found.passed is passed, found


# http.steady


def watch(lab: Lab, **params: Any) -> Finding:
    observer = OBSERVERS["http.steady"](lab, path="/demo/hello", every=0.002, **params)
    observer.start()
    return observer.finish()


def test_steady(lab: Lab) -> None:
    with http_servers(lab, 80, hello) as seen:
        found = watch(lab, body="hello, world!")
    assert found.passed
    assert "0 wrong" in found.actual
    assert len(seen) >= 60
    assert len({(asked.node, asked.peer) for asked in seen}) == len(seen)
    assert {asked.node for asked in seen} == set(lab.nodes)


def test_steady_asks_until_it_is_finished(lab: Lab) -> None:
    observer = OBSERVERS["http.steady"](lab, path="/demo/hello", every=0.002, at_least=1)
    with http_servers(lab, 80, hello) as seen:
        observer.start()
        assert soon(lambda: len(seen) >= 20)
        found = observer.finish()
        made = len(seen)
    assert found.passed
    assert made >= 20
    assert f"{made} requests" in found.actual


def test_one_wrong_answer_is_unsteady(lab: Lab) -> None:
    number = count()
    with http_servers(lab, 80, lambda a: (503, b"") if next(number) == 7 else hello(a)):
        found = watch(lab)
    assert not found.passed
    assert "1 wrong; 1 × swarm-2: 503" in found.actual


def test_steady_finds_a_refusing_node(lab: Lab) -> None:
    with http_servers(lab, 80, hello, nodes=("swarm-1", "swarm-3")):
        found = watch(lab)
    assert not found.passed
    assert "swarm-2: connection refused" in found.actual


def test_steady_without_the_node_is_not_the_students(lab: Lab) -> None:
    lab.engines["swarm-2"].alive = False
    with (
        http_servers(lab, 80, hello, nodes=("swarm-1", "swarm-3")),
        pytest.raises(EnvironmentProblem),
    ):
        watch(lab)


def test_steady_that_breaks_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def endpoint(node: str, port: int) -> tuple[str, int]:
        raise EnvironmentProblem(f"port {port} of {node} cannot be reached from here")

    monkeypatch.setattr(lab, "endpoint", endpoint)
    with pytest.raises(EnvironmentProblem, match="port 80 of swarm-1"):
        watch(lab)


def test_steady_too_slow_is_no_pass(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmlab.checks.steady._AFTER", 0.1)
    observer = OBSERVERS["http.steady"](lab, path="/demo/hello", every=30.0)
    with http_servers(lab, 80, hello):
        observer.start()
        with pytest.raises(EnvironmentProblem, match=r"Only \d of 60 .* none of them wrong"):
            observer.finish()


def test_steady_too_slow_and_wrong_has_failed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmlab.checks.steady._AFTER", 0.1)
    observer = OBSERVERS["http.steady"](lab, path="/demo/hello", every=30.0)
    with http_servers(lab, 80, lambda asked: (503, b"")):
        observer.start()
        found = observer.finish()
    assert not found.passed
    assert "at least 60" in found.expected


def test_steady_waits_as_long_as_a_slow_machine_needs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty requests a twentieth of a second apart take two; with no patience that is too long."""
    monkeypatch.setattr("swarmlab.checks.steady._AFTER", 1.0)
    monkeypatch.setenv("SWARMLAB_PATIENCE", "30")
    observer = OBSERVERS["http.steady"](lab, path="/demo/hello", every=0.05, at_least=40)
    with http_servers(lab, 80, hello):
        observer.start()
        assert observer.finish().passed


def test_steady_that_did_not_look_does_not_pass(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough right answers, but one long silence in the middle: that is no proof."""
    monkeypatch.setattr("swarmlab.checks.steady._BLIND", 0.2)
    number = count()

    def reply(asked: Asked) -> Reply:
        if next(number) == 5:
            time.sleep(0.5)  # the silence that is tested
        return hello(asked)

    with (
        http_servers(lab, 80, reply),
        pytest.raises(EnvironmentProblem, match=r"was interrupted for \d"),
    ):
        watch(lab)


def test_steady_tells_how_long_and_how_closely_it_looked(lab: Lab) -> None:
    with http_servers(lab, 80, hello):
        found = watch(lab)
    assert re.search(r" in \d+\.\d s, longest pause \d\.\d s, 0 wrong", found.actual)


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/demo/hello", '"$n:8080/demo/hello"'),
        ("/x?a=$(id)", "\"$n\"':8080/x?a=$(id)'"),
        ('/"', '"$n"\':8080/"\''),
    ],
)
def test_a_path_is_no_program_where_it_is_typed(path: str, typed: str) -> None:
    assert http._of_node(8080, path) == typed
