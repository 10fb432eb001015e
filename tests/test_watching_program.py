"""The program that looks around in a node, run against an engine and a Consul of values."""

from __future__ import annotations

import json
import os
import select
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from swarmlab.watching.program import PROGRAM

SERVICE = "com.docker.swarm.service.name"
SWARM = {"/nodes": [{"ID": "n"}], "/tasks": [{"ID": "t"}], "/services": [{"ID": "s"}]}


@dataclass
class Node:
    """What engine and Consul answer, by path; a path that is not there is refused with 503.

    Bytes are sent as they are, anything else as JSON. Paths in `slow` are answered bit by bit.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    hangs: threading.Event | None = None
    slow: set[str] = field(default_factory=set)
    socket: str = ""
    consul: str = ""


def handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if node.hangs is not None:
                node.hangs.wait(60)
                return
            there = self.path in node.answers
            answer = node.answers.get(self.path, {"message": "no"})
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"
            self.send_response(200 if there else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path in node.slow:
                self._trickle(body)
            else:
                self.wfile.write(body)

        def _trickle(self, body: bytes) -> None:
            """Over six seconds, and never a second without a byte."""
            for at in range(len(body)):
                if threading.Event().wait(6 / len(body)):
                    break
                try:
                    self.wfile.write(body[at : at + 1])
                except OSError:  # nobody waited for it
                    break

        def address_string(self) -> str:
            return "here"

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    return Handler


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node({"/containers/json": [], **SWARM, "/v1/agent/members": [{"Addr": "a"}]})
    node.socket = str(tmp_path / "engine.sock")
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler(node))
    node.consul = f"127.0.0.1:{web.server_address[1]}"
    with serving(Unix(node.socket, handler(node))), serving(web):
        yield node


class Program:
    """The program at work on a node."""

    def __init__(self, node: Node, text: str = PROGRAM) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", text, node.socket, node.consul, "proxy"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def asked(self, swarm: bool = False) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"swarm": swarm}) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], 60)[0]:
            self._process.kill()
            raise TimeoutError("the program hangs")
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def end(self) -> int:
        """It ends when nobody can ask any more."""
        self._process.communicate(timeout=60)
        return self._process.returncode


@pytest.fixture
def program(node: Node) -> Iterator[Program]:
    program = Program(node)
    yield program
    assert program.end() == 0


def test_all_is_told_once_and_then_only_what_is_new(node: Node, program: Program) -> None:
    box = {"Id": "b", "Names": ["/util"], "Labels": {SERVICE: "util"}, "State": "running"}
    node.answers["/containers/json"] = [{**box, "Status": "Up 1 second"}]
    assert program.asked(swarm=True) == {
        "containers": [{name: box[name] for name in ("Id", "Names", "Labels")}],
        "texts": {},
        "pages": {},
        "members": [{"Addr": "a"}],
        "nodes": [{"ID": "n"}],
        "tasks": [{"ID": "t"}],
        "services": [{"ID": "s"}],
    }
    node.answers["/containers/json"] = [{**box, "Status": "Up 2 seconds"}]
    assert program.asked(swarm=True) == {}
    node.answers["/tasks"] = []
    node.answers["/v1/agent/members"] = [{"Addr": "b"}, {"Addr": "a"}]
    assert program.asked(swarm=True) == {"tasks": [], "members": [{"Addr": "a"}, {"Addr": "b"}]}
    node.answers["/v1/agent/members"].reverse()
    assert program.asked() == {}, "in what order Consul lists its members says nothing"


def test_of_the_swarm_only_whoever_is_asked_and_can_tells(node: Node, program: Program) -> None:
    assert not program.asked().keys() & {"nodes", "tasks", "services"}
    del node.answers["/services"]  # a leader that is lost half way
    refused = program.asked(swarm=True)
    assert refused == {"nodes": None, "tasks": None, "services": None}
    node.answers |= SWARM
    assert program.asked(swarm=True)["services"] == [{"ID": "s"}]


def test_a_consul_that_talks_nonsense_has_no_members(node: Node, program: Program) -> None:
    node.answers["/v1/agent/members"] = {"not": "a list"}
    assert program.asked()["members"] == []
    for nonsense in (None, ["no object"]):
        node.answers["/v1/agent/members"] = nonsense
        assert program.asked() == {}
    del node.answers["/v1/agent/members"]
    assert program.asked() == {}
    node.answers["/v1/agent/members"] = [{"Addr": "a"}]
    assert program.asked() == {"members": [{"Addr": "a"}]}


def test_a_proxy_that_cannot_be_read_is_said_to_be_there(node: Node, program: Program) -> None:
    """It ended between two questions, say; of other services nothing is read."""
    boxes = [("p", "proxy", "running"), ("q", "proxy", "paused"), ("u", "util", "running")]
    node.answers["/containers/json"] = [
        {"Id": one, "Names": [f"/{one}"], "Labels": {SERVICE: name}, "State": state}
        for one, name, state in boxes
    ]
    node.answers["/containers/p/json"] = {"State": {"Pid": 0}}
    node.answers["/containers/q/json"] = {"State": {"Pid": os.getpid()}}
    told = program.asked()
    assert told["texts"] == told["pages"] == {"p": None, "q": None}


def test_an_engine_that_is_gone_and_comes_back(node: Node, program: Program) -> None:
    hidden = Path(node.socket).with_suffix(".hidden")
    assert program.asked(swarm=True)["containers"] == []
    Path(node.socket).rename(hidden)
    gone = program.asked(swarm=True)
    assert gone == {"containers": None, "nodes": None, "tasks": None, "services": None}
    hidden.rename(node.socket)
    assert program.asked(swarm=True) == {"containers": [], **{k[1:]: v for k, v in SWARM.items()}}


def test_whoever_hangs_is_left_in_peace(node: Node) -> None:
    program = Program(node, altered("PEACE = 3.0, 3.0", "PEACE = 600.0, 600.0"))
    node.hangs = threading.Event()
    try:
        told = program.asked(swarm=True)
    finally:
        node.hangs.set()
    assert (told["containers"], told["members"], told["tasks"]) == (None, [], None)
    # Whoever is asked now answers.
    node.hangs = None
    assert program.asked(swarm=True) == {}
    assert program.end() == 0


def test_whoever_hung_is_asked_again(node: Node) -> None:
    program = Program(node, altered("PEACE = 3.0, 3.0", "PEACE = 3.0, 0.0"))
    node.hangs = threading.Event()
    try:
        assert program.asked(swarm=True)["containers"] is None
    finally:
        node.hangs.set()
    node.hangs = None
    told = program.asked(swarm=True)
    assert told["containers"] == [] and told["members"] and told["tasks"]
    assert program.end() == 0


def test_a_swarm_that_hangs_keeps_what_runs_from_nobody(node: Node, program: Program) -> None:
    """No quorum, say: the node's engine answers, the swarm does not."""
    node.slow = set(SWARM)
    told = program.asked(swarm=True)
    assert told["containers"] == [] and told["nodes"] is told["services"] is None


def test_an_answer_has_to_be_whole_in_time(node: Node, program: Program) -> None:
    node.slow = {"/v1/agent/members"}
    assert program.asked()["members"] == []


def test_an_answer_of_any_size_or_depth_does_no_harm(node: Node, program: Program) -> None:
    node.answers["/v1/agent/members"] = [{"Addr": "a" * (1 << 20)}]
    assert program.asked()["members"] == []
    node.answers["/v1/agent/members"] = b"[" * 500_000
    assert program.asked() == {}
    node.answers["/v1/agent/members"] = [{"Addr": "a"}]
    assert program.asked() == {"members": [{"Addr": "a"}]}


@pytest.mark.parametrize("kind", ["file", "pipe", "link", "folder", "linked folder"])
def test_nothing_but_a_plain_file_of_the_container_is_read(
    node: Node, tmp_path: Path, kind: str
) -> None:
    """A paused proxy has one, too, though it answers nothing."""
    (tmp_path / "node.cfg").write_text("of the node")
    root = tmp_path / str(os.getpid())
    root.mkdir()
    folder, file = root / "cfg", root / "cfg" / "haproxy.cfg"
    if kind == "linked folder":
        (tmp_path / "haproxy.cfg").write_text("of the node")
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
    if kind == "file":
        file.write_text("frontend")
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(tmp_path / "node.cfg")
    elif kind == "folder":
        file.mkdir()
    node.answers["/containers/json"] = [
        {"Id": "p", "Names": ["/p"], "Labels": {SERVICE: "proxy"}, "State": "paused"}
    ]
    node.answers["/containers/p/json"] = {"State": {"Pid": os.getpid()}}
    program = Program(node, altered("/proc/%d/root", f"{tmp_path}/%d"))
    told = program.asked()
    assert told["texts"] == {"p": "frontend" if kind == "file" else None}
    assert told["pages"] == {"p": None}
    assert program.end() == 0


def altered(old: str, new: str) -> str:
    """The program with one thing in it that is otherwise."""
    assert PROGRAM.count(old) == 1
    return PROGRAM.replace(old, new)
