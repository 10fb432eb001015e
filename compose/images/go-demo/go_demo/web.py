"""HTTP around `answers`: reading requests, writing replies, one thread a connection."""

import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .answers import Reply, answer
from .people import People, Unreachable

PORT = 8080


def log(message: str) -> None:
    """Write a line as Go's log package does; what cannot be printed is escaped."""
    line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in message)
    print(time.strftime("%Y/%m/%d %H:%M:%S"), line, file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    """The web server; knows the people."""

    daemon_threads = True  # a slow request must not hold up the end of the program
    request_queue_size = 128  # the library's 5 would refuse a burst of new connections

    def __init__(self, address: tuple[str, int], people: People) -> None:
        self.people = people
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 75.0  # seconds that a connection may be silent
    # Head and body leave in one packet: a body that waits for the receipt of its head
    # costs 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        # The library looks for do_GET, do_PUT and so on. The service takes every method.
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def handle_request(self) -> None:
        """Answer, or hang up without a word when the database is away, as the original does."""
        self._read_body()
        try:
            reply = answer(self.command, self.path, self.server.people, log=log)
        except Unreachable as error:
            log(f"panic: {error}")
            self.close_connection = True
        else:
            self._send(reply)

    def _read_body(self) -> None:
        # Nothing in it matters, but the next request on this connection starts behind it.
        length = self.headers.get("Content-Length", "0")
        if length.isdecimal() and int(length) <= 65_536 and "Transfer-Encoding" not in self.headers:
            self.rfile.read(int(length))
        else:
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        body = reply.text.encode()
        self.send_response_only(reply.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        # Only what `answers` logs: the library's own line for each request would double it.
        return
