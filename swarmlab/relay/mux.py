"""Many connections through one pipe, with a bound on what each may have under way.

Runs at both ends: here, and as a program in a container of the lab, which gets this very text.
So it uses nothing but Python's own library, and no other module of swarmlab.

A frame is the stream's number, what it is about, and the length of what follows. A side may send
as many bytes of a stream as the other has granted: WINDOW at first, and CREDIT for what was taken
from the other's hands. A connection that nobody reads from so holds up no other one.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Coroutine
from typing import Any

HEAD = struct.Struct("!IBI")
READY, OPEN, DATA, END, RESET, CREDIT = range(6)
WINDOW = 256 * 1024
PIECE = 16 * 1024
CONNECT_SECONDS = 10.0


class Stream:
    """One connection: its socket at this end, and what it may still send."""

    def __init__(self) -> None:
        self.credit = WINDOW
        self.granted = asyncio.Event()
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.writer: asyncio.StreamWriter | None = None
        self.tasks: set[asyncio.Task[None]] = set()


class Mux:
    """One end of the pipe. `reader` gives the other end's frames, `writer` takes ours."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._over = False
        self.ready = asyncio.Event()

    def send(self, number: int, kind: int, content: bytes = b"") -> None:
        """Write a frame."""
        self._writer.write(HEAD.pack(number, kind, len(content)) + content)

    async def run(self) -> None:
        """Take the other end's frames until the pipe ends."""
        try:
            while True:
                number, kind, length = HEAD.unpack(await self._reader.readexactly(HEAD.size))
                content = await self._reader.readexactly(length) if length else b""
                self._take(number, kind, content)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._over = True
            for number in list(self._streams):
                self._drop(number)

    def _take(self, number: int, kind: int, content: bytes) -> None:
        if kind == READY:
            self.ready.set()
        elif kind == OPEN:
            stream = self._streams[number] = Stream()
            self._go(stream, self._connect(number, stream, content.decode()))
        elif number in self._streams:
            self._tell(number, self._streams[number], kind, content)

    def _tell(self, number: int, stream: Stream, kind: int, content: bytes) -> None:
        if kind == DATA:
            stream.arrived.put_nowait(content)
        elif kind == END:
            stream.arrived.put_nowait(b"")
        elif kind == RESET:
            self._drop(number)
        elif kind == CREDIT:
            stream.credit += int.from_bytes(content, "big")
            stream.granted.set()

    async def _connect(self, number: int, stream: Stream, where: str) -> None:
        """The far end: connect to HOST PORT, and tell when that cannot be."""
        host, port = where.split()
        try:
            reader, stream.writer = await asyncio.wait_for(
                asyncio.open_connection(host, int(port)), CONNECT_SECONDS
            )
        except (TimeoutError, OSError):
            self.send(number, RESET)
            self._streams.pop(number, None)
            return
        await self._both(number, stream, reader)

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str
    ) -> None:
        """The near end: carry a connection that came to HOST PORT, until it is over."""
        if self._over:
            writer.close()
            return
        number, self._next = self._next, self._next + 1
        stream = self._streams[number] = Stream()
        stream.writer = writer
        self.send(number, OPEN, where.encode())
        await self._both(number, stream, reader)

    async def _both(self, number: int, stream: Stream, reader: asyncio.StreamReader) -> None:
        out = self._go(stream, self._out(number, stream, reader))
        into = self._go(stream, self._into(number, stream))
        # Not until both are over: where the one broke, the other may wait for ever.
        done, _ = await asyncio.wait((out, into), return_when=asyncio.FIRST_EXCEPTION)
        broken = any(one.cancelled() or one.exception() is not None for one in done)
        if number in self._streams:
            if broken:
                self.send(number, RESET)
            self._drop(number)

    async def _out(self, number: int, stream: Stream, reader: asyncio.StreamReader) -> None:
        """From the socket into the pipe."""
        while True:
            while stream.credit <= 0:
                stream.granted.clear()
                await stream.granted.wait()
            content = await reader.read(min(PIECE, stream.credit))
            if not content:
                self.send(number, END)
                return
            stream.credit -= len(content)
            self.send(number, DATA, content)
            await self._writer.drain()

    async def _into(self, number: int, stream: Stream) -> None:
        """From the pipe into the socket."""
        writer = stream.writer
        assert writer is not None, "a stream carries data once it has a socket"
        while content := await stream.arrived.get():
            writer.write(content)
            await writer.drain()
            self.send(number, CREDIT, len(content).to_bytes(4, "big"))
        if writer.can_write_eof():
            writer.write_eof()

    def _go(self, stream: Stream, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        stream.tasks.add(task)
        task.add_done_callback(stream.tasks.discard)
        return task

    def _drop(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        for task in list(stream.tasks):
            if task is not asyncio.current_task():
                task.cancel()
        if stream.writer is not None:
            stream.writer.close()


async def serve() -> None:
    """The program in the container: standard input and output are the pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    mux = Mux(reader, writer)
    mux.send(0, READY)
    await mux.run()
