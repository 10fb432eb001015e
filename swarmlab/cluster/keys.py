"""The lab's certificates: where they lie in containers and, for the client, on this machine.

They are made once per lab, and the authority's key is thrown away when all are signed: nobody
can sign another one later. So that a node or the workstation can be made again, every container
of the lab holds the whole set. On this machine lies the client's part only, and it is fetched
again when it is missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmlab import archive, flock, labels, state
from swarmlab.errors import ClusterProblem
from swarmlab.providers.base import Provider
from swarmlab.wait import Observation, until
from swarmlab.words import say

BUNDLE = "/etc/swarmlab/keys"
"""The folder in each container that holds the whole set."""

NODE_CERTS = "/etc/docker/certs"
MACHINES = "/root/.docker/machine/machines"

_TURN_SECONDS = 30.0
_CLIENT = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True, repr=False)
class Pair:
    """A certificate and its key, PEM."""

    cert: bytes
    key: bytes


@dataclass(frozen=True, repr=False)
class Keys:
    """The set of one lab: the authority's certificate, the client's pair, a pair per node."""

    ca: bytes
    client: Pair
    nodes: Mapping[str, Pair]

    def on_node(self, node: str) -> dict[str, bytes]:
        """The files of a node, by absolute path; none for one with certificates of its own."""
        own = self.nodes.get(node)
        if own is None:
            return {}
        return {
            f"{NODE_CERTS}/ca.pem": self.ca,
            f"{NODE_CERTS}/cert.pem": own.cert,
            f"{NODE_CERTS}/key.pem": own.key,
            **self.bundle(),
        }

    def on_machine(self, node: str) -> dict[str, bytes]:
        """The workstation's files to talk to a node, by absolute path."""
        return {f"{MACHINES}/{node}/{name}": content for name, content in self.of_client().items()}

    def of_client(self) -> dict[str, bytes]:
        """The client's files by the names that every docker client knows."""
        return {"ca.pem": self.ca, "cert.pem": self.client.cert, "key.pem": self.client.key}

    def bundle(self) -> dict[str, bytes]:
        """The whole set, by absolute path in a container."""
        files = {"ca.pem": self.ca, **_named("client", self.client)}
        for node, pair in self.nodes.items():
            files |= _named(node, pair)
        return {f"{BUNDLE}/{name}": content for name, content in files.items()}


def of_bundle(files: Mapping[str, bytes]) -> Keys:
    """The set from its files by name. Raises ClusterProblem when one is missing."""
    try:
        nodes = {
            name.removesuffix("-cert.pem"): _pair(files, name.removesuffix("-cert.pem"))
            for name in files
            if name.startswith("swarm-") and name.endswith("-cert.pem")
        }
        return Keys(files["ca.pem"], _pair(files, "client"), nodes)
    except KeyError as error:
        raise ClusterProblem(
            say("The lab's certificates are not complete: {name} is missing.", name=error.args[0]),
            hint=say("`swarmlab down`, then `swarmlab up`."),
        ) from None


def of_lab(api: Any, lab: str, nodes: Iterable[str]) -> Keys:
    """The set from the first of the lab's containers that holds it, running or not.

    Raises ClusterProblem when none does, EngineUnreachable when the host's engine fails.
    """
    from docker.errors import APIError

    from swarmlab.providers.problems import explained

    for holder in ("workstation", *nodes):
        with explained(say("reading the lab's certificates")):
            try:
                stream, _ = api.get_archive(labels.container(lab, holder), BUNDLE)
                return of_bundle(archive.unpack(stream))
            except (APIError, ClusterProblem):
                continue
    raise ClusterProblem(
        say("None of the lab's containers holds its certificates."),
        hint=say("`swarmlab down`, then `swarmlab up`."),
    )


def needed(provider: Provider, nodes: Iterable[str]) -> bool:
    """Whether any of those nodes' engines has the lab's own certificates."""
    return any(provider.certs(node) is None for node in nodes)


def cache_folder(name: str) -> Path:
    """Where the client's files of a lab lie on this machine."""
    return state.lab_folder(name) / "certs"


def cached(name: str, instance: str) -> Path | None:
    """The folder with the client's files if they belong to this instance of the lab."""
    folder = cache_folder(name)
    try:
        told = (folder / "instance").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    complete = all((folder / file).is_file() for file in _CLIENT)
    return folder if instance and told == instance and complete else None


def cache(name: str, instance: str, keys: Keys) -> Path:
    """Write the client's files, readable by this user alone; the instance last, as a seal.

    Commands that only look may do so at the same time, so one writes and the others wait for it.
    Raises EnvironmentProblem when the state folder cannot be written.
    """
    folder = cache_folder(name)
    with state.opened(state.folder() / "locks" / f"{name}.certs.lock") as turn:
        until(
            say("another swarmlab to have written the lab's certificates"),
            lambda: Observation(flock.take(turn), say("it is still writing")),
            within=_TURN_SECONDS,
            every=0.02,
            hint=say("End it, then run the command again."),
        )
        if cached(name, instance) is not None:
            return folder
        forget(name)
        state.made(folder)
        try:
            for file, content in keys.of_client().items():
                _write(folder / file, content)
            _write(folder / "instance", instance.encode("ascii"))
        except OSError as error:
            raise state.unwritable(folder, error) from error
    return folder


def forget(name: str) -> None:
    """Remove the client's files from this machine."""
    shutil.rmtree(cache_folder(name), ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _named(name: str, pair: Pair) -> dict[str, bytes]:
    return {f"{name}-cert.pem": pair.cert, f"{name}-key.pem": pair.key}


def _pair(files: Mapping[str, bytes], name: str) -> Pair:
    return Pair(files[f"{name}-cert.pem"], files[f"{name}-key.pem"])
