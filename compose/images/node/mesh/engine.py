"""Talking to the engine: plain HTTP over its unix socket."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"

# Only what can change a plan. Without this list every health check, which is an
# "exec" to the engine, would wake us up.
EVENTS = {
    "type": ["container", "network", "service", "node"],
    "event": [
        "start", "die", "kill", "destroy", "health_status",
        "create", "update", "remove", "connect", "disconnect",
    ],
}  # fmt: skip


class EngineError(Exception):
    """The engine answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int, path: str, text: str) -> None:
        super().__init__(f"{path}: {status} {text.strip()}")
        self.status = status


class UnixConnection(http.client.HTTPConnection):
    """HTTP does not mind what carries its bytes; here it is a unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("engine", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    """The engine of this node. One connection, kept open between questions.

    `timeout`: seconds that the engine may take to answer.
    """

    def __init__(self, path: str = SOCKET, timeout: float = 10.0) -> None:
        self.connection = UnixConnection(path, timeout)

    def get(self, path: str, filters: dict[str, list[str]] | None = None) -> Any:
        """The JSON answer to GET `path`.

        Raises EngineError for an answer that is not 200, OSError or
        http.client.HTTPException when there is no engine to answer.
        """
        if filters:
            path += "?filters=" + quote(json.dumps(filters))
        try:
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            # The next question starts on a fresh connection: the engine may have
            # been restarted, or it closed one that had been idle.
            self.connection.close()
            raise
        if answer.status != 200:
            raise EngineError(answer.status, path, body.decode(errors="replace"))
        return json.loads(body)

    def overlay_networks(self) -> list[dict[str, Any]]:
        """All overlay networks this engine has heard of, in short."""
        answer: list[dict[str, Any]] = self.get("/networks", {"driver": ["overlay"]})
        return answer

    def network(self, name: str, gossip: bool = False) -> dict[str, Any]:
        """One network; with `gossip` also its services, as this node heard of them."""
        path = f"/networks/{quote(name, safe='')}"
        answer: dict[str, Any] = self.get(path + ("?verbose=true" if gossip else ""))
        return answer


def listen(call: Callable[[], None], path: str = SOCKET) -> threading.Thread:
    """Call `call` for every event of the engine, from a thread of its own.

    The thread outlives a restart of the engine: it calls once when the stream
    breaks, since anything may have happened meanwhile, and then tries again.
    """
    thread = threading.Thread(target=_listen_for_ever, args=(call, path), daemon=True)
    thread.start()
    return thread


def _listen_for_ever(call: Callable[[], None], path: str) -> None:
    pause = threading.Event()
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            _listen_once(call, path)
        call()
        pause.wait(1)


def _listen_once(call: Callable[[], None], path: str) -> None:
    connection = UnixConnection(path, timeout=None)
    try:
        connection.request("GET", "/events?filters=" + quote(json.dumps(EVENTS)))
        stream = connection.getresponse()
        # One event is one line of JSON. What it says does not matter: we look at
        # the whole state anyway, so a lost event can never leave us wrong.
        while stream.readline():
            call()
    finally:
        connection.close()
