"""What the mesh fallback does with its plans, and when: no namespace is entered here."""

from __future__ import annotations

import importlib
import json
import socketserver
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "compose" / "images" / "node"))
apply = importlib.import_module("mesh.apply")
engine = importlib.import_module("mesh.engine")
loop = importlib.import_module("mesh.loop")
plan = importlib.import_module("mesh.plan")
probe = importlib.import_module("mesh.probe")
swarm = importlib.import_module("mesh.swarm")
view = importlib.import_module("mesh.view")

FRONT = plan.Plan(
    sandbox="lb_6a4d17ima",
    rules="table ip swarmlab_mesh { }\n",
    vips=frozenset({"10.0.1.2", "10.0.1.7"}),
    subnets=("10.0.1.0/24",),
    tasks=frozenset({("a", "10.0.1.3"), ("b", "10.0.1.4")}),
    doors=frozenset({"--orig-dst 10.0.1.2", "--orig-dst 10.0.1.7"}),
)
NOTHING = plan.Plan(sandbox="lb_6a4d17ima")
UNTOUCHED = loop.nothing("lb_6a4d17ima")
ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
    {
        "ifname": "eth0",
        "addr_info": [
            {"local": "10.0.1.12", "prefixlen": 24},
            {"local": "10.0.1.2", "prefixlen": 32},
            {"local": "10.0.1.99", "prefixlen": 32},
        ],
    },
    {"ifname": "eth1", "addr_info": [{"local": "172.19.0.2", "prefixlen": 16}]},
]
Ran = list[tuple[str, str, str]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Every command that would have run: (namespace, command, input)."""
    done: Ran = []

    def inside(
        sandbox: str, command: Sequence[str], text: str = "", accept: Sequence[int] = (0,)
    ) -> str:
        done.append((sandbox, " ".join(command), text))
        if command[:2] == ["ip", "-j"]:
            return json.dumps(ADDRESSES)
        if command[-1] == "-S":
            return (
                "-A DOCKER-USER -d 172.19.0.9/32 -o docker_gwbridge"
                " -m comment --comment swarmlab_mesh -j ACCEPT\n"
                "-A DOCKER-USER -s 172.19.0.2/32 -i docker_gwbridge"
                " -m comment --comment swarmlab_mesh -j ACCEPT\n"
                "-A DOCKER-USER -j RETURN\n"
            )
        return ""

    monkeypatch.setattr(apply, "inside", inside)
    return done


def test_rules_come_first_then_addresses_then_forgetting(ran: Ran) -> None:
    apply.apply(FRONT, NOTHING)
    assert [command.split()[0] for _, command, _ in ran] == [
        *("nft", "ip", "ip", "conntrack", "conntrack")
    ]
    assert {sandbox for sandbox, _, _ in ran} == {"lb_6a4d17ima"}
    assert ran[0][2] == (
        "table ip swarmlab_mesh\ndelete table ip swarmlab_mesh\ntable ip swarmlab_mesh { }\n"
    )
    assert ran[2][2] == "address del 10.0.1.99/32 dev eth0\naddress add 10.0.1.7/32 dev eth0\n"


def forgotten(ran: Ran) -> list[str]:
    before = "conntrack -D -f ipv4 "
    return [command.removeprefix(before) for _, command, _ in ran if command.startswith(before)]


def test_udp_callers_that_came_too_early_are_forgotten(ran: Ran) -> None:
    apply.apply(FRONT, NOTHING)
    assert forgotten(ran) == [
        "--proto udp --orig-dst 10.0.1.2",
        "--proto udp --orig-dst 10.0.1.7",
    ]


def test_connections_to_a_task_that_ended_are_forgotten(ran: Ran) -> None:
    fewer = replace(FRONT, tasks=frozenset({("b", "10.0.1.4")}))
    apply.apply(fewer, FRONT)
    assert forgotten(ran) == ["--reply-src 10.0.1.3"]


def test_an_address_taken_over_by_another_task_is_forgotten_too(ran: Ran) -> None:
    reused = replace(FRONT, tasks=frozenset({("c", "10.0.1.3"), ("b", "10.0.1.4")}))
    apply.apply(reused, FRONT)
    assert forgotten(ran) == ["--reply-src 10.0.1.3"]


def test_what_is_on_its_way_to_a_task_is_left_alone(ran: Ran) -> None:
    apply.apply(replace(FRONT, rules="table ip swarmlab_mesh { # new }\n"), FRONT)
    assert forgotten(ran) == []


def test_the_node_allows_the_way_to_its_gateway_and_no_other(ran: Ran) -> None:
    apply.permit(["-d 172.19.0.2/32 -o", "-s 172.19.0.2/32 -i"])
    ours = "docker_gwbridge -m comment --comment swarmlab_mesh -j ACCEPT"
    assert [command for _, command, _ in ran[1:]] == [
        f"iptables -w -D DOCKER-USER -d 172.19.0.9/32 -o {ours}",
        f"iptables -w -I DOCKER-USER -d 172.19.0.2/32 -o {ours}",
    ]


def test_cleaning_takes_all_addresses_of_ours_and_the_table(ran: Ran) -> None:
    apply.clean("lb_6a4d17ima")
    assert ran[0][2] == "table ip swarmlab_mesh\ndelete table ip swarmlab_mesh\n"
    assert ran[2][2] == "address del 10.0.1.2/32 dev eth0\naddress del 10.0.1.99/32 dev eth0\n"


def test_a_file_that_is_no_namespace_is_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lb_6a4d17ima").touch()
    monkeypatch.setattr(apply, "NAMESPACES", tmp_path)
    monkeypatch.setattr(apply, "namespace_device", lambda: -1)
    assert apply.sandboxes() == {}


def test_namespaces_are_told_apart_by_inode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lb_6a4d17ima").touch()
    (tmp_path / "1-6a4d17imaq").touch()
    monkeypatch.setattr(apply, "NAMESPACES", tmp_path)
    monkeypatch.setattr(apply, "namespace_device", lambda: tmp_path.stat().st_dev)
    assert apply.sandboxes() == {"lb_6a4d17ima": (tmp_path / "lb_6a4d17ima").stat().st_ino}


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Every plan that was applied, with what the keeper believed to be there before."""
    done: list[tuple[Any, Any]] = []
    monkeypatch.setattr(apply, "apply", lambda new, before: done.append((new, before)))
    return done


def keeper() -> Any:
    return loop.Keeper(None, FakeManagers(), lambda text: None)


class FakeManagers:
    """Managers of an empty swarm, or none at all."""

    reachable = True

    def ask(self, now: float) -> Any:
        return swarm.swarm([], []) if self.reachable else None


def test_a_plan_is_applied_once(applied: list[tuple[Any, Any]]) -> None:
    mesh = keeper()
    mesh.put(7, FRONT)
    mesh.put(7, FRONT)
    assert applied == [(FRONT, UNTOUCHED)]


def test_an_empty_plan_is_applied_too_in_case_an_earlier_run_left_something(
    applied: list[tuple[Any, Any]],
) -> None:
    mesh = keeper()
    mesh.put(7, NOTHING)
    mesh.put(7, NOTHING)
    assert applied == [(NOTHING, UNTOUCHED)]


def test_a_changed_plan_is_applied_with_what_was_there_before(
    applied: list[tuple[Any, Any]],
) -> None:
    mesh = keeper()
    mesh.put(7, FRONT)
    mesh.put(7, NOTHING)
    assert applied == [(FRONT, UNTOUCHED), (NOTHING, FRONT)]


def test_a_sandbox_made_anew_gets_its_plan_again(applied: list[tuple[Any, Any]]) -> None:
    mesh = keeper()
    mesh.put(7, FRONT)
    mesh.put(8, FRONT)
    assert applied == [(FRONT, UNTOUCHED)] * 2


def test_what_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Any] = []

    def fail(new: Any, before: Any) -> None:
        tries.append((new, before))
        raise apply.ApplyError("no")

    monkeypatch.setattr(apply, "apply", fail)
    mesh = keeper()
    for _ in range(2):
        with pytest.raises(apply.ApplyError):
            mesh.put(7, FRONT)
    assert tries == [(FRONT, UNTOUCHED)] * 2


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop.time, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def mesh() -> Any:
    """A keeper on a manager with an empty swarm, whose looks at gossip are counted."""
    mesh = keeper()
    mesh.looks = 0
    mesh.gossip_agrees = True

    def reconcile() -> None:
        mesh.looks += 1
        mesh.settled = mesh.gossip_agrees

    mesh.reconcile = reconcile
    return mesh


def test_without_reason_gossip_is_looked_at_every_ten_seconds(mesh: Any, clock: Clock) -> None:
    for _ in range(31):
        mesh.step(woken=False)
        clock.now += 1
    assert mesh.looks == 4


def test_an_event_makes_it_look_at_once(mesh: Any, clock: Clock) -> None:
    mesh.step(woken=False)
    clock.now += 1
    mesh.step(woken=True)
    assert mesh.looks == 2


def test_it_keeps_looking_until_gossip_agrees_but_not_for_ever(mesh: Any, clock: Clock) -> None:
    mesh.gossip_agrees = False
    mesh.step(woken=True)
    assert mesh.pause() == loop.RESTLESS
    for _ in range(19):
        clock.now += 1
        mesh.step(woken=False)
    assert mesh.looks == 20
    clock.now += 1
    assert mesh.pause() == loop.IDLE
    mesh.gossip_agrees = True
    for _ in range(9):
        clock.now += 1
        mesh.step(woken=False)
    assert mesh.looks == 21


def test_the_trouble_of_one_network_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def apply_some(new: Any, before: Any) -> None:
        if new.sandbox == "lb_bad":
            raise apply.ApplyError("lb_bad: no")
        done.append(new.sandbox)

    networks = tuple(view.Network(name, name, f"lb_{name}", (), ()) for name in ("bad", "good"))
    monkeypatch.setattr(apply, "sandboxes", lambda: {"lb_bad": 1, "lb_good": 2})
    monkeypatch.setattr(view, "look", lambda *asked: view.View(networks, None))
    monkeypatch.setattr(apply, "apply", apply_some)
    with pytest.raises(apply.ApplyError, match="lb_bad: no"):
        keeper().reconcile()
    assert done == ["lb_good", "node"]


def test_a_worker_looks_every_time(mesh: Any, clock: Clock) -> None:
    mesh.managers.reachable = False
    for _ in range(5):
        mesh.step(woken=False)
        clock.now += 1
    assert mesh.looks == 5


def test_the_question_for_a_family_carries_its_name() -> None:
    text = probe.family_request("IPVS")
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", text)
    assert (length, kind, flags) == (len(text), 16, 1)
    assert len(text) % 4 == 0
    assert b"IPVS\0" in text


class Answers(BaseHTTPRequestHandler):
    """A few answers of an engine; /gone closes the connection without a word."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/gone":
            self.close_connection = True
            return
        body = json.dumps({"path": self.path}).encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def unix_socket(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "engine.sock")

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(path, Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_the_engine_is_asked_over_its_socket(unix_socket: str) -> None:
    asked = engine.Engine(unix_socket)
    assert asked.get("/services") == {"path": "/services"}
    assert asked.network("a/b", gossip=True) == {"path": "/networks/a%2Fb?verbose=true"}
    assert asked.get("/tasks", {"id": ["x"]})["path"].startswith("/tasks?filters=%7B%22id%22")


def test_an_error_of_the_engine_keeps_its_status(unix_socket: str) -> None:
    with pytest.raises(engine.EngineError) as caught:
        engine.Engine(unix_socket).get("/missing")
    assert caught.value.status == 404


def test_after_a_broken_connection_the_next_question_is_answered(unix_socket: str) -> None:
    asked = engine.Engine(unix_socket)
    with pytest.raises(engine.http.client.HTTPException):
        asked.get("/gone")
    assert asked.get("/services") == {"path": "/services"}


def test_every_line_of_the_event_stream_wakes(unix_socket: str) -> None:
    """The stand-in answers one line and ends: one call for the line, one for the end."""
    calls = threading.Semaphore(0)
    engine.listen(calls.release, unix_socket)
    assert calls.acquire(timeout=60)
    assert calls.acquire(timeout=60)
