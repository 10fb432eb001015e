"""go-demo's answers, its HTTP and its wait for the database, without a database or an engine."""

from __future__ import annotations

import importlib
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "compose" / "images" / "go-demo"
MODULES = ("answers", "people", "waiting", "web")


@pytest.fixture(scope="module")
def demo() -> Any:
    """The program's modules; it lives outside the package because it runs in an image."""
    sys.path.insert(0, str(SOURCE))
    try:
        return SimpleNamespace(
            **{name: importlib.import_module(f"go_demo.{name}") for name in MODULES}
        )
    finally:
        sys.path.remove(str(SOURCE))


class Memory:
    """People without a database; `away` makes every question fail."""

    def __init__(self, unreachable: type[Exception]) -> None:
        self.known: dict[str, None] = {}
        self.away = False
        self._unreachable = unreachable

    def ping(self) -> None:
        if self.away:
            raise self._unreachable("no answer")

    def add(self, name: str) -> None:
        self.ping()
        self.known[name] = None

    def names(self) -> list[str]:
        self.ping()
        return list(self.known)


@pytest.fixture
def people(demo: Any) -> Memory:
    return Memory(demo.people.Unreachable)


Ask = Callable[[str, str], tuple[int, str]]


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def ask(demo: Any, people: Memory, logged: list[str], slept: list[float]) -> Ask:
    def asking(method: str, target: str) -> tuple[int, str]:
        reply = demo.answers.answer(method, target, people, log=logged.append, sleep=slept.append)
        return reply.status, reply.text

    return asking


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "ANY"])
def test_hello_to_any_method(ask: Ask, people: Memory, method: str) -> None:
    people.away = True
    assert ask(method, "/demo/hello") == (200, "hello, world!\n")


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("250", 0.25),
        ("+5", 0.005),
        ("0", 0),
        ("", 0),
        ("-3", 0),
        ("abc", 0),
        ("1.5", 0),
        ("1_0", 0),
        ("٣", 0),
        ("9223372036854775808", 0),
        ("9" * 4000, 0),
    ],
)
def test_delay(ask: Ask, slept: list[float], delay: str, seconds: float) -> None:
    assert ask("GET", f"/demo/hello?delay={delay.replace('+', '%2B')}")[0] == 200
    assert slept == [seconds]


def test_each_person_once(ask: Ask, people: Memory) -> None:
    assert ask("GET", "/demo/person") == (200, "")
    for name in ("viktor", "sara", "viktor"):
        assert ask("PUT", f"/demo/person?name={name}") == (200, "")
    assert ask("GET", "/demo/person") == (200, "viktor\nsara\n")
    assert ask("DELETE", "/demo/person") == (200, "viktor\nsara\n")


@pytest.mark.parametrize(
    ("query", "name"), [("name=a%20b%26c", "a b&c"), ("", ""), ("name=%C3%A9", "é"), ("x=1", "")]
)
def test_name_from_the_query(ask: Ask, people: Memory, query: str, name: str) -> None:
    ask("PUT", f"/demo/person?{query}")
    assert list(people.known) == [name]


@pytest.mark.parametrize("path", ["/", "/demo", "/demo/hello/", "/demo/persons", "/DEMO/hello"])
def test_anything_else_is_not_found(ask: Ask, logged: list[str], path: str) -> None:
    assert ask("GET", path) == (404, "404 page not found\n")
    assert logged == []


def test_requests_are_logged_with_their_query(ask: Ask, logged: list[str]) -> None:
    ask("GET", "/demo/hello?delay=1")
    ask("PUT", "/demo/person?name=x")
    assert logged == ["GET request to /demo/hello?delay=1", "PUT request to /demo/person?name=x"]


def test_log_line_is_go_s_and_one_line(demo: Any, capfd: pytest.CaptureFixture[str]) -> None:
    demo.web.log("GET request to /demo/hello\n\x1b[31m")
    line = capfd.readouterr().err
    stamp = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{stamp} GET request to /demo/hello\\x0a\\x1b\[31m\n", line)


def exchange(demo: Any, people: Memory, request: bytes) -> bytes:
    """What comes back on one connection that sends `request` and then nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        server, address = listener.accept()
    with client, server:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        demo.web.Handler(server, address, SimpleNamespace(people=people))
        server.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answer:
            return answer.read()


def test_http_head_and_body(demo: Any, people: Memory) -> None:
    answer = exchange(demo, people, b"GET /demo/hello HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14" in head
    assert body == b"hello, world!\n"


def test_head_has_no_body(demo: Any, people: Memory) -> None:
    answer = exchange(demo, people, b"HEAD /demo/hello HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 14" in answer and answer.endswith(b"\r\n\r\n")


def test_body_of_a_request_is_not_taken_for_the_next_one(demo: Any, people: Memory) -> None:
    body = b"GET /demo/x HTTP/1.1\r\n\r\n"
    put = b"PUT /demo/person?name=a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = exchange(demo, people, put + body + b"GET /demo/person HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"\r\n\r\na\n")


@pytest.mark.parametrize(
    "header", [b"Transfer-Encoding: chunked", b"Content-Length: 70000", b"Content-Length: -1"]
)
def test_connection_ends_after_a_body_of_unknown_length(
    demo: Any, people: Memory, header: bytes
) -> None:
    request = b"POST /demo/hello HTTP/1.1\r\n" + header + b"\r\n\r\n"
    answer = exchange(demo, people, request + b"GET /demo/hello HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in answer


def test_connection_ends_without_a_word_while_the_database_is_away(
    demo: Any, people: Memory, capfd: pytest.CaptureFixture[str]
) -> None:
    people.away = True
    assert exchange(demo, people, b"GET /demo/person HTTP/1.1\r\n\r\n") == b""
    assert "panic: no answer" in capfd.readouterr().err


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def wait(demo: Any, people: Memory, clock: Clock, limit: float, log: list[str]) -> None:
    demo.waiting.wait_for(
        people.ping, limit=limit, log=log.append, clock=lambda: clock.now, sleep=clock.sleep
    )


def test_no_pause_when_the_database_is_there(demo: Any, people: Memory) -> None:
    clock = Clock()
    wait(demo, people, clock, 60, [])
    assert clock.pauses == []


def test_pauses_grow_and_end_with_the_limit(demo: Any, people: Memory, logged: list[str]) -> None:
    clock = Clock()
    people.away = True
    with pytest.raises(demo.people.Unreachable):
        wait(demo, people, clock, 10, logged)
    assert clock.pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 2.25]
    assert logged[0] == "database not reachable, next try in 0.2 s: no answer"


def test_limit_of_zero_tries_once(demo: Any, people: Memory) -> None:
    clock = Clock()
    people.away = True
    with pytest.raises(demo.people.Unreachable):
        wait(demo, people, clock, 0, [])
    assert clock.pauses == []


def test_goes_on_when_the_database_comes(demo: Any, people: Memory, logged: list[str]) -> None:
    clock = Clock()
    people.away = True

    def ping() -> None:
        people.away = clock.now < 1003
        people.ping()

    demo.waiting.wait_for(
        ping, limit=60, log=logged.append, clock=lambda: clock.now, sleep=clock.sleep
    )
    assert clock.now == 1003.75
    assert len(logged) == 4
