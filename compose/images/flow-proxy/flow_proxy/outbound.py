"""One HTTP request with time limits that hold.

The limits a socket knows are limits for one step: a server that sends a byte a second, or a name
that DNS does not answer, can take for ever. So the request runs in a thread of its own, and we wait
for the thread no longer than we said.
"""

import http.client
import socket
import ssl
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECT_SECONDS = 2.0
_MOST_BYTES = 16 * 1024 * 1024


class RequestFailed(Exception):
    """No answer came: refused, no route, no name, too late, or not HTTP."""


@dataclass(frozen=True)
class Answer:
    """Status code and body of an HTTP answer."""

    status: int
    body: bytes

    @property
    def good(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


def request(method: str, address: str, seconds: float, body: bytes | None = None) -> Answer:
    """Send one request; the whole of it, name lookup included, takes `seconds` at most.

    Raises RequestFailed, whose text names the address.
    """
    outcome: list[Answer | Exception] = []

    def work() -> None:
        try:
            outcome.append(_exchange(method, address, seconds, body))
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise RequestFailed(f"{address}: no answer within {seconds:g} seconds")
    result = outcome[0]
    if isinstance(result, Exception):
        raise RequestFailed(f"{address}: {result or type(result).__name__}")
    return result


def _exchange(method: str, address: str, seconds: float, body: bytes | None) -> Answer:
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    channel = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    try:
        channel.settimeout(seconds)
        if secure:
            channel = ssl.create_default_context().wrap_socket(channel, server_hostname=host)
        # http.client takes a socket that is open already, and speaks HTTP over it.
        connection = http.client.HTTPConnection(host, port)
        connection.sock = channel
        connection.request(method, target, body=body, headers={"Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.read(_MOST_BYTES))
    finally:
        channel.close()
