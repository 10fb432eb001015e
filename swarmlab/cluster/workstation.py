"""The workstation: the container in which the student types, on the lab's network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import NotFound

from swarmlab import archive, labels, resources
from swarmlab.cluster import history
from swarmlab.cluster.keys import MACHINES, Keys
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem
from swarmlab.images.sources import USUAL, Sources
from swarmlab.providers.base import ENGINE_PORT
from swarmlab.providers.problems import explained
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.models.containers import Container

NAME = "workstation"
WORKDIR = "/root/lab"
COMPOSE_FILE = "docker-compose-proxy.yml"


@dataclass(frozen=True)
class Machine:
    """A node as the workstation's docker client reaches it.

    `certs` is a folder on this machine with the client's files; None: the lab's own are good.
    """

    address: str
    port: int = ENGINE_PORT
    certs: Path | None = None

    def files(self, node: str, keys: Keys) -> dict[str, bytes]:
        """The client's files for the node, by absolute path. Raises EnvironmentProblem."""
        if self.certs is None:
            return keys.on_machine(node)
        try:
            found = {name: (self.certs / name).read_bytes() for name in keys.of_client()}
        except OSError as error:
            raise EnvironmentProblem(
                say(
                    "The certificates of {node} cannot be read: {path}: {why}.",
                    node=node,
                    path=error.filename,
                    why=error.strerror,
                ),
                hint=say("Look at that folder, then run `swarmlab up` again."),
            ) from error
        return {f"{MACHINES}/{node}/{name}": content for name, content in found.items()}


def create(
    engine: Engine,
    lab: str,
    *,
    image: str,
    address: str,
    nodes: Mapping[str, str],
    managers: Sequence[str],
    instance: str,
    marks: Mapping[str, str] | None = None,
    sources: Sources = USUAL,
) -> None:
    """Make the container, not started, with what was typed in the lab's last one.

    `nodes` maps names to addresses; `managers` are those that are not workers; `marks` are labels
    that it has beside those of every lab; `sources` name the image of the lab's Compose file.
    """
    network = labels.network(lab)
    config: dict[str, Any] = {
        "Image": image,
        "Hostname": NAME,
        "Labels": {
            labels.LAB: lab,
            labels.ROLE: labels.ROLE_WORKSTATION,
            labels.INSTANCE: instance,
            labels.ADDRESS: address,
            **(marks or {}),
        },
        "Env": [
            f"SWARMLAB_MANAGERS={' '.join(managers)}",
            # The labels of what it starts on nodes for itself: `docker-machine ssh`.
            f"SWARMLAB_LABELS={labels.LAB}={lab} {labels.INSTANCE}={instance}",
            *_consul(sources),
        ],
        "WorkingDir": WORKDIR,
        "HostConfig": {
            "NetworkMode": network,
            # By name even while a node is stopped: the network's own DNS knows running ones only.
            "ExtraHosts": [f"{node}:{node_address}" for node, node_address in nodes.items()],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {
                network: {"IPAMConfig": {"IPv4Address": address}, "Aliases": [NAME]}
            }
        },
    }
    with explained(say("making the workstation")):
        api: Any = engine.client.api
        api.create_container_from_config(config, labels.container(lab, NAME))
    history.give(engine.client, lab)


def _consul(sources: Sources) -> list[str]:
    """What has the lab's Compose file use another Consul than swarmlab's own."""
    return [f"CONSUL_IMAGE={sources.names()['consul']}"] if sources.originals else []


def start(engine: Engine, lab: str, nodes: Mapping[str, Machine], keys: Keys) -> None:
    """Put the lab's files and the certificates in place, and start the container."""
    secret: dict[str, bytes] = dict(keys.bundle())
    plain: dict[str, bytes] = dict(lab_files())
    for node, machine in nodes.items():
        secret |= machine.files(node, keys)
        plain[f"{MACHINES}/{node}/config.json"] = _machine(node, machine)
    modes = {**dict.fromkeys(secret, archive.PRIVATE), **_programs(plain)}
    name = labels.container(lab, NAME)
    with explained(say("starting the workstation")):
        packed = archive.pack({**secret, **plain}, modes=modes)
        engine.client.api.put_archive(name, "/", packed)
        engine.client.api.start(name)


def again(engine: Engine, lab: str, nodes: Callable[[], Mapping[str, Machine]], keys: Keys) -> None:
    """Start the container after a stop. What the student changed in its files stays.

    `nodes` is asked only when it has no files yet.
    """
    name = labels.container(lab, NAME)
    with explained(say("starting the workstation")):
        state = engine.client.api.inspect_container(name)["State"]
        if state["Paused"]:
            engine.client.api.unpause(name)
            return
        if state["Status"] != "created":
            engine.client.api.start(name)
            return
    # An `up` that was cut short has made it and not got to its files.
    start(engine, lab, nodes(), keys)


def place(workstation: Container, folder: Path) -> None:
    """Put the `files/` of a lab of one's own beside those of the built-in ones."""
    files = below(folder)
    if files:
        with explained(say("putting the lab's files into the workstation")):
            workstation.put_archive("/", archive.pack(files, modes=_programs(files)))


def _programs(files: Mapping[str, bytes]) -> dict[str, int]:
    return {path: archive.PROGRAM for path, text in files.items() if text.startswith(b"#!")}


def remove(engine: Engine, lab: str) -> None:
    """Take the container away; content when it is not there."""
    with explained(say("removing the workstation")):
        try:
            engine.client.api.remove_container(labels.container(lab, NAME), v=True, force=True)
        except NotFound:
            return


def lab_files() -> dict[str, bytes]:
    """The files that a student finds in the working directory, by absolute path."""
    files: dict[str, bytes] = {}
    for folder in sorted(resources.labs_dir().glob("*/files")):
        files |= below(folder)
    compose = resources.compose_dir() / COMPOSE_FILE
    if compose.is_file():
        files[f"{WORKDIR}/{COMPOSE_FILE}"] = Path(compose).read_bytes()
    return files


def below(folder: Path) -> dict[str, bytes]:
    """The files in a lab's `files/`, by the absolute path that they get."""
    return {
        f"{WORKDIR}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _machine(node: str, machine: Machine) -> bytes:
    """What docker-machine keeps of a machine, as far as it is true of a node."""
    folder = f"{MACHINES}/{node}"
    told = {
        "ConfigVersion": 3,
        "Driver": {
            "IPAddress": machine.address,
            "EnginePort": machine.port,
            "MachineName": node,
            "StorePath": MACHINES.rpartition("/")[0],
        },
        "DriverName": "swarmlab",
        "HostOptions": {
            "EngineOptions": {"TlsVerify": True},
            "AuthOptions": {
                "CertDir": folder,
                "CaCertPath": f"{folder}/ca.pem",
                "ClientCertPath": f"{folder}/cert.pem",
                "ClientKeyPath": f"{folder}/key.pem",
                "StorePath": folder,
            },
        },
        "Name": node,
    }
    return json.dumps(told, indent=4).encode() + b"\n"
