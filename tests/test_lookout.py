"""From where a node is seen: what is run there, and what becomes of words that are lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import docker
import pytest
from docker.errors import APIError

from swarmlab.cluster import lookouts
from swarmlab.lookout import Lookout, heard, run
from tests.exec_fakes import Execs, frames


class Engine(Execs):
    """An engine that says these words, one after the other, of what it runs."""

    def __init__(self, *said: bytes | None, exit_code: int | None = 0) -> None:
        self.said = list(said)
        self.exit_code = exit_code
        self.ran: list[list[str]] = []

    def exec_create(self, container: str, argv: list[str]) -> dict[str, str]:
        self.ran.append(argv)
        return {"Id": container}

    def words(self, identity: str) -> tuple[bytes, bytes]:
        return self.said.pop(0) or b"", b""

    def exec_inspect(self, identity: str) -> dict[str, Any]:
        return {"ExitCode": self.exit_code}


@pytest.mark.parametrize(
    ("said", "exit_code", "output", "times"),
    [
        ([b"ipvs"], 0, "ipvs", 1),
        ([None, b"ipvs"], 0, "ipvs", 2),
        ([b"", b"", b"", b"late"], 0, "", 3),
        ([None], 1, "", 1),
        ([None], None, "", 1),
    ],
)
def test_what_ended_well_and_said_nothing_is_asked_again(
    said: list[bytes | None], exit_code: int | None, output: str, times: int
) -> None:
    api = Engine(*said, exit_code=exit_code)
    ran = heard(api, "box", ["cat", "file"])
    assert (ran.output, len(api.ran)) == (output, times)
    assert ran.exit_code == (-1 if exit_code is None else exit_code)


def test_what_changes_something_is_run_once() -> None:
    api = Engine(b"", b"done")
    assert Lookout(api, "box").on_node("iptables -X $1", "chain") == (0, "")
    assert api.ran == [["sh", "-c", "iptables -X $1", "sh", "chain"]]


@pytest.mark.parametrize("own", [True, False])
def test_the_data_plane_is_asked_for_again_when_its_word_was_lost(own: bool) -> None:
    api = Engine(None, b"nftables\n")
    assert lookouts.data_plane(Lookout(api, "box", own=own)) == "nftables"
    assert len(api.ran) == 2
    assert (api.ran[0][0] == "nsenter") != own
    gone = Engine(b"", exit_code=1)
    assert lookouts.data_plane(Lookout(gone, "box", own=own)) == ""
    assert len(gone.ran) == 1


class OnePacket(BaseHTTPRequestHandler):
    """An engine whose answer comes whole: its head, and all that the program printed."""

    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/v1.44/containers/gone/"):
            self._answer(404, json.dumps({"message": "No such container: gone"}).encode())
        elif self.path.endswith("/exec"):
            self._answer(201, b'{"Id": "run"}')
        else:
            self.close_connection = True
            upgraded = "Upgrade" in self.headers
            self.wfile.write(
                b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n"
                if upgraded
                else b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
            )
            self.wfile.write(frames(b"swarm-1\n", b"a remark\n"))

    def do_GET(self) -> None:
        self._answer(200, b'{"ExitCode": 3}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api() -> Iterator[docker.APIClient]:
    """A client of such an engine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OnePacket) as server:
        Thread(target=server.serve_forever).start()
        client = docker.APIClient(f"tcp://127.0.0.1:{server.server_port}", version="1.44")
        with closing(client):
            yield client
        server.shutdown()


def test_words_that_come_with_the_head_of_the_answer_are_heard(api: docker.APIClient) -> None:
    identity = api.exec_create("box", ["hostname"])["Id"]
    assert api.exec_start(identity) == b"", "docker-py hears them now: what is `started` for?"
    ran = heard(api, "box", ["hostname"])
    assert (ran.exit_code, ran.output, ran.errors) == (3, "swarm-1\n", "a remark")
    assert run(api, "box", ["hostname"]) == (3, "swarm-1\na remark\n")


def test_what_the_engine_refuses_is_told_as_its_client_does(api: docker.APIClient) -> None:
    with pytest.raises(APIError) as refused:
        heard(api, "gone", ["hostname"])
    assert refused.value.status_code == 404
