"""The two-way connection to an exec: one thread reads it while another one writes.

docker-py's own reader waits for bytes to arrive although TLS has them already: it hears the head
of a frame, and the rest of it only when more comes. And one TLS connection is not for two threads
at once. So here TLS never blocks: whoever has to wait, waits for the socket and holds nobody up.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from swarmlab.engine import close_stream

T = TypeVar("T")

_HEAD = struct.Struct(">BxxxL")
_MOST = 1 << 16
# The other thread may have taken bytes off the socket, of which this one then hears nothing.
_AGAIN_SECONDS = 0.5


class Wire:
    """What `exec_start(..., socket=True)` gave. `close` may be called from any thread."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        # docker-py gives a SocketIO around the real socket on unix and TCP, a pipe on Windows.
        self._socket: Any = getattr(stream, "_sock", stream)
        self._tls = isinstance(self._socket, ssl.SSLSocket)
        self._guard = threading.Lock()
        with contextlib.suppress(AttributeError):
            self._socket.settimeout(0.0 if self._tls else None)

    def send(self, data: bytes) -> None:
        """Write all of it. Raises OSError."""
        rest = memoryview(data)
        while self._tls and rest:
            rest = rest[self._patiently(partial(self._socket.send, rest)) :]
        if rest:
            self._socket.sendall(rest)

    def frames(self) -> Iterator[bytes]:
        """What the program says, on whichever of its outputs. Raises OSError."""
        while head := self._exactly(_HEAD.size):
            left = int(_HEAD.unpack(head)[1])
            while left > 0:
                chunk = self._recv(min(left, _MOST))
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk

    def close(self) -> None:
        """Hang up; may be called twice."""
        with contextlib.suppress(OSError, AttributeError), self._guard:
            self._socket.shutdown(socket.SHUT_RDWR)
        close_stream(self._stream)

    def _exactly(self, count: int) -> bytes:
        """So many bytes; nothing when they do not come any more."""
        got = b""
        while len(got) < count:
            chunk = self._recv(count - len(got))
            if not chunk:
                return b""
            got += chunk
        return got

    def _recv(self, most: int) -> bytes:
        if not self._tls:
            return bytes(self._socket.recv(most))
        return self._patiently(lambda: bytes(self._socket.recv(most)))

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do it as soon as TLS lets it be done."""
        while True:
            try:
                with self._guard:
                    return work()
            except ssl.SSLWantReadError:
                wanted = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                wanted = selectors.EVENT_WRITE
            with selectors.DefaultSelector() as waiting:
                waiting.register(self._socket, wanted)
                waiting.select(_AGAIN_SECONDS)
