"""The eyes in the nodes: what becomes of answers, of none, and of nodes that hang up."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from swarmlab.checks.base import World
from swarmlab.errors import EnvironmentProblem
from swarmlab.watching import eye
from swarmlab.watching.counting import Answered
from swarmlab.watching.eye import Eyes, Reading, Told
from tests.checks_fakes import NODES
from tests.test_watching import PAGE

NOTHING: dict[str, Any] = {
    "containers": [],
    "texts": {},
    "pages": {},
    "members": [],
}
Reply = Callable[[dict[str, Any]], bytes | None]


def line(**parts: Any) -> bytes:
    """A program's answer as the engine passes it on, in two frames."""
    whole = json.dumps(parts).encode() + b"\n"
    halves = whole[: len(whole) // 2], whole[len(whole) // 2 :]
    return b"".join(struct.pack(">BxxxL", 1, len(half)) + half for half in halves)


class Nodes:
    """A world whose programs are threads: `replies` has what each answers; None hangs up."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[tuple[str, bool]] = []
        self.begun: list[str] = []
        self.refused: dict[str, Exception] = {}
        self._sockets: list[socket.socket] = []

    def address(self, node: str) -> str:
        return "172.31.0.11"

    def lookout(self, node: str) -> Any:
        if node in self.refused:
            raise self.refused[node]
        self.begun.append(node)
        return SimpleNamespace(own=True, container=node, api=self)

    def exec_create(self, container: str, command: list[str], **how: Any) -> dict[str, str]:
        return {"Id": container}

    def exec_start(self, identity: str, **how: Any) -> socket.socket:
        near, far = socket.socketpair()
        self._sockets += [near, far]
        threading.Thread(target=self._work, args=(identity, far), daemon=True).start()
        return near

    def _work(self, node: str, far: socket.socket) -> None:
        for question in far.makefile("r"):
            asked = json.loads(question)
            self.asked.append((node, asked["swarm"]))
            answer = self.replies[node](asked)
            if answer is None:
                break
            try:
                far.sendall(answer)
            except OSError:  # nobody waited for it
                break
        far.close()

    def close(self) -> None:
        for one in self._sockets:
            one.close()


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    nodes.replies = dict.fromkeys(NODES, lambda asked: line(**NOTHING))
    yield nodes
    nodes.close()


@pytest.fixture
def eyes(nodes: Nodes) -> Iterator[Eyes]:
    eyes = Eyes(cast(World, nodes), "proxy")
    yield eyes
    eyes.close()


def test_what_is_not_told_again_is_still_so(nodes: Nodes, eyes: Eyes) -> None:
    swarm = {"nodes": [{"ID": "n"}], "tasks": [], "services": []}
    read = {"texts": {"box": "frontend"}, "pages": {"box": PAGE}}
    boxes = [{"Id": "box"}]
    answers = iter(
        [
            line(**{**NOTHING, **read, **swarm, "containers": boxes, "members": [{"Addr": "a"}]}),
            line(),
            line(tasks=[{"ID": "t"}], pages={"box": None}),
            line(),
            line(),
        ]
    )
    nodes.replies["swarm-1"] = lambda asked: next(answers)
    (first,) = eyes.look(["swarm-1"], ["swarm-1"]).values()
    assert first.containers == boxes and first.members == [{"Addr": "a"}]
    assert first.swarm == ([{"ID": "n"}], [], [])
    assert first.proxies["box"].text == "frontend"
    assert Answered("go-demo", "2xx", 6) in (first.proxies["box"].answered or ())
    assert eyes.look(["swarm-1"], ["swarm-1"]) == {"swarm-1": first}
    (third,) = eyes.look(["swarm-1"], ["swarm-1"]).values()
    assert third.swarm == ([{"ID": "n"}], [{"ID": "t"}], [])
    assert third.proxies == {"box": Reading("frontend", None)}
    assert eyes.look(["swarm-1"])["swarm-1"].swarm is None, "nobody asked for it"
    assert eyes.look(["swarm-1"], ["swarm-1"]) == {"swarm-1": third}
    assert nodes.begun == ["swarm-1"]


def test_a_silent_engine_has_nothing_to_read(nodes: Nodes, eyes: Eyes) -> None:
    parts = {**NOTHING, "texts": {"box": "frontend"}, "pages": {"box": None}}
    answers = iter([line(**parts), line(containers=None), line(containers=[])])
    nodes.replies["swarm-1"] = lambda asked: next(answers)
    assert eyes.look(["swarm-1"])["swarm-1"].proxies
    assert eyes.look(["swarm-1"]) == {"swarm-1": Told(members=[])}
    assert eyes.look(["swarm-1"])["swarm-1"].proxies, "it is read again"


@pytest.mark.parametrize(
    "answer", [None, b"\1\0\0\0\0\0\0\2{\n", line(), struct.pack(">BxxxL", 1, 1 << 31)]
)
def test_one_that_hangs_up_or_talks_nonsense_is_begun_anew(
    nodes: Nodes, eyes: Eyes, answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eye, "SECONDS", 30.0)
    monkeypatch.setattr(eye, "_LARGEST", 1 << 10)
    nodes.replies["swarm-2"] = lambda asked: answer
    assert eyes.look(NODES).keys() == {"swarm-1", "swarm-3"}
    nodes.replies["swarm-2"] = lambda asked: line(**NOTHING)
    assert eyes.look(NODES) == dict.fromkeys(NODES, Told(containers=[], members=[]))
    assert nodes.begun.count("swarm-2") == 2 and nodes.begun.count("swarm-1") == 1


def test_a_node_without_a_lookout_is_left_to_its_engine(nodes: Nodes, eyes: Eyes) -> None:
    nodes.refused["swarm-3"] = EnvironmentProblem("no such node")
    assert eyes.look(NODES).keys() == {"swarm-1", "swarm-2"}
    del nodes.refused["swarm-3"]
    assert eyes.look(NODES).keys() == set(NODES)


def test_one_that_hangs_is_waited_for_once_and_costs_the_others_nothing(
    nodes: Nodes, eyes: Eyes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eye, "SECONDS", 0.3)
    monkeypatch.setattr(eye, "IN_PEACE", 60.0)
    over = threading.Event()
    try:
        nodes.replies["swarm-1"] = lambda asked: b"" if over.wait(60) else None
        fine = Told(containers=[], members=[])
        seen = {"swarm-1": Told(), "swarm-2": fine, "swarm-3": fine}
        assert eyes.look(NODES) == seen
        assert eyes.look(NODES) == seen
    finally:
        over.set()
    assert [node for node, _ in nodes.asked].count("swarm-1") == 1
