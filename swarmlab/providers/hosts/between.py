"""Whether the machines hear one another, and this computer hears them: tried, not asked.

A packet filter drops what it does not like without a word, and a lab would wait for it for minutes,
when hundreds of megabytes have been brought. So a small container on each machine listens where
the lab will, for a moment, and others knock.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from swarmlab.errors import EnvironmentProblem
from swarmlab.providers import at_once
from swarmlab.providers.base import ENGINE_PORT, LAB_PORTS
from swarmlab.providers.hosts import gate
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.needs import GATE_PORT
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.providers.problems import explained
from swarmlab.wait import Observation, patient, poll
from swarmlab.words import say

HERE = ""
"""Who knocks from this computer, in place of a node's name."""
MANAGER_PORT = 2377
FROM_HERE = tuple(GATE_PORT if port == ENGINE_PORT else port for port in LAB_PORTS)
TCP = (MANAGER_PORT, 7946, 8300, 8301)
UDP = (4789, 7946, 8301)
"""What the machines need of one another: Swarm and Consul."""

_KNOCK_SECONDS = 6.0  # a firewall is silent for ever, a crowded machine for a while
_READY_SECONDS = 30.0
_LIFE_SECONDS = 300
_RIGHTS = {"CapDrop": ["ALL"], "CapAdd": ["NET_BIND_SERVICE"], "SecurityOpt": gate.SECURITY}
_READY = "ready"

# Answers a connection by taking it, a datagram by sending it back; ends by itself.
LISTENING = """
import json, select, socket, sys, time
address, tcp, udp, seconds = json.loads(sys.argv[1])
doors = []
for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
    for port in ports:
        door = socket.socket(socket.AF_INET, kind)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        door.bind((address, port))
        if kind == socket.SOCK_STREAM:
            door.listen(64)
        doors.append(door)
print("ready", flush=True)
end = time.monotonic() + seconds
while time.monotonic() < end:
    for door in select.select(doors, [], [], 1)[0]:
        try:
            if door.type == socket.SOCK_STREAM:
                door.accept()[0].close()
            else:
                door.sendto(*door.recvfrom(64))
        except OSError:
            pass
"""

KNOCKING = """
import concurrent.futures, json, socket, sys, time
wanted, seconds = json.loads(sys.argv[1])
def open_(door):
    node, address, kind, port = door
    end = time.monotonic() + seconds
    try:
        if kind == "TCP":
            socket.create_connection((address, port), seconds).close()
            return True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect((address, port))
            while time.monotonic() < end:
                # One datagram may be lost by nobody's fault.
                one.send(b"swarmlab")
                one.settimeout(seconds / 8)
                try:
                    return one.recv(64) == b"swarmlab"
                except TimeoutError:
                    pass
    except OSError:
        pass
    return False
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    shut = [door for door, opened in zip(wanted, pool.map(open_, wanted)) if not opened]
print(json.dumps([[node, kind, port] for node, address, kind, port in shut]))
"""

Door = tuple[str, str, int]
"""A port of a machine: whose node it is, TCP or UDP, its number."""


def troubles(
    addresses: Mapping[str, str],
    managers: Collection[str],
    api: Callable[[str], Any],
    image: Callable[[str], str],
    whose: Whose,
) -> list[Trouble]:
    """What does not get through to the machines at these addresses, from whom.

    `api` is the engine of a node's machine, `image` the id there of one that has Python. Raises
    EnvironmentProblem when it cannot be tried.
    """
    boxes: dict[str, str] = {}

    def listen(node: str) -> None:
        with explained(say("trying the ports of {node}", node=node)):
            asked = [addresses[node], _tcp(node, managers, FROM_HERE), UDP, _LIFE_SECONDS]
            argv = ["python3", "-ISc", LISTENING, json.dumps(asked)]
            boxes[node] = gate.made(api(node), image(node), argv, whose, _RIGHTS)
            api(node).start(boxes[node])
            _ready(api(node), boxes[node], node)

    def knock(node: str) -> list[Door]:
        if node == HERE:
            return _from_here(addresses)
        others = [
            (other, address, kind, port)
            for other, address in addresses.items()
            for kind, ports in (("TCP", _tcp(other, managers)), ("UDP", UDP))
            for port in ports
            if other != node
        ]
        asked = json.dumps([others, patient(_KNOCK_SECONDS)])
        with explained(say("trying the ports of {node}", node=node)):
            argv = ["python3", "-ISc", KNOCKING, asked]
            code, words = gate.run_once(api(node), image(node), argv, whose, _RIGHTS)
        try:
            return [(str(other), str(kind), int(port)) for other, kind, port in json.loads(words)]
        except ValueError:
            raise _untried(node, words or str(code)) from None

    def end(node: str) -> None:
        with explained(say("trying the ports of {node}", node=node)):
            api(node).remove_container(boxes[node], force=True, v=True)

    try:
        at_once.must(addresses, listen)
        shut = at_once.must([*addresses, HERE], knock)
    finally:
        at_once.each(boxes, end)
    return judge(addresses, shut)


def judge(nodes: Collection[str], shut: Mapping[str, Collection[Door]]) -> list[Trouble]:
    """The same from what was shut to whom; one for each machine, and one more for this computer."""
    found = []
    for node in nodes:
        within = {
            knocker: [door for door in doors if door[0] == node] for knocker, doors in shut.items()
        }
        here = within.pop(HERE, [])
        outside = say(", ").join(sorted(one for one, doors in within.items() if doors))
        ports = {door for doors in within.values() for door in doors}
        if here:
            what = say("it cannot be reached from this computer at {ports}", ports=_named(here))
            found.append(Trouble(node, what, _mend()))
        if ports:
            what = say(
                "it cannot be reached from {nodes} at {ports}", nodes=outside, ports=_named(ports)
            )
            found.append(Trouble(node, what, _mend()))
    return found


def _named(doors: Collection[Door]) -> str:
    return say(", ").join(
        f"{kind} {port}" for _, kind, port in sorted(doors, key=lambda door: door[1:])
    )


def _mend() -> str:
    return say(
        "A firewall there or on the way keeps it out: have it let through what the page `Machines "
        "of your own` of the documents lists."
    )


def _tcp(node: str, managers: Collection[str], more: Collection[int] = ()) -> list[int]:
    """The TCP ports of its machine: only managers are joined, and asked to agree."""
    return [port for port in (*TCP, *more) if port != MANAGER_PORT or node in managers]


def _from_here(addresses: Mapping[str, str]) -> list[Door]:
    doors = [(node, "TCP", port) for node in addresses for port in FROM_HERE]

    def opens(door: Door) -> bool:
        try:
            where = (addresses[door[0]], door[2])
            socket.create_connection(where, timeout=patient(_KNOCK_SECONDS)).close()
        except OSError:
            return False
        return True

    with ThreadPoolExecutor(len(doors)) as pool:
        return [
            door for door, opened in zip(doors, pool.map(opens, doors), strict=True) if not opened
        ]


def _ready(api: Any, box: str, node: str) -> None:
    """Wait until it listens. Raises EnvironmentProblem when it does not."""

    def look() -> Observation[str]:
        words = bytes(api.logs(box)).decode("utf-8", "replace").strip()
        ended = not api.inspect_container(box)["State"]["Running"]
        return Observation(words == _READY or ended, words, words)

    last = poll(look, within=_READY_SECONDS, every=0.1).last
    if last.value != _READY:
        raise _untried(node, last.seen)


def _untried(node: str, words: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        say("Whether others reach the ports of {node} cannot be tried there.", node=node),
        evidence=words[-300:],
        hint=say(
            "Look whether its engine runs a container at all: there, "
            "`docker run --rm --network host IMAGE true` with an image that it has."
        ),
    )
