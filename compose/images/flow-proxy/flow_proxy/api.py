"""Paths and query parameters: the controller's HTTP side.

A path must be exactly right, the method does not matter: so it was in the original, and so the
book's commands work with or without `-X PUT`.
"""

import http.server
import logging
import socketserver
import sys
import threading
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from .commands import RECONFIGURE, REMOVE, Commands
from .replies import Reply

log = logging.getLogger("flow-proxy")

_CONFIG = "/v1/docker-flow-proxy/config"
_TESTS = ("/v1/test", "/v2/test")

# A caller who does not finish its request within this time (seconds) is left.
_CALLER_SECONDS = 10.0
_MOST_BYTES = 1024 * 1024


class Server(socketserver.ThreadingTCPServer):
    """Listens at once when it is made, and serves each caller in a thread of its own.

    `text` gives the configuration in force. Raises OSError when the port is taken.
    """

    allow_reuse_address = True
    request_queue_size = 128
    # Threads are counted, so that `close` can wait for the requests in flight.
    daemon_threads = False

    def __init__(
        self, address: tuple[str, int], commands: Commands, text: Callable[[], str]
    ) -> None:
        self.commands = commands
        self.text = text
        super().__init__(address, _Caller)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def close(self, seconds: float) -> None:
        """Take no new caller, and wait at most `seconds` for the answers under way."""
        self.shutdown()
        closing = threading.Thread(target=self.server_close, daemon=True)
        closing.start()
        closing.join(seconds)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong with one caller; the others are served on."""
        # A caller that hangs up is no fault: the health check does, after the first line.
        if not isinstance(sys.exception(), ConnectionError):
            log.exception("request from %s", client_address)


class _Caller(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "flow-proxy"
    sys_version = ""
    timeout = _CALLER_SECONDS
    # Head and body leave in one piece.
    wbufsize = 65536
    server: Server

    def answer(self) -> None:
        self._skip_body()
        parts = urlsplit(self.path)
        if parts.path in _TESTS:
            self._send(200, "application/json", Reply().json())
        elif parts.path == _CONFIG:
            self._send(200, "text/plain; charset=utf-8", self.server.text().encode())
        elif parts.path == RECONFIGURE:
            self._reply(self.server.commands.reconfigure(_query(parts.query)))
        elif parts.path == REMOVE:
            self._reply(self.server.commands.remove(_query(parts.query)))
        else:
            self._send(404, "text/plain; charset=utf-8", b"")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def _skip_body(self) -> None:
        # A connection that is closed with a body still unread is reset, and the answer is lost.
        length = self.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit():
            self.rfile.read(min(int(length), _MOST_BYTES))

    def _reply(self, reply: Reply) -> None:
        self._send(reply.code, "application/json", reply.json())

    def _send(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        # One request for each connection: nobody idle is to be waited for at the end.
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        # The health check asks all the time; its lines would hide the others.
        if urlsplit(getattr(self, "path", "")).path not in _TESTS:
            log.info("%s %s", self.client_address[0], format % args)


def _query(text: str) -> dict[str, str]:
    # Of a parameter that comes twice, the first counts.
    query: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        query.setdefault(key, value)
    return query
