"""A bundle given to the laptops of one room: one file over HTTP, and nothing else.

The file is opened once, before anything listens, so what lies beside it or comes in its place is
out of reach. Each client has a thread of its own and a bounded time for everything it does, and
there are only so many places.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from swarmlab.bundle import reading
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.words import say

NAME = "swarmlab-bundle.zip"
"""What the bundle is called by those who fetch it, whatever its file is called here."""

PORT = 8642
PLACES = 64
"""Clients at the same time; whoever comes then is asked to come again."""
PLACES_EACH = 32
"""Of these for one address, so that no laptop can take all; a whole room may come by one."""

_REQUEST_SECONDS = 10.0
_BLOCK_SECONDS = 30.0
_BLOCK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Told = Callable[[str, int, bool, float], None]
"""Told of each copy: the client's address, bytes given, whether to the end, seconds."""


class Content:
    """The bundle's bytes, from a file that stays open."""

    def __init__(self, path: Path, sha256: str) -> None:
        self.tag = f'"{sha256}"'
        self._file = path.open("rb")
        self._guard = threading.Lock()
        self.size = os.fstat(self._file.fileno()).st_size

    def at(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on."""
        with self._guard:
            self._file.seek(offset)
            return self._file.read(length)

    def close(self) -> None:
        self._file.close()


def wanted(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last that a Range header asks for.

    None when it asks for all, or in a way that need not be understood (RFC 9110, 14.2). Raises
    ValueError when there are no such bytes.
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1 if last else size)
    if begin >= end:
        raise ValueError(header)
    return begin, end


class Server(ThreadingHTTPServer):
    """The server; `close` ends it and every copy under way."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], content: Content, told: Told) -> None:
        self.content = content
        self.told = told
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._take(client_address[0]):
            super().process_request(request, client_address)
            return
        # Never waits: a full buffer of a client that has asked nothing yet cannot be.
        request.settimeout(0)
        try:
            request.send(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
        except OSError:
            pass
        finally:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._taken[client_address[0]] -= 1
                self._taken += Counter()  # Forgets those who have none any more.

    def _take(self, client: str) -> bool:
        """Whether that client gets a place."""
        with self._lock:
            if self._taken.total() >= PLACES or self._taken[client] >= PLACES_EACH:
                return False
            self._taken[client] += 1
            return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's error."""


class Handler(BaseHTTPRequestHandler):
    """One request of one client."""

    protocol_version = "HTTP/1.1"
    server_version = "swarmlab"
    sys_version = ""
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(_BLOCK_SECONDS)
        self._late = threading.Timer(_REQUEST_SECONDS, self._cut)
        self._late.daemon = True
        self._late.start()

    def _cut(self) -> None:
        """End a client that has not asked for anything in time, however slowly it goes on."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def finish(self) -> None:
        self._late.cancel()
        super().finish()

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        self._late.cancel()
        # One request a connection: a place is not held for one that may never come.
        self.close_connection = True
        return parsed

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        content = self.server.content
        if self.path != f"/{NAME}":
            self._refuse(404)
            return
        begin, end = 0, content.size
        header = self.headers.get("Range", "")
        if header and self.headers.get("If-Range", content.tag) == content.tag:
            try:
                part = wanted(header, content.size)
            except ValueError:
                self._refuse(416, {"Content-Range": f"bytes */{content.size}"})
                return
            begin, end = part or (begin, end)
            self.send_response(206 if part else 200)
            if part:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{content.size}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(end - begin))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", content.tag)
        self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self._give(begin, end)

    def _give(self, begin: int, end: int) -> None:
        start = time.monotonic()
        at = begin
        try:
            while at < end:
                block = self.server.content.at(at, min(_BLOCK, end - at))
                if not block:
                    break
                # At most the connection's time limit for each block, or the client is cut off.
                self.connection.sendall(block)
                at += len(block)
        except OSError:
            pass
        whole = at == end == self.server.content.size
        self.server.told(self.client_address[0], at - begin, whole, time.monotonic() - start)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses: a malformed request, an unknown method."""
        self._refuse(405 if code == 501 else code)

    def _refuse(self, code: int, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {**(more or {}), "Content-Length": "0", "Connection": "close"}.items():
            self.send_header(key, value)
        if code == 405:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def serving(path: Path, bind: str, port: int, told: Told) -> Iterator[Server]:
    """A server of the bundle at `path`, listening; `serve_forever` makes it answer.

    The bundle is checked first. Raises ImageProblem when it is not whole, UsageError for an
    address that is not this machine's, EnvironmentProblem when the port is taken.
    """
    with reading.opened(path) as bundle:
        bundle.check()
    content = Content(path, reading.digest(path))
    try:
        server = Server((bind, port), content, told)
    except (OSError, OverflowError) as error:
        content.close()
        raise _no_place(bind, port, error) from error
    try:
        yield server
    finally:
        server.server_close()
        content.close()


def _no_place(bind: str, port: int, error: Exception) -> UsageError | EnvironmentProblem:
    words = getattr(error, "strerror", None) or str(error)
    if "in use" in words.lower():
        return EnvironmentProblem(
            say("Port {port} of {bind} is taken.", port=port, bind=bind),
            hint=say("Give another one with --port."),
        )
    return UsageError(
        say("{bind} port {port} cannot be opened: {why}.", bind=bind, port=port, why=words),
        hint=say(
            "Give --bind one of this machine's addresses: {names}.",
            names=", ".join(addresses()) or "127.0.0.1",
        ),
    )


def addresses() -> list[str]:
    """This machine's own addresses in its networks, the one that leads out first."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the kernel only chooses the way. The address is one for documents.
            probe.connect(("192.0.2.1", 9))
            found.append(str(probe.getsockname()[0]))
        except OSError:
            pass
    with suppress(OSError):
        found += [str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None)]
    return [one for one in dict.fromkeys(found) if ":" not in one and not one.startswith("127.")]
