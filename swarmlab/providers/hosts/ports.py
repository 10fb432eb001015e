"""Whether the lab's ports are free on a machine, tried there by a container of ours."""

from __future__ import annotations

import json
from typing import Any

from docker.errors import APIError

from swarmlab.errors import EnvironmentProblem
from swarmlab.providers.hosts import gate
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.needs import PORTS
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.providers.problems import said
from swarmlab.words import later, say

UDP = {
    4789: later("overlay networks"),
    7946: later("the swarm"),
    8301: "Consul",
    8302: "Consul",
    8600: "Consul",
}
_RIGHTS = {"CapDrop": ["ALL"], "CapAdd": ["NET_BIND_SERVICE"], "SecurityOpt": gate.SECURITY}

# Binding is the question itself: it meets listeners of every program, address and family.
_PROGRAM = """
import http.client, json, socket, sys
path, address, tcp, udp = json.loads(sys.argv[1])
def free(kind, where):
    with socket.socket(socket.AF_INET, kind) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        try:
            one.bind(where)
        except OSError:
            return False
    return True
class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
def engine():
    try:
        asked = Engine("engine")
        asked.request("GET", "/info")
        return str(json.load(asked.getresponse())["ID"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return ""
print(json.dumps({
    "engine": engine(),
    "address": free(socket.SOCK_STREAM, (address, 0)),
    "tcp": [port for port in tcp if not free(socket.SOCK_STREAM, ("0.0.0.0", port))],
    "udp": [port for port in udp if not free(socket.SOCK_DGRAM, ("0.0.0.0", port))],
}))
"""


def troubles(
    api: Any, image: str, whose: Whose, node: str, *, address: str, path: str, engine: str
) -> list[Trouble]:
    """What speaks against the machine at `address`, whose engine has that id and socket.

    Raises EnvironmentProblem when it cannot be tried.
    """
    asked = json.dumps([gate.SOCKET, address, list(PORTS), list(UDP)])
    rights = {**_RIGHTS, "Mounts": gate.mounts(path)}
    try:
        code, words = gate.run_once(api, image, ["python3", "-ISc", _PROGRAM, asked], whose, rights)
    except APIError as error:
        if "bind" not in said(error):
            raise
        return [_elsewhere(node, path)]
    try:
        told = json.loads(words)
    except ValueError:
        told = None
    if code != 0 or told is None:
        raise EnvironmentProblem(
            say("Whether the ports of {node} are free cannot be tried there.", node=node),
            evidence=words[-300:],
            hint=say(
                "Look whether its engine runs a container at all: there, "
                "`docker run --rm --network host IMAGE true` with an image that it has."
            ),
        )
    return judge(node, address, path, engine, told)


def judge(node: str, address: str, path: str, engine: str, told: dict[str, Any]) -> list[Trouble]:
    """The same from what the program told."""
    found = [] if told["engine"] == engine else [_elsewhere(node, path)]
    if not told["address"]:
        found.append(
            Trouble(
                node,
                say("its machine has no interface with the address {address}", address=address),
                say(
                    "Give it an `address:` in the hosts file: one that `ip -br address` lists "
                    "there."
                ),
            )
        )
    for kind, ports, flag in (("TCP", PORTS, "t"), ("UDP", UDP, "u")):
        for port in told[kind.lower()]:
            found.append(
                Trouble(
                    node,
                    say(
                        "{kind} port {port}, which {what} needs, is in use",
                        kind=kind,
                        port=port,
                        what=say(ports[port]),
                    ),
                    say(
                        "There: `sudo ss -l{flag}np 'sport = :{port}'` shows by what; end that.",
                        flag=flag,
                        port=port,
                    ),
                )
            )
    return found


def _elsewhere(node: str, path: str) -> Trouble:
    return Trouble(
        node,
        say("the engine that is reached does not listen at {path} of its machine", path=path),
        say(
            "Give the machine a `socket:` in the hosts file: the path that `docker context "
            "inspect` shows there."
        ),
    )
