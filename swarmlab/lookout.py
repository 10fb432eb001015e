"""From where a node is seen from inside: programs run there, or as if they did."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlab.wait import patient

# Into the node's own files, network and name, from a container that sees its processes.
_INTO_NODE = ("nsenter", "--target", "1", "--mount", "--net", "--uts", "--")
NODE_ENGINE = "/proc/1/root/run/docker.sock"
"""The socket of a node's engine, from a container that sees the node's processes."""
_TIMES = 3  # that a command is run whose words were lost
_SILENCE_SECONDS = 600.0  # the longest that a program may be silent
_HEAD = struct.Struct(">BxxxL")  # of a frame: the number of the stream, and the length
_ERRORS = 2  # the number of the error output


@dataclass(frozen=True)
class Ran:
    """How a program ended in a container, and what it printed."""

    exit_code: int
    output: str
    errors: str


def heard(api: Any, container: str, argv: Sequence[str]) -> Ran:
    """Run a program that changes nothing and has something to say. Raises what docker-py raises.

    An engine under load may lose the words of one that ends at once: it gives up passing them on
    after two seconds. What ended well and said nothing is run again.
    """
    for _ in range(_TIMES):
        identity = api.exec_create(container, list(argv))["Id"]
        parts = started(api, identity)
        ran = Ran(
            _code(api, identity),
            _text(part for stream, part in parts if stream != _ERRORS),
            _text(part for stream, part in parts if stream == _ERRORS).strip(),
        )
        if ran.exit_code or ran.output:
            break
    return ran


def run(api: Any, container: str, argv: Sequence[str]) -> tuple[int, str]:
    """Run a program once: its exit code, and all that it printed. Raises what docker-py raises.

    The exit code is -1 when the container ended before it.
    """
    identity = api.exec_create(container, list(argv))["Id"]
    said = _text(part for _, part in started(api, identity))
    return _code(api, identity), said


def started(api: Any, identity: str) -> list[tuple[int, bytes]]:
    """Start an exec and hear it to its end: the parts of what it printed, each with its stream.

    docker-py's `exec_start` reads the connection below the buffer through which the head of the
    answer came. What came along with the head, as the words of a program that ends at once do
    where this process had to wait for its turn, is lost there (docker/docker-py#2042). Here it is
    an answer like any other. Raises what docker-py raises.
    """
    from docker.errors import create_api_error_from_http_exception
    from requests.exceptions import HTTPError

    answer = api.post(
        f"{api.base_url}/v{api.api_version}/exec/{identity}/start",
        json={"Detach": False, "Tty": False},
        timeout=(api.timeout, patient(_SILENCE_SECONDS)),
    )
    try:
        answer.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)
    return list(_frames(answer.content))


def _code(api: Any, identity: str) -> int:
    told = api.exec_inspect(identity)["ExitCode"]
    return -1 if told is None else int(told)


def _frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD.size <= len(body):
        stream, length = _HEAD.unpack_from(body, at)
        at += _HEAD.size
        yield stream, body[at : at + length]
        at += length


def _text(parts: Iterator[bytes]) -> str:
    return b"".join(parts).decode(errors="replace")


@dataclass(frozen=True)
class Lookout:
    """A container in which programs see a node's processes and network.

    `api` is of the engine that runs it. `own`: it is the node itself, so that programs see the
    node's files, too, and the node's engine; otherwise it is a container on the node's engine.
    """

    api: Any
    container: str
    own: bool = True

    def on_node(self, script: str, *words: str) -> tuple[int, str]:
        """Run a shell script with the node's own programs and files; exit code and output.

        Raises what docker-py raises, APIError for one where there is no such container.
        """
        code, said = run(self.api, self.container, self._argv(script, *words))
        return code, said.strip()

    def heard_on_node(self, script: str) -> Ran:
        """The same for a script that changes nothing and has something to say; see `heard`."""
        return heard(self.api, self.container, self._argv(script))

    def _argv(self, script: str, *words: str) -> list[str]:
        argv = ["sh", "-c", script, "sh", *words]
        return argv if self.own else [*_INTO_NODE, *argv]
