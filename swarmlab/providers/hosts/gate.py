"""The lab's way into a machine's engine: TLS with the lab's own certificates before its socket.

Whatever leads swarmlab to an engine (SSH, a docker context, TLS with your certificates) stays on
this machine. What the workstation and the checks use is a small container on the machine: HAProxy
with a port that lets in who has a certificate of the lab, and nobody else. It has no rights but
the socket's, and goes with the lab.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab import archive, labels
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.needs import GATE_PORT
from swarmlab.providers.hosts.snapshot import Snapshot
from swarmlab.words import say

NAME = "gate"
IMAGE = "flow-proxy"
"""Has HAProxy and Python, and is one of those that a lab's nodes get anyway."""

_FOUND = "/etc/swarmlab/found.json"
_CERTS = "/etc/docker/certs"
_CONFIGURATION = "/etc/swarmlab/gate.cfg"
_PAIR = "/etc/swarmlab/gate.pem"
SOCKET = "/run/engine.sock"
"""The engine's socket in the gate."""
# Without the second, SELinux keeps a container from the engine's socket.
SECURITY = ["no-new-privileges", "label=disable"]

# HAProxy passes on that one side has no more to say, as `docker run -i` needs it.
_TEXT = """\
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 5s
    timeout client 24h
    timeout server 24h
    timeout tunnel 24h
frontend gate
    bind {address}:{port} ssl crt {pair} ca-file {certs}/ca.pem verify required ssl-min-ver TLSv1.2
    default_backend engine
backend engine
    server engine unix@{socket}
"""

_NAME_TAKEN = 409

# The name is given again whenever the machine has started anew.
_PROGRAM = """
import os, socket, sys
if sys.argv[1]:
    socket.sethostname(sys.argv[1])
os.execvp("haproxy", ["haproxy", "-db", "-f", sys.argv[2]])
"""
_RENAME = "import socket, sys; socket.sethostname(sys.argv[1])"


def create(
    api: Any,
    whose: Whose,
    node: str,
    *,
    image: str,
    socket: str,
    rename: bool,
    marks: Mapping[str, str],
) -> bool:
    """Make the container, not started.

    False: there is one, of another lab of that name. The engine itself gives the name to the first
    only. Raises what docker-py raises.
    """
    host = {
        "NetworkMode": "host",
        "Mounts": mounts(socket),
        "RestartPolicy": {"Name": "unless-stopped"},
        **_rights(rename),
    }
    config = {
        "Image": image,
        "User": "0:0",
        "Entrypoint": ["python3", "-ISc", _PROGRAM, node if rename else "", _CONFIGURATION],
        "Cmd": [],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {
            **marks,
            **whose.marks,
            labels.ROLE: labels.ROLE_GATE,
            labels.NODE: node,
        },
        "HostConfig": host,
    }
    try:
        api.create_container_from_config(config, labels.container(whose.lab, NAME))
    except APIError as error:
        if error.status_code == _NAME_TAKEN:
            return False
        raise
    return True


def start(
    api: Any, lab: str, address: str, files: Mapping[str, bytes], found: Snapshot | None
) -> None:
    """Put certificates and the engine's snapshot in place, and start it, anew if it runs."""
    own = {path: content for path, content in files.items() if path.startswith(f"{_CERTS}/")}
    text = _TEXT.format(address=address, port=GATE_PORT, pair=_PAIR, certs=_CERTS, socket=SOCKET)
    secret = {**own, _PAIR: own[f"{_CERTS}/cert.pem"] + own[f"{_CERTS}/key.pem"]}
    everything = {
        **secret,
        _CONFIGURATION: text.encode(),
    }
    if found is not None:
        everything[_FOUND] = json.dumps(found.to_dict()).encode()
    name = labels.container(lab, NAME)
    api.put_archive(
        name, "/", archive.pack(everything, modes=dict.fromkeys(secret, archive.PRIVATE))
    )
    api.restart(name, timeout=1)


def renamed(api: Any, whose: Whose) -> tuple[str, str]:
    """The name that it gives the machine, and the id of its image; empty for none."""
    told = _told(api, whose)
    if told is None or told["HostConfig"].get("UTSMode") != "host":
        return "", ""
    return str(told["Config"]["Labels"].get(labels.NODE, "")), str(told["Image"])


def remove(api: Any, whose: Whose) -> None:
    """Take it away; content when there is none, or another lab's."""
    told = _told(api, whose)
    if told is None:
        return
    with suppress(NotFound):
        api.remove_container(told["Id"], v=True, force=True)


def there(api: Any, whose: Whose) -> bool:
    """Whether the engine has it, running or not."""
    return _told(api, whose) is not None


def marks(api: Any, whose: Whose) -> dict[str, str]:
    """Its labels, among them what the lab remembers; none when there is none."""
    told = _told(api, whose)
    return {} if told is None else dict(told["Config"]["Labels"])


def last_words(api: Any, lab: str) -> str | None:
    """What it said if it has ended; None while it runs."""
    name = labels.container(lab, NAME)
    state = api.inspect_container(name)["State"]
    if state["Running"] and not state.get("Restarting"):
        return None
    last = api.logs(name, tail=8).decode("utf-8", "replace").strip()
    ended = say("has a way in that ended with exit code {code}", code=state.get("ExitCode"))
    return f"{ended}\n{last}"


def found(api: Any, whose: Whose) -> Snapshot | None:
    """The snapshot that it keeps; None when there is none."""
    told = _told(api, whose)
    if told is None:
        return None
    try:
        stream, _ = api.get_archive(told["Id"], _FOUND)
    except NotFound:
        return None
    try:
        return Snapshot.from_dict(json.loads(archive.unpack(stream)["found.json"]))
    except (KeyError, TypeError, ValueError):
        return None


def rename(api: Any, image: str, name: str, whose: Whose) -> None:
    """Give the machine that name until it starts anew. Raises what docker-py raises."""
    run_once(api, image, ["python3", "-ISc", _RENAME, name], whose, _rights(rename=True))


def run_once(
    api: Any, image: str, argv: list[str], whose: Whose, rights: Mapping[str, Any]
) -> tuple[int, str]:
    """Run a program in a container of its own on the machine's network; exit code and output."""
    box = made(api, image, argv, whose, rights)
    try:
        api.start(box)
        code = int(api.wait(box)["StatusCode"])
        return code, api.logs(box).decode("utf-8", "replace").strip()
    finally:
        api.remove_container(box, force=True, v=True)


def made(api: Any, image: str, argv: list[str], whose: Whose, rights: Mapping[str, Any]) -> str:
    """A container for a program on the machine's network, not started; its id."""
    config = {
        "Image": image,
        "User": "0:0",
        "Entrypoint": argv,
        "Cmd": [],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {**whose.marks, labels.ROLE: labels.ROLE_GATE},
        "HostConfig": {"NetworkMode": "host", **rights},
    }
    return str(api.create_container_from_config(config)["Id"])


def _told(api: Any, whose: Whose) -> Any:
    """What the engine tells of this lab's; None when there is none, or another lab's."""
    try:
        told = api.inspect_container(labels.container(whose.lab, NAME))
    except NotFound:
        return None
    return told if whose.has(told["Config"]) else None


def mounts(socket: str) -> list[dict[str, str]]:
    """The socket at that path of the machine; where there is none, the engine refuses."""
    return [{"Type": "bind", "Source": socket, "Target": SOCKET}]


def _rights(rename: bool) -> dict[str, Any]:
    """None at all, but what giving a machine a name takes."""
    return {
        "CapDrop": ["ALL"],
        "CapAdd": ["SYS_ADMIN"] if rename else [],
        "UTSMode": "host" if rename else "",
        "SecurityOpt": SECURITY,
    }
