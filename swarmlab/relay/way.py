"""The near end: ports on 127.0.0.1 of this machine that lead to the nodes' own.

A container on the lab's network, without any rights, runs the far end as an exec of the engine's
API; so whatever reaches the engine, TLS or SSH, carries the nodes' connections, too. The ports
live as long as this process.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.engine import Engine, Target
from swarmlab.engine_tls import relaxed
from swarmlab.errors import EngineUnreachable, EnvironmentProblem
from swarmlab.providers.problems import explained
from swarmlab.relay import mux
from swarmlab.words import say

T = TypeVar("T")

NAME = "relay"
_SECONDS = 30.0
_STDOUT = 1
_PROGRAM = "\nasyncio.run(serve())\n"


class Way:
    """The way to the nodes of one lab, open until `close`. Safe to use from several threads."""

    def __init__(self, engine: Engine, lab: str) -> None:
        """Opens it. Raises EngineUnreachable, or EnvironmentProblem for a lab without nodes."""
        self._ports: dict[tuple[str, int], int] = {}
        self._guard = threading.Lock()
        self._mux: mux.Mux | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._words = ""
        with explained(say("opening the way to the nodes")):
            container = _running(engine, lab)
            program = Path(mux.__file__).read_text(encoding="utf-8") + _PROGRAM
            api: Any = engine.client.api
            run = api.exec_create(container, ["python3", "-c", program], stdin=True)["Id"]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=NAME, daemon=True)
        self._thread.start()
        try:
            self._do(self._begin(engine.wire, f"/v{engine.api}/exec/{run}/start"))
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            raise EngineUnreachable(
                say("The way to the nodes through the engine cannot be opened."),
                evidence=self._words or str(error),
                hint=say("Look with `swarmlab doctor`, then run the command again."),
            ) from error

    @property
    def open(self) -> bool:
        """Whether it still leads anywhere."""
        return self._thread.is_alive() and not any(task.done() for task in self._tasks)

    def port(self, address: str, port: int) -> int:
        """The port on 127.0.0.1 that leads to that port of that address."""
        with self._guard:
            if (address, port) not in self._ports:
                self._ports[address, port] = self._do(self._listen(address, port))
            return self._ports[address, port]

    def close(self) -> None:
        """Let go of everything."""
        if self._thread.is_alive():
            with contextlib.suppress(TimeoutError, RuntimeError):
                self._do(self._end(), seconds=2.0)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=2.0)

    def _do(self, work: Coroutine[Any, Any, T], seconds: float = _SECONDS) -> T:
        waiting: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return waiting.result(timeout=seconds)

    async def _begin(self, wire: Target, path: str) -> None:
        reader, writer = await _connected(wire)
        body = b'{"Detach":false,"Tty":false}'
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split()[1] not in (b"101", b"200"):
            raise OSError(head.partition(b"\r\n")[0].decode(errors="replace"))
        frames = asyncio.StreamReader()
        self._mux = mux.Mux(frames, writer)
        self._tasks = [
            asyncio.ensure_future(self._unwrap(reader, frames)),
            asyncio.ensure_future(self._mux.run()),
        ]
        ready = asyncio.ensure_future(self._mux.ready.wait())
        await asyncio.wait(
            [ready, *self._tasks], timeout=_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not self._mux.ready.is_set():
            ready.cancel()
            raise OSError(say("the relay did not answer"))

    async def _unwrap(self, reader: asyncio.StreamReader, frames: asyncio.StreamReader) -> None:
        """The engine puts a head of eight bytes before each piece: which output, how long."""
        try:
            while True:
                head = await reader.readexactly(8)
                content = await reader.readexactly(int.from_bytes(head[4:], "big"))
                if head[0] == _STDOUT:
                    frames.feed_data(content)
                else:
                    self._words = content.decode(errors="replace").strip()[-300:]
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            frames.feed_eof()

    async def _listen(self, address: str, port: int) -> int:
        way = self._mux
        assert way is not None, "the way is open"

        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await way.carry(reader, writer, f"{address} {port}")

        server = await asyncio.start_server(came, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()


async def _connected(wire: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(wire.url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    if parts.scheme not in ("tcp", "http", "https"):
        raise OSError(say("there is no way through {scheme}", scheme=parts.scheme))
    context = _context(wire) if wire.certs is not None else None
    return await asyncio.open_connection(parts.hostname, parts.port or 2375, ssl=context)


def _context(wire: Target) -> ssl.SSLContext:
    assert wire.certs is not None
    context = relaxed(ssl.create_default_context(cafile=str(wire.certs / "ca.pem")))
    context.load_cert_chain(wire.certs / "cert.pem", wire.certs / "key.pem")
    if not wire.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _running(engine: Engine, lab: str) -> str:
    """The relay's container, made or started where need be; its id."""
    api: Any = engine.client.api
    name = labels.container(lab, NAME)
    try:
        found = api.inspect_container(name)
    except NotFound:
        nodes = api.containers(
            all=True,
            filters={"label": [f"{labels.LAB}={lab}", f"{labels.ROLE}={labels.ROLE_NODE}"]},
        )
        if not nodes:
            raise EnvironmentProblem(
                say("The lab {lab!r} has no nodes to reach.", lab=lab),
                hint=say("`swarmlab up` makes them."),
            ) from None
        try:
            found = api.create_container_from_config(_configuration(lab, nodes[0]), name)
        except APIError as error:
            if error.status_code != 409:
                raise
            found = api.inspect_container(name)  # another swarmlab was quicker
    api.start(found["Id"])
    return str(found["Id"])


def _configuration(lab: str, node: dict[str, Any]) -> dict[str, Any]:
    """A container that does nothing by itself and may do nothing."""
    told = node.get("Labels") or {}
    return {
        "Image": node["ImageID"],
        "Hostname": NAME,
        "Entrypoint": ["sleep", "infinity"],
        "Cmd": [],
        "User": "65534:65534",
        "Labels": {
            labels.LAB: lab,
            labels.ROLE: labels.ROLE_RELAY,
            labels.INSTANCE: told.get(labels.INSTANCE, ""),
        },
        "HostConfig": {
            "NetworkMode": labels.network(lab),
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Init": True,
        },
    }


_ways: dict[tuple[str, str], Way] = {}
_guard = threading.Lock()


def to(engine: Engine, lab: str) -> Way:
    """The way to that lab's nodes, opened once a process. Raises as `Way` does."""
    key = (engine.wire.url, lab)
    with _guard:
        way = _ways.get(key)
        if way is None or not way.open:
            way = _ways[key] = Way(engine, lab)
        return way


@atexit.register
def _close_all() -> None:
    for way in _ways.values():
        way.close()
