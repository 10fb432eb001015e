"""Takes all of a lab off a machine's engine, and nothing else: the engine is left as it was found.

What was there before the lab, by the snapshot, is never touched. Of the rest, the lab's is what
carries its label, what runs in its swarm, what was made from its images, and what the chapter's
compose file made. Anything else that is new is somebody else's, and is named instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.images import catalog, recipe
from swarmlab.providers.hosts import gate
from swarmlab.providers.hosts.snapshot import Snapshot, differences, membership, take
from swarmlab.providers.problems import explained, said
from swarmlab.wait import Observation, poll

_BRIDGE = "docker_gwbridge"
"""What every engine makes for itself when it first joins a swarm, and keeps."""
_TASK = "com.docker.swarm.task.id"
_PROJECT = ("com.docker.compose.project", "consul")
_SETTLE_SECONDS = 30.0


def clean(
    engine: Engine,
    lab: str,
    found: Snapshot | None,
    say: Callable[[str], None],
    turn: AbstractContextManager[Any],
) -> list[str]:
    """Take the lab off the engine; what is then not as it was found, in words.

    `turn` is held while it leaves the swarm: managers that leave together wait for one another.
    Without a snapshot nothing tells what was there before: only what bears the lab's label goes,
    and its swarm. Raises EnvironmentProblem when something will not go.
    """
    api: Any = engine.client.api
    with explained("taking the lab off a machine"):
        before = found or _nothing_of_ours(take(engine, lab), api)
        with turn:
            _leave(api, before, say)
        say("removing containers, volumes and networks")
        _containers(api, lab, before)
        _volumes(api, before)
        _networks(api, lab, before)
        _name(api, lab, before)
        say("removing images")
        gate.remove(api, lab)
        _images(api, before)
    left = _settled(engine, lab, before)
    if found is None:
        left.append("its snapshot is lost: whether it is as it was found cannot be told")
    return left


def leave(api: Any) -> None:
    """Have the engine leave whatever swarm it is in."""
    api.leave_swarm(force=True)


def _leave(api: Any, before: Snapshot, say: Callable[[str], None]) -> None:
    now = membership(api.info())
    if now and now != before.swarm:
        say("leaving the swarm")
        leave(api)


def _containers(api: Any, lab: str, before: Snapshot) -> None:
    ours = {str(one["Id"]) for one in api.images() if of_lab(one)}
    for one in api.containers(all=True):
        if one["Id"] in before.containers or _is_gate(one, lab):
            continue
        told = one.get("Labels") or {}
        # On the engine that the workstation is on, too, there may be other labs.
        of = told.get(labels.LAB, lab)
        known = labels.LAB in told or _TASK in told or one.get("ImageID") in ours
        if of == lab and known:
            with suppress(NotFound):
                api.remove_container(one["Id"], v=True, force=True)


def _is_gate(container: Mapping[str, Any], lab: str) -> bool:
    """It goes last: while it is there, it keeps the snapshot."""
    return f"/{labels.container(lab, gate.NAME)}" in (container.get("Names") or ())


def _volumes(api: Any, before: Snapshot) -> None:
    for one in api.volumes().get("Volumes") or []:
        told = one.get("Labels") or {}
        if one["Name"] not in before.volumes and told.get(_PROJECT[0]) == _PROJECT[1]:
            with suppress(NotFound):
                api.remove_volume(one["Name"])


def _networks(api: Any, lab: str, before: Snapshot) -> None:
    """Those of the swarm go by themselves once it is left; what stays is helped."""

    def look() -> Observation[None]:
        left = [net for net in api.networks() if _of_swarm(net, lab, before)]
        for net in left:
            try:
                api.remove_network(net["Id"])
            except NotFound:
                continue
            except APIError as error:
                return Observation(False, f"{net['Name']}: {said(error)}")
        return Observation(not left, ", ".join(net["Name"] for net in left))

    poll(look, within=_SETTLE_SECONDS, every=0.3)


def _of_swarm(net: Mapping[str, Any], lab: str, before: Snapshot) -> bool:
    if net["Name"] in before.networks:
        return False
    of = (net.get("Labels") or {}).get(labels.LAB)
    return _shared(net) or net["Name"] == _BRIDGE or of == lab


def _shared(net: Mapping[str, Any]) -> bool:
    """Whether it is a network of a swarm."""
    return net.get("Scope") == "swarm" or net.get("Driver") == "overlay"


def _name(api: Any, lab: str, before: Snapshot) -> None:
    """Call the machine again as it was called; the gate's image is still there for that."""
    if str(api.info().get("Name", "")) == before.name:
        return
    with suppress(NotFound):
        image = api.inspect_container(labels.container(lab, gate.NAME))["Image"]
        gate.remove(api, lab)
        gate.rename(api, image, before.name, lab)


def _images(api: Any, before: Snapshot) -> None:
    for one in api.images():
        tags = [tag for tag in one.get("RepoTags") or () if tag != "<none>:<none>"]
        if one["Id"] not in before.images:
            if of_lab(one):
                for name in tags or [one["Id"]]:
                    # What will not go is told as a difference.
                    with suppress(APIError):
                        api.remove_image(name, force=True)
            continue
        for tag in set(tags) - set(before.images[one["Id"]]):
            if tag in _inside():
                with suppress(APIError):
                    api.remove_image(tag)
    for image, names in before.images.items():
        # A name that ours had taken from an older image of the same name.
        for name in names:
            try:
                api.inspect_image(name)
            except NotFound:
                repository, _, tag = name.rpartition(":")
                with suppress(NotFound):
                    api.tag(image, repository, tag)


def of_lab(image: Mapping[str, Any]) -> bool:
    """Whether an image is one that a lab brings or has pulled, also when it has lost its name.

    One that was built there is not: it is called `latest`, too.
    """
    tags = image.get("RepoTags") or ()
    if any(tag in _inside() for tag in tags):
        return True
    brought = recipe.LABEL in (image.get("Labels") or {})
    return brought and not any(tag.endswith(":latest") for tag in tags)


def _inside() -> set[str]:
    """What the images are called by those who type, in every catalog."""
    return {name for names in catalog.load().catalogs.values() for name in names.values()}


def _settled(engine: Engine, lab: str, before: Snapshot) -> list[str]:
    """What is not as it was; an engine that is still letting go of something is waited for.

    An image may still come that was under way when the user interrupted.
    """

    def look() -> Observation[list[str]]:
        left = differences(before, take(engine, lab))
        if left:
            with explained("removing images"):
                _images(engine.client.api, before)
        return Observation(not left, "; ".join(left), left)

    return poll(look, within=_SETTLE_SECONDS / 3, every=0.5).last.value or []


def _nothing_of_ours(now: Snapshot, api: Any) -> Snapshot:
    """The engine without what is surely the lab's, in place of a snapshot that is lost."""
    images = {str(one["Id"]) for one in api.images() if of_lab(one)}
    boxes = {
        str(one["Id"])
        for one in api.containers(all=True)
        if _TASK in (one.get("Labels") or {}) or one.get("ImageID") in images
    }
    volumes = api.volumes(filters={"label": "=".join(_PROJECT)}).get("Volumes") or []
    return Snapshot(
        name=now.name,
        containers={one: name for one, name in now.containers.items() if one not in boxes},
        running=now.running - boxes,
        volumes=now.volumes - {str(one["Name"]) for one in volumes},
        networks=now.networks - {_BRIDGE, *(net["Name"] for net in api.networks() if _shared(net))},
        images={one: tags for one, tags in now.images.items() if one not in images},
    )
