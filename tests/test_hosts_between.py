"""Whether machines hear one another: the programs that try it, and what is said of what is shut."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from swarmlab import words
from swarmlab.errors import EnvironmentProblem
from swarmlab.providers.base import ENGINE_PORT, LAB_PORTS
from swarmlab.providers.hosts import between, ports
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.between import HERE
from swarmlab.providers.hosts.needs import GATE_PORT, PORTS

WHERE = "127.0.0.1"
NODES = ("swarm-1", "swarm-2", "swarm-3")


def free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind((WHERE, 0))
        return int(one.getsockname()[1])


@contextmanager
def listening(tcp: list[int], udp: list[int]) -> Iterator[None]:
    argv = [sys.executable, "-ISc", between.LISTENING, json.dumps([WHERE, tcp, udp, 30])]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.communicate()


def knocked(*doors: tuple[str, str, str, int]) -> list[list[Any]]:
    argv = [sys.executable, "-ISc", between.KNOCKING, json.dumps([doors, 1.0])]
    told: list[list[Any]] = json.loads(subprocess.check_output(argv, timeout=60))
    return told


def test_what_listens_is_open_and_what_does_not_is_shut() -> None:
    tcp, udp = free(socket.SOCK_STREAM), free(socket.SOCK_DGRAM)
    with (
        listening([tcp], [udp]),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
    ):
        deaf.bind((WHERE, 0))
        silent = deaf.getsockname()[1]
        shut = free(socket.SOCK_STREAM)
        assert knocked(
            ("swarm-1", WHERE, "TCP", tcp),
            ("swarm-1", WHERE, "UDP", udp),
            ("swarm-2", WHERE, "TCP", shut),
            ("swarm-2", WHERE, "UDP", silent),
        ) == [["swarm-2", "TCP", shut], ["swarm-2", "UDP", silent]]
    assert knocked() == []


def test_all_that_is_tried_is_known_to_be_free() -> None:
    assert {*between.TCP, *between.FROM_HERE} <= set(PORTS)
    assert set(between.UDP) <= set(ports.UDP)
    assert GATE_PORT in between.FROM_HERE and ENGINE_PORT not in between.FROM_HERE
    assert len(between.FROM_HERE) == len(LAB_PORTS)


def test_each_machine_is_told_with_what_is_shut_and_to_whom() -> None:
    two = [("swarm-2", "UDP", 4789), ("swarm-2", "TCP", 2377)]
    shut: Mapping[str, list[between.Door]] = {
        "swarm-1": two,
        "swarm-2": [],
        "swarm-3": two[:1],
        HERE: [("swarm-3", "TCP", 12376)],
    }
    told = list(map(str, between.judge(NODES, shut)))
    assert [line.partition(". ")[0] for line in told] == [
        "swarm-2: it cannot be reached from swarm-1, swarm-3 at TCP 2377, UDP 4789",
        "swarm-3: it cannot be reached from this computer at TCP 12376",
    ]
    assert all("the page `Machines of your own`" in line for line in told)
    assert between.judge(NODES, {one: [] for one in (*NODES, HERE)}) == []
    words.use("zh")
    try:
        assert str(between.judge(NODES, shut)[1]).startswith(
            "swarm-3：从这台电脑访问不到它的 TCP 12376。"
        )
    finally:
        words.use(words.MAIN)


def test_this_computer_knocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, shut = free(socket.SOCK_STREAM), free(socket.SOCK_STREAM)
    monkeypatch.setattr(between, "FROM_HERE", (opened, shut))
    with listening([opened], []):
        assert between._from_here({"swarm-1": WHERE}) == [("swarm-1", "TCP", shut)]


class Engine:
    """An engine whose containers run on this machine, at once."""

    def __init__(self) -> None:
        self.ran: dict[str, Any] = {}

    def create_container_from_config(self, config: dict[str, Any]) -> dict[str, str]:
        assert config["Labels"]["swarmlab.instance"] == "ab12"
        self.ran[str(len(self.ran))] = config["Entrypoint"]
        return {"Id": str(len(self.ran) - 1)}

    def start(self, box: str) -> None:
        argv = self.ran[box]
        argv = [sys.executable, *argv[1:]]
        self.ran[box] = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait(self, box: str) -> dict[str, int]:
        return {"StatusCode": self.ran[box].wait()}

    def inspect_container(self, box: str) -> dict[str, Any]:
        return {"State": {"Running": self.ran[box].poll() is None}}

    def logs(self, box: str) -> bytes:
        return str(self.ran[box].stdout.readline()).encode()

    def remove_container(self, box: str, **_: Any) -> None:
        process = self.ran.pop(box)
        process.kill()
        process.communicate()


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Engine]:
    """Two machines, which are this one at two of its addresses, and ports that anybody may have."""
    for name, kind in (("TCP", socket.SOCK_STREAM), ("UDP", socket.SOCK_DGRAM)):
        monkeypatch.setattr(between, name, (free(kind),))
    monkeypatch.setattr(between, "FROM_HERE", (free(socket.SOCK_STREAM),))
    monkeypatch.setattr(between, "_from_here", lambda addresses: [])
    monkeypatch.setattr(between, "MANAGER_PORT", between.TCP[0])
    monkeypatch.setattr(between, "_KNOCK_SECONDS", 1.0)
    return {"swarm-1": Engine(), "swarm-2": Engine()}


AT = {"swarm-1": "127.0.0.2", "swarm-2": "127.0.0.3"}


def tried(engines: dict[str, Engine], managers: tuple[str, ...], at: dict[str, str]) -> list[str]:
    whose = Whose("monday", "ab12")
    found = between.troubles(at, managers, lambda n: engines[n], lambda n: "sha256:1", whose)
    return list(map(str, found))


def test_machines_that_hear_one_another_have_no_troubles(engines: dict[str, Engine]) -> None:
    assert tried(engines, NODES, AT) == []
    # A worker need not be reached as managers are: nobody listens there, and nobody knocks.
    assert tried(engines, NODES[:1], AT) == []
    assert [engine.ran for engine in engines.values()] == [{}, {}]


def test_a_machine_that_cannot_listen_is_named_and_nothing_stays(
    engines: dict[str, Engine],
) -> None:
    with pytest.raises(EnvironmentProblem, match="ports of swarm-2 cannot be tried") as told:
        tried(engines, NODES, {**AT, "swarm-2": "203.0.113.9"})
    assert told.value.evidence
    assert [engine.ran for engine in engines.values()] == [{}, {}]
