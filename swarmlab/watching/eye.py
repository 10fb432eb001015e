"""What a node tells of all that runs on it, by one small program in each node.

A program lives for as long as somebody looks, and ends with its connection. So one look costs
this process a line to each node and a line back, where the engines' API takes a dozen requests.
"""

from __future__ import annotations

import contextlib
import json
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from swarmlab.checks.consul import PORT
from swarmlab.checks.looking import over
from swarmlab.engine import close_stream
from swarmlab.errors import EnvironmentProblem
from swarmlab.lookout import NODE_ENGINE
from swarmlab.watching.counting import Answered, answered
from swarmlab.watching.program import PROGRAM
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.checks.base import World

T = TypeVar("T")
Raw = dict[str, Any]

SECONDS = 4.0
"""How long one answer of a node may take; its program gives up what takes longer than 3."""
PATIENCE, IN_PEACE = 1.0, 3.0
"""Seconds: a node that takes longer to say nothing is not asked for so long."""
_SOON = 0.05  # seconds for an answer that came while another node took all the time
_LARGEST = 1 << 24  # bytes of an answer: the tasks of a large lab have some hundred thousand
_SWARM = ("nodes", "tasks", "services")
_NONSENSE = (ValueError, KeyError, TypeError, RecursionError, struct.error)


@dataclass(frozen=True)
class Reading:
    """What was read of one proxy; each part is None where it could not be."""

    text: str | None = None
    answered: tuple[Answered, ...] | None = None


@dataclass(frozen=True)
class Told:
    """What a node tells, in the words of the Docker API and of Consul's.

    `containers` are those that run, None when the node's engine is silent. `members` are known
    to its Consul; none when that does not answer. `swarm` has nodes, tasks and services from a
    node that was asked for them and can speak for a swarm. `proxies` are the readings by the ids
    of their containers.
    """

    containers: Sequence[Raw] | None = None
    members: Sequence[Raw] = ()
    swarm: tuple[list[Raw], list[Raw], list[Raw]] | None = None
    proxies: Mapping[str, Reading] = field(default_factory=dict)


_SILENT = Told()


class Eyes:
    """The programs in the nodes of one lab, begun when first needed. To be closed.

    The instances of the service `proxy` are read as proxies.
    """

    def __init__(self, world: World, proxy: str) -> None:
        self._world = world
        self._proxy = proxy
        self._eyes: dict[str, _Eye] = {}
        self._resting: dict[str, float] = {}

    def look(self, nodes: Sequence[str], speakers: Iterable[str] = ()) -> dict[str, Told]:
        """What those nodes tell, the speakers of the swarm as well, all of them side by side.

        A node is left out when it can have no program. One that needed long to say nothing is
        left in peace for some seconds, and is silent meanwhile.
        """
        now = time.monotonic()
        resting = [node for node in nodes if now < self._resting.get(node, 0.0)]
        asked = [node for node in nodes if node not in resting]
        over([node for node in asked if node not in self._eyes], self._begin)
        # Threads would cost more than the questions do: all are put before an answer is read.
        chosen = set(speakers)
        for node in asked:
            self._with(node, partial(_Eye.ask, swarm=node in chosen))
        due = time.monotonic() + SECONDS
        found = dict.fromkeys(resting, _SILENT)
        for node in asked:
            told = self._with(node, lambda eye: eye.told(due))
            if told is not None:
                found[node] = told
            elif self._resting.get(node, 0.0) > now:
                found[node] = _SILENT
        return found

    def close(self) -> None:
        """End the programs; may be called twice."""
        while self._eyes:
            self._eyes.popitem()[1].close()

    def _begin(self, node: str) -> None:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        begun = time.monotonic()
        try:
            self._eyes[node] = _Eye(self._world, node, self._proxy)
        except (OSError, DockerException, RequestException, EnvironmentProblem):
            if time.monotonic() - begun > PATIENCE:
                self._rest(node)

    def _with(self, node: str, do: Callable[[_Eye], T]) -> T | None:
        """What one step with the node's program brings; None, and no program, when it fails."""
        eye = self._eyes.get(node)
        if eye is None:
            return None
        try:
            return do(eye)
        except (OSError, *_NONSENSE) as error:
            # A node that stopped, or a program that was ended there: begun anew at the next look.
            self._eyes.pop(node).close()
            if isinstance(error, TimeoutError):
                self._rest(node)
            return None

    def _rest(self, node: str) -> None:
        self._resting[node] = time.monotonic() + IN_PEACE


class _Eye:
    """The program in one node, and the connection that it lives by."""

    def __init__(self, world: World, node: str, proxy: str) -> None:
        at = world.lookout(node)
        engine = "/var/run/docker.sock" if at.own else NODE_ENGINE
        consul = f"{world.address(node)}:{PORT}"
        command = ["python3", "-ISc", PROGRAM, engine, consul, proxy]
        self._exec = at.api.exec_create(at.container, command, stdin=True, stderr=False)["Id"]
        self._stream: Any = at.api.exec_start(self._exec, socket=True)
        # docker-py gives a SocketIO around the real socket on unix and TCP, a pipe on Windows.
        self._socket: Any = getattr(self._stream, "_sock", self._stream)
        self._known: dict[str, Any] = {}
        self._readings: dict[str, Reading] = {}
        self._swarm = False

    def ask(self, swarm: bool) -> None:
        """Put the question. Raises OSError."""
        self._swarm = swarm
        self._socket.settimeout(SECONDS)
        self._socket.sendall(json.dumps({"swarm": swarm}).encode() + b"\n")

    def told(self, due: float) -> Told:
        """The answer, by that monotonic time.

        Raises OSError, and one of `_NONSENSE` for such.
        """
        line = b""
        while not line.endswith(b"\n"):
            # The engine's frames: the stream's number, three zeros, the length, the bytes.
            _, length = struct.unpack(">BxxxL", self._exactly(8, due))
            if len(line) + length > _LARGEST:
                raise ValueError(say("an endless answer"))
            line += self._exactly(length, due)
        fresh = json.loads(line)
        self._known |= fresh
        known = self._known
        if "texts" in fresh or "pages" in fresh:
            texts, pages = known["texts"], known["pages"]
            self._readings = {box: _reading(texts[box], pages[box]) for box in texts}
        swarm = tuple(known[part] for part in _SWARM) if self._swarm else (None,)
        return Told(
            known["containers"],
            known["members"],
            None if None in swarm else (swarm[0], swarm[1], swarm[2]),
            {} if known["containers"] is None else self._readings,
        )

    def _exactly(self, count: int, due: float) -> bytes:
        got = bytearray(count)
        left = memoryview(got)
        while left:
            self._socket.settimeout(max(_SOON, due - time.monotonic()))
            # Not `recv`: docker-py's pipe on Windows keeps to a time limit only here.
            came = self._socket.recv_into(left)
            if not came:
                raise ConnectionError(say("the node hung up"))
            left = left[came:]
        return bytes(got)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            close_stream(self._stream)


def _reading(text: str | None, page: str | None) -> Reading:
    return Reading(text, None if page is None else answered(page))
