"""What only a node can see of the proxies that run on it: configuration and counters.

One small program a node, for as long as somebody looks: it is asked in a line (ids of
containers), answers in a line, and ends with its connection. It reads files and HAProxy's own
statistics page from the node's side, so that it needs no tool in a proxy's image, and it changes
nothing there; asking for the page is not counted as an answer of the proxy.
"""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swarmlab.checks.looking import over
from swarmlab.engine import close_stream
from swarmlab.errors import EnvironmentProblem
from swarmlab.lookout import NODE_ENGINE
from swarmlab.watching.counting import Answered, answered
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.checks.base import World
    from swarmlab.checks.tasks import Instance

SECONDS = 3.0
"""How long one answer of a node may take."""
_LARGEST = 1 << 20  # bytes of an answer: a configuration has some thousand

PROGRAM = r"""
import base64, http.client, json, os, socket, sys

home = os.open("/proc/self/ns/net", os.O_RDONLY)
login = {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()}
known = {}

class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(2)
        self.sock.connect(sys.argv[1])

def pid(box):
    if not os.path.exists("/proc/%d" % known.get(box, 0)) or not known.get(box):
        engine = Engine("engine")
        engine.request("GET", "/containers/%s/json" % box)
        known[box] = json.loads(engine.getresponse().read())["State"]["Pid"]
        engine.close()
    return known[box]

def page(number):
    there = os.open("/proc/%d/ns/net" % number, os.O_RDONLY)
    try:
        os.setns(there, os.CLONE_NEWNET)
        asked = http.client.HTTPConnection("127.0.0.1", 80, timeout=1)
        asked.request("GET", "/admin?stats;csv", headers=login)
        answer = asked.getresponse()
        text = answer.read(1 << 18).decode(errors="replace") if answer.status == 200 else None
        asked.close()
        return text
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(there)

def told(box):
    try:
        number = pid(box)
        with open("/proc/%d/root/cfg/haproxy.cfg" % number, "rb") as file:
            text = file.read(1 << 18).decode(errors="replace")
    except (OSError, KeyError, ValueError, http.client.HTTPException):
        known.pop(box, None)
        return [None, None]
    try:
        return [text, page(number)]
    except (OSError, http.client.HTTPException):
        return [text, None]

for line in sys.stdin:
    boxes = json.loads(line)
    for lost in set(known) - set(boxes):
        del known[lost]
    print(json.dumps({box: told(box) for box in boxes}), flush=True)
"""


class Reading:
    """What was read of one proxy; each part is None where it could not be."""

    def __init__(self, text: str | None, counts: tuple[Answered, ...] | None = None) -> None:
        self.text = text
        self.answered = counts


class Eyes:
    """The programs in the nodes of one lab, begun when first needed. To be closed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._eyes: dict[str, _Eye] = {}

    def read(self, instances: Sequence[Instance]) -> dict[Instance, Reading]:
        """What each proxy holds and has answered, all nodes side by side.

        An instance is left out when its node cannot be asked.
        """
        nodes = sorted({one.node for one in instances})
        told = over(nodes, lambda node: self._ask(node, [i for i in instances if i.node == node]))
        return {one: reading for found in told.values() for one, reading in found.items()}

    def close(self) -> None:
        """End the programs; may be called twice."""
        while self._eyes:
            self._eyes.popitem()[1].close()

    def _ask(self, node: str, instances: list[Instance]) -> dict[Instance, Reading]:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            if node not in self._eyes:
                self._eyes[node] = _Eye(self._world, node)
            told = self._eyes[node].ask([one.container for one in instances])
            return {one: _reading(*told[one.container]) for one in instances}
        except (OSError, ValueError, KeyError, TypeError, DockerException, RequestException):
            # A node that stopped, or a program that was ended there: begun anew at the next look.
            lost = self._eyes.pop(node, None)
            if lost is not None:
                lost.close()
            return {}
        except EnvironmentProblem:
            return {}


def _reading(text: str | None, page: str | None) -> Reading:
    return Reading(text, None if page is None else answered(page))


class _Eye:
    """The program in one node, and the connection that it lives by."""

    def __init__(self, world: World, node: str) -> None:
        at = world.lookout(node)
        engine = "/var/run/docker.sock" if at.own else NODE_ENGINE
        command = ["python3", "-ISc", PROGRAM, engine]
        self._exec = at.api.exec_create(at.container, command, stdin=True, stderr=False)["Id"]
        self._stream: Any = at.api.exec_start(self._exec, socket=True)
        # docker-py gives a SocketIO around the real socket on unix and TCP, a pipe on Windows.
        self._socket: Any = getattr(self._stream, "_sock", self._stream)
        self._socket.settimeout(SECONDS)

    def ask(self, boxes: list[str]) -> dict[str, list[str | None]]:
        """What the program tells of those containers. Raises OSError, ValueError."""
        self._socket.sendall(json.dumps(boxes).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            # The engine's frames: the stream's number, three zeros, the length, the bytes.
            _, length = struct.unpack(">BxxxL", self._exactly(8))
            line += self._exactly(length)
            if len(line) > _LARGEST:
                raise ValueError(say("an endless answer"))
        answer: dict[str, list[str | None]] = json.loads(line)
        return answer

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            part = self._socket.recv(count - len(got))
            if not part:
                raise ConnectionError(say("the node hung up"))
            got += part
        return got

    def close(self) -> None:
        with contextlib.suppress(OSError):
            close_stream(self._stream)
