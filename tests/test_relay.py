"""Many connections through one pipe, and the ssh command that brings an engine here."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from swarmlab import engine
from swarmlab.engine import Target
from swarmlab.errors import EngineUnreachable, UsageError
from swarmlab.relay import mux, ssh

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def pipe() -> AsyncIterator[mux.Mux]:
    """The near end of a pipe, at whose far end the program runs as it does in a container."""
    program = Path(mux.__file__).read_text() + "\nasyncio.run(serve())\n"
    far = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert far.stdout is not None and far.stdin is not None
    near = mux.Mux(far.stdout, far.stdin)
    running = asyncio.ensure_future(near.run())
    try:
        await asyncio.wait_for(near.ready.wait(), 20)
        yield near
    finally:
        running.cancel()
        far.stdin.close()
        # The far end ends with its input.
        assert await asyncio.wait_for(far.wait(), 20) == 0


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def through(
    near: mux.Mux, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Server]:
    """A connection to that port, by way of the pipe."""

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await near.carry(reader, writer, f"127.0.0.1 {port}")

    server = await asyncio.start_server(came, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*where)
    return reader, writer, server


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65536):
        writer.write(content)
        await writer.drain()
    writer.close()


def run(work: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work, 60)

    asyncio.run(bounded())


def test_bytes_come_back_in_order_whatever_their_number() -> None:
    async def work() -> None:
        async with pipe() as near, served(echo) as port:

            async def one(size: int) -> None:
                reader, writer, server = await through(near, port)
                sent = os.urandom(size)
                writer.write(sent)
                writer.write_eof()
                assert await reader.read() == sent
                writer.close()
                server.close()

            await asyncio.gather(*(one(size) for size in (0, 1, 70_000, 3 * mux.WINDOW, 5)))

    run(work())


def test_an_answer_still_comes_after_the_question_has_ended() -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()
        writer.write(str(len(asked)).encode())
        writer.close()

    async def work() -> None:
        async with pipe() as near, served(count) as port:
            reader, writer, server = await through(near, port)
            writer.write(b"x" * 1000)
            writer.write_eof()
            assert await reader.read() == b"1000"
            writer.close()
            server.close()

    run(work())


def test_a_connection_that_nobody_reads_holds_up_no_other_one() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(1)
        try:
            while asked == b"f":
                writer.write(bytes(65536))
                await writer.drain()
        except ConnectionError:
            return
        writer.write(b"short")
        writer.close()

    async def work() -> None:
        async with pipe() as near, served(flood) as port:
            _, still, first = await through(near, port)
            still.write(b"f")  # and never reads
            for _ in range(20):
                reader, writer, server = await through(near, port)
                writer.write(b"s")
                assert await asyncio.wait_for(reader.read(), 10) == b"short"
                writer.close()
                server.close()
            still.transport.abort()
            first.close()

    run(work())


def test_a_port_that_nobody_serves_ends_the_connection() -> None:
    async def work() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with pipe() as near:
                reader, writer, server = await through(near, taken.getsockname()[1])
                assert await asyncio.wait_for(reader.read(), 20) == b""
                writer.close()
                server.close()

    run(work())


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a process does that is killed with bytes unread."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def test_a_server_that_resets_ends_the_connection_for_a_client_that_waits() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset(writer)

    async def work() -> None:
        async with pipe() as near, served(rude) as port:
            reader, writer, server = await through(near, port)
            writer.write(b"x")
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
            server.close()

    run(work())


@pytest.mark.parametrize("flooded", [True, False])
def test_a_client_that_resets_is_over_for_a_server_that_waits(flooded: bool) -> None:
    """Also for one that may send no more, because nobody took what it had sent."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            asked.set()
            while flooded:
                writer.write(bytes(65536))
                await writer.drain()
            assert await reader.read() == b""
        except ConnectionError:
            pass
        writer.close()
        over.set()

    async def work() -> None:
        async with pipe() as near, served(patient) as port:
            reader, writer, server = await through(near, port)
            writer.write(b"x")
            await asyncio.wait_for(asked.wait(), 20)
            if flooded:
                await reader.readexactly(1)
            reset(writer)
            await asyncio.wait_for(over.wait(), 10)
            server.close()

    run(work())


def test_a_connection_that_comes_when_the_pipe_is_gone_ends_at_once() -> None:
    async def work() -> None:
        async with pipe() as near:
            pass
        reader, writer, server = await through(near, 1)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        server.close()

    run(work())


def test_the_far_ends_program_needs_nothing_but_python() -> None:
    program = Path(mux.__file__).read_text() + "\nasyncio.run(serve())\n"
    done = subprocess.run(
        [sys.executable, "-ISc", program], input=b"", capture_output=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == mux.HEAD.pack(0, mux.READY, 0)


# By SSH.


def words(url: str) -> str:
    return " ".join(ssh.command(url, Path("/x/engine.sock")))


def test_the_address_becomes_a_command() -> None:
    said = words("ssh://me@lab.example.org:2222")
    assert "-L /x/engine.sock:/var/run/docker.sock" in said
    assert "-p 2222 -l me -- lab.example.org " in said
    assert "BatchMode=yes" in said
    assert "-L /x/engine.sock:/run/other.sock" in words("ssh://host/run/other.sock")


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://-oProxyCommand=x", "ssh://-oProxyCommand=x@host", "ssh://host:x"]
)
def test_addresses_that_name_no_machine(url: str) -> None:
    with pytest.raises(UsageError, match="names no machine"):
        words(url)


def script(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "ssh"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_what_ssh_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "echo 'Host key verification failed.' >&2; exit 255", monkeypatch)
    with pytest.raises(EngineUnreachable, match="ssh does not get to ssh://lab") as caught:
        engine.connect(Target("ssh://lab", "DOCKER_HOST"))
    assert "Host key verification failed." in caught.value.evidence
    assert "accept its host key" in caught.value.hint


def test_without_ssh_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EngineUnreachable, match="no ssh here") as caught:
        engine.connect(Target("ssh://lab", "DOCKER_HOST"))
    assert "openssh-client" in caught.value.hint
