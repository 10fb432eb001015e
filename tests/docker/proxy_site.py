"""Servers of the tests' own on loopback: a proxy that wants a password, an archive over HTTPS.

Both count, and both are bounded: what a build asks for is some dozens of files.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from swarmlab.cluster import tls

LOGIN = "ada:planted%2Fproxy%2Bword"
MOST = 2000
_SECONDS = 60
_HELD = ("content-type", "content-length", "last-modified", "etag", "location")


class Server(ThreadingHTTPServer):
    """`asked` are the addresses that were asked for, `refused` is how many without a password."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.asked: list[str] = []
        self.refused = 0
        self.archive = ""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def fetch(self, url: str) -> None:
        """Answer with what the address answers."""
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        there = kind(parts.netloc, timeout=_SECONDS)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        asked = {k: v for k, v in self.headers.items() if k.lower() in ("range", "user-agent")}
        try:
            there.request("GET", path, headers=asked)
            answer = there.getresponse()
            content = answer.read()
        except OSError as error:
            self.send_error(502, str(error))
            return
        finally:
            there.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in _HELD[:1] + _HELD[2:]:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def let_in(self, header: str, code: int, asks: str) -> bool:
        """Whether the header has the login; who has none is told to bring it."""
        wanted = base64.b64encode(unquote(LOGIN).encode()).decode()
        if self.headers.get(header) == f"Basic {wanted}":
            return True
        self.server.refused += 1
        self.send_response(code)
        self.send_header(asks, 'Basic realm="school"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def count(self, what: str) -> bool:
        """Note it; whether it is still within bounds."""
        self.server.asked.append(what)
        if len(self.server.asked) > MOST:
            self.send_error(503, "that was enough")
        return len(self.server.asked) <= MOST


class _Proxy(_Handler):
    def _let_in(self) -> bool:
        return self.let_in("Proxy-Authorization", 407, "Proxy-Authenticate")

    def do_GET(self) -> None:
        if self._let_in() and self.count(self.path):
            self.fetch(self.path)

    def do_CONNECT(self) -> None:
        if not self._let_in() or not self.count(self.path):
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=_SECONDS) as there:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            back = threading.Thread(target=_pour, args=(there, self.connection), daemon=True)
            back.start()
            _pour(self.connection, there)
            back.join(timeout=_SECONDS)


def _pour(source: socket.socket, to: socket.socket) -> None:
    try:
        while block := source.recv(1 << 16):
            to.sendall(block)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        return


class _Archive(_Handler):
    def do_GET(self) -> None:
        if self.count(self.path):
            self.fetch(self.server.archive + self.path)


class _LockedArchive(_Archive):
    def do_GET(self) -> None:
        if self.let_in("Authorization", 401, "WWW-Authenticate"):
            super().do_GET()


@contextmanager
def _serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def proxy() -> Iterator[Server]:
    """A proxy that lets in those alone who know `LOGIN`."""
    with _serving(Server(_Proxy)) as server:
        yield server


@contextmanager
def archive(folder: Path, of: str) -> Iterator[tuple[Server, Path]]:
    """What the machine of the address `of` has, over HTTPS; and the file of its own authority."""
    authority = tls.make_authority("school")
    pair = tls.issue_server(authority, "localhost", ["127.0.0.1"])
    certificate, key, own = folder / "cert.pem", folder / "key.pem", folder / "own.pem"
    certificate.write_bytes(pair.cert)
    key.write_bytes(pair.key)
    own.write_bytes(authority.cert)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = Server(_Archive)
    server.archive = of
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server) as serving:
        yield serving, own


@contextmanager
def locked_archive(of: str) -> Iterator[Server]:
    """What the machine of the address `of` has, for those alone who know `LOGIN`."""
    server = Server(_LockedArchive)
    server.archive = of
    with _serving(server) as serving:
        yield serving
