"""The connection to an exec: frames heard whole over TLS, and written while they are read."""

from __future__ import annotations

import os
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarmlab.cluster import tls
from swarmlab.wire import Wire


def frame(content: bytes, output: int = 1) -> bytes:
    return struct.pack(">BxxxL", output, len(content)) + content


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["tls", "plain"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Our end and the engine's end of a connection."""
    near, far = socket.socketpair()
    if request.param == "tls":
        authority = tls.make_authority("engine")
        server = tls.issue_server(authority, "localhost", ["127.0.0.1"])
        (tmp_path / "cert.pem").write_bytes(server.cert)
        (tmp_path / "key.pem").write_bytes(server.key)
        theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        theirs.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        ours = ssl.create_default_context(cadata=authority.cert.decode())
        with ThreadPoolExecutor(1) as pool:
            wrapped = pool.submit(theirs.wrap_socket, far, server_side=True)
            near = ours.wrap_socket(near, server_hostname="localhost")
            far = wrapped.result(timeout=60)
    far.settimeout(60)
    yield near, far
    near.close()
    far.close()


def soon(work: Callable[[], bytes]) -> bytes:
    """What it gives, within a minute."""
    came: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=lambda: came.put(work()), daemon=True).start()
    return came.get(timeout=60)


def test_a_frame_is_heard_while_the_connection_goes_on(pair: Pair) -> None:
    """Head and content come at once, and nothing after them."""
    near, far = pair
    wire = Wire(near)
    heard = wire.frames()
    for content in (b"ready", b"x" * 40_000):
        far.sendall(frame(content))
        got = b""
        while len(got) < len(content):
            got += soon(lambda: next(heard))
        assert got == content
    wire.close()


def test_both_outputs_are_heard_in_order_and_the_end_is_the_end(pair: Pair) -> None:
    near, far = pair
    far.sendall(frame(b"one") + frame(b"two", 2) + frame(b"") + frame(b"three")[:-1])
    far.close()
    assert b"".join(Wire(near).frames()) == b"onetwothre"


def test_it_is_written_while_it_is_read(pair: Pair) -> None:
    """More in each direction than the connection holds, by two threads at once."""
    near, far = pair
    wire = Wire(near)
    sent, wanted = os.urandom(3_000_000), os.urandom(3_000_000)
    came = bytearray()

    def take() -> None:
        while len(came) < len(sent):
            came.extend(far.recv(1 << 16))

    def give() -> None:
        for begin in range(0, len(wanted), 50_000):
            far.sendall(frame(wanted[begin : begin + 50_000]))

    def both() -> None:
        # A TLS connection is not for two threads: at the far end one does both.
        give()
        take()

    far_end = threading.Thread(target=both, daemon=True)
    far_end.start()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(wire.send, sent)
        got = bytearray()
        for chunk in wire.frames():
            got.extend(chunk)
            if len(got) == len(wanted):
                break
        writing.result(timeout=60)
    far_end.join(timeout=60)
    assert bytes(got) == wanted


def test_whoever_waits_hears_that_it_is_closed(pair: Pair) -> None:
    wire = Wire(pair[0])
    heard: list[object] = []

    def wait() -> None:
        try:
            heard.append(list(wire.frames()))
        except (OSError, ValueError) as closed:  # it was closed before this began to wait
            heard.append(closed)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    wire.close()
    wire.close()
    waiting.join(timeout=60)
    assert not waiting.is_alive(), "it waits for ever"
    assert heard and (heard[0] == [] or isinstance(heard[0], OSError | ValueError))
