"""The node image with every image of the lab already in its engine's store.

A throw-away node loads the images, its engine is stopped, and `registry.pack` inside it makes
the store; committing that container gives the image that nodes run. See `swarmlab-node`.
"""

from __future__ import annotations

import json
import socket
from threading import Event
from typing import Any

from docker import DockerClient
from docker.types import Mount

from swarmlab import labels
from swarmlab.engine import close_stream
from swarmlab.images import catalog, leftovers, recipe
from swarmlab.images import engine as transport
from swarmlab.images.build import failure
from swarmlab.images.command import Say
from swarmlab.images.schedule import Stopped
from swarmlab.providers.dind import CAPABILITIES, SECURITY
from swarmlab.wait import Observation, until
from swarmlab.words import say

_LOAD_SECONDS = 600.0
_SAVE_SECONDS = 600.0
_LOOK_SECONDS = 2.0
_DATA_BYTES = 3 << 30
_PLENTY_OF_MEMORY = 12 << 30


def make(engine: DockerClient, keys: recipe.Keys, target: str, tell: Say, stop: Event) -> str:
    """Make the loaded node image as `target`; returns where its content came from, in words.

    Raises ImageProblem with the loader's last words when an image does not fit into a store,
    schedule.Stopped when `stop` was set. The loader and its volume are removed whatever happens;
    after a kill by `leftovers.remove`.
    """
    pairs = {keys.reference(spec.name): str(spec.inside) for spec in catalog.load().stored()}
    api = engine.api
    loader = api.create_container(
        keys.reference("node"),
        command=["load", *(f"{host}={inside}" for host, inside in pairs.items())],
        stdin_open=True,
        labels=leftovers.labels(),
        host_config=_host_config(engine),
    )["Id"]
    try:
        tell(say("loading the images"))
        _feed(engine, loader, list(pairs), stop)
        tell(say("arranging the store"))
        code = _ended(engine, loader, stop)
        if code != 0:
            words = api.logs(loader, tail=20).decode(errors="replace").strip()
            reason = say("the loader of the nodes' store ended with exit code {code}", code=code)
            raise failure(catalog.LOADED_NODE, reason, words.splitlines())
        tell(say("saving the node with its images"))
        _commit(engine, loader, target, keys.key(catalog.LOADED_NODE))
    finally:
        api.remove_container(loader, force=True, v=True)
    return f"loaded: {', '.join(pairs.values())}"


def _host_config(engine: DockerClient) -> dict[str, Any]:
    """What an inner engine needs, without ever being privileged."""
    config: dict[str, Any] = engine.api.create_host_config(
        cap_add=list(CAPABILITIES),
        security_opt=list(SECURITY),
        mounts=[_data(engine)],
        network_mode="none",
    )
    # The client's word for these two is `systempaths=unconfined`; the API knows only the lists.
    config["MaskedPaths"] = []
    config["ReadonlyPaths"] = []
    return config


def _data(engine: DockerClient) -> Mount:
    """The loader's data folder: in memory where there is plenty, which saves a few seconds."""
    if int(engine.info()["MemTotal"]) >= _PLENTY_OF_MEMORY:
        return Mount("/var/lib/docker", None, type="tmpfs", tmpfs_size=_DATA_BYTES)
    return Mount("/var/lib/docker", None, type="volume")


def _ended(engine: DockerClient, loader: str, stop: Event) -> int:
    """Wait for the loader's end; its exit code."""

    def look() -> Observation[int]:
        if stop.is_set():
            raise Stopped(catalog.LOADED_NODE)
        seen = engine.api.inspect_container(loader)["State"]
        return Observation(not seen["Running"], say("it is still at it"), int(seen["ExitCode"]))

    waited = until(
        say("the nodes' store to be arranged"),
        look,
        within=_LOAD_SECONDS,
        hint=say(
            "Give the Docker engine a faster disk or more memory, then run the command again."
        ),
    )
    return int(waited.last.value or 0)


def _feed(engine: DockerClient, loader: str, references: list[str], stop: Event) -> None:
    """Stream the images out of the outer engine into the loader's standard input.

    Returns early when the loader ends early; its exit code and words say why.
    """
    stream: Any = engine.api.attach_socket(loader, params={"stdin": 1, "stream": 1})
    try:
        engine.api.start(loader)
        raw: socket.socket = getattr(stream, "_sock", stream)
        raw.settimeout(_LOOK_SECONDS)
        with transport.request(
            engine, "GET", "/images/get", params={"names": references}
        ) as response:
            for block in response.iter_content(1 << 20):
                if stop.is_set():
                    raise Stopped(catalog.LOADED_NODE)
                if not _send(engine, loader, raw, block, stop):
                    return
        raw.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        close_stream(stream)


def _send(engine: DockerClient, loader: str, raw: socket.socket, block: bytes, stop: Event) -> bool:
    """Send a block; False when the loader has ended, which the engine's socket does not tell."""
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[raw.send(rest) :]
        except TimeoutError:
            if stop.is_set():
                return True  # for the caller to see
            if not engine.api.inspect_container(loader)["State"]["Running"]:
                return False
    return True


def _commit(engine: DockerClient, loader: str, target: str, key: str) -> None:
    """An image out of the loader, with a node's own command and labels again."""
    name, _, tag = target.rpartition(":")
    changes = (
        'CMD ["run"]',
        f"LABEL {recipe.LABEL}={key} {recipe.SOURCE}=loaded {labels.ROLE}=image {labels.OWNER}=",
    )
    # Not the SDK's own call: its limit of a minute is too short for a slow disk.
    with transport.request(
        engine,
        "POST",
        "/commit",
        params={"container": loader, "repo": name, "tag": tag, "changes": "\n".join(changes)},
        data=json.dumps({"OpenStdin": False, "StdinOnce": False}).encode(),
        content="application/json",
        silence=_SAVE_SECONDS,
    ) as response:
        response.json()
