"""The program that looks around in a node, run against an engine and a Consul of values."""

from __future__ import annotations

import json
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
    """What engine and Consul answer, by path; a path that is not there is refused with 503."""

    answers: dict[str, Any] = field(default_factory=dict)
    hangs: threading.Event | None = None
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
            body = json.dumps(node.answers.get(self.path, {"message": "no"})).encode() + b"\n"
            self.send_response(200 if there else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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

    def __init__(self, node: Node) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", PROGRAM, node.socket, node.consul, "proxy"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def asked(self, swarm: bool = False) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"swarm": swarm}) + "\n")
        self._process.stdin.flush()
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
        "slow": False,
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
    told = program.asked()
    assert told["texts"] == {"p": None} and told["pages"] == {"p": None}


def test_an_engine_that_is_gone_and_comes_back(node: Node, program: Program) -> None:
    hidden = Path(node.socket).with_suffix(".hidden")
    assert program.asked(swarm=True)["containers"] == []
    Path(node.socket).rename(hidden)
    gone = program.asked(swarm=True)
    assert gone == {"containers": None, "nodes": None, "tasks": None, "services": None}
    hidden.rename(node.socket)
    assert program.asked(swarm=True) == {"containers": [], **{k[1:]: v for k, v in SWARM.items()}}


def test_an_engine_that_hangs_is_told_from_one_that_is_gone(node: Node, program: Program) -> None:
    node.hangs = threading.Event()
    try:
        told = program.asked(swarm=True)
    finally:
        node.hangs.set()
    assert (told["containers"], told["slow"], told["members"]) == (None, True, [])
    node.hangs = None
    assert program.asked()["slow"] is False
