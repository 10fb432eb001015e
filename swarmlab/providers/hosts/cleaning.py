"""Takes all of a lab off a machine's engine, and nothing else: the engine is left as it was found.

What was there before the lab, by the snapshot, is never touched. Of the rest, the lab's is what
carries its label, what runs in its swarm, what was made from images that it brought, and what the
chapter gives a label or a name. Anything else that is new is somebody else's, and is named instead.
So is all that is new on a machine without gate and lookout, which was cleaned before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.images import catalog, recipe
from swarmlab.providers.hosts import belonging, gate
from swarmlab.providers.hosts.needs import CONTAINERS, VOLUMES
from swarmlab.providers.hosts.snapshot import Snapshot, differences, membership, on_machine, take
from swarmlab.providers.problems import explained, said
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_BRIDGE = "docker_gwbridge"
"""What every engine makes for itself when it first joins a swarm, and keeps."""
_TASK = "com.docker.swarm.task.id"
_COMPOSE = "com.docker.compose.project"
_NAIVE = "naive"
"""The label of what the chapter's own little manager starts."""
_NAMELESS = "<none>:<none>"
_IN_USE = 409
_SETTLE_SECONDS = 30.0


def clean(
    engine: Engine,
    lab: str,
    found: Snapshot | None,
    tell: Callable[[str], None],
    turn: AbstractContextManager[Any],
    addresses: Collection[str],
) -> list[str]:
    """Take the lab off the engine; what is then not as it was found, in words.

    `turn` is held while it leaves the swarm: managers that leave together wait for one another.
    `addresses` are those of the lab's machines: a swarm with other managers is not the lab's.
    Without a snapshot nothing tells what was there before: only what bears the lab's label goes,
    and its swarm. Raises EnvironmentProblem when something will not go.
    """
    api: Any = engine.client.api
    with explained(say("taking the lab off a machine")):
        info = api.info()
        foreign = belonging.of_others(api, info, addresses)
        before = found or nothing_of_ours(take(engine, lab), api, foreign)
        there = holds(api, lab)
        if there:
            if not foreign and membership(info) not in ("", before.swarm):
                with turn:
                    tell(say("leaving the swarm"))
                    leave(api)
            tell(say("removing containers, volumes and networks"))
            _containers(api, lab, before, foreign)
            _volumes(api, before)
            if not foreign:
                _networks(api, before)
            _name(api, lab, before)
            tell(say("removing images"))
            gate.remove(api, lab)
        _images(api, before, there)
    left = _settled(engine, lab, before, there, foreign)
    if found is None:
        left.append(say("its snapshot is lost: whether it is as it was found cannot be told"))
    return left


def leave(api: Any) -> None:
    """Have the engine leave whatever swarm it is in."""
    api.leave_swarm(force=True)


def holds(api: Any, lab: str) -> bool:
    """Whether the lab has its gate or lookout there. Raises what docker-py raises."""
    return any(on_machine(one, lab) for one in api.containers(all=True))


def _containers(api: Any, lab: str, before: Snapshot, foreign: bool) -> None:
    pictures = _pictures(api, before)
    for one in api.containers(all=True):
        if one["Id"] in before.containers or _is_gate(one, lab):
            continue
        if on_machine(one, lab) or _is_ours(one, pictures, foreign):
            try:
                api.remove_container(one["Id"], v=True, force=True)
            except NotFound:
                continue
            except APIError as error:
                # The swarm that it was a task of is just removing it; what stays is told.
                if error.status_code != _IN_USE:
                    raise


def _pictures(api: Any, before: Snapshot) -> dict[str, bool]:
    """The ids of the lab's images that were not there before, or are swarmlab's own anyway.

    True: both, so that nobody but the lab can have made a container from it.
    """
    return {
        str(one["Id"]): new and own
        for one in api.images()
        for new, own in [(one["Id"] not in before.images, _own(one))]
        if of_lab(one) and (new or own)
    }


def _is_ours(container: Mapping[str, Any], pictures: Mapping[str, bool], foreign: bool) -> bool:
    """Whether a container that is new was made by the chapter.

    On the engine that the workstation is on there may be the lab's other parts, and other labs:
    what says of itself what it is to a lab, is not meant.
    """
    told = container.get("Labels") or {}
    if labels.LAB in told or labels.ROLE in told:
        return False
    if _TASK in told:
        return not foreign
    named = any(f"/{name}" in (container.get("Names") or ()) for name in CONTAINERS)
    image = pictures.get(str(container.get("ImageID")))
    return (
        _NAIVE in told
        or (named and (told.get(_COMPOSE) == "consul" or image is not None))
        or image is True
    )


def _is_gate(container: Mapping[str, Any], lab: str) -> bool:
    """It goes last: while it is there, it keeps the snapshot."""
    return f"/{labels.container(lab, gate.NAME)}" in (container.get("Names") or ())


def _volumes(api: Any, before: Snapshot) -> None:
    for one in api.volumes().get("Volumes") or []:
        if one["Name"] in VOLUMES and one["Name"] not in before.volumes:
            try:
                api.remove_volume(one["Name"])
            except NotFound:
                continue
            except APIError as error:
                # A task is just ending; or somebody else's container has it: told as a difference.
                if error.status_code != _IN_USE:
                    raise


def _networks(api: Any, before: Snapshot) -> None:
    """Those of the swarm go by themselves once it is left; what stays is helped."""

    def look() -> Observation[None]:
        left = _let_go(api, before)
        return Observation(not left, left)

    poll(look, within=_SETTLE_SECONDS, every=0.3)


def _let_go(api: Any, before: Snapshot) -> str:
    """Remove those networks; which are still there, or were until now, in words."""
    left = [net for net in api.networks() if _of_swarm(net, before)]
    for net in left:
        try:
            api.remove_network(net["Id"])
        except NotFound:
            continue
        except APIError as error:
            return f"{net['Name']}: {said(error)}"
    return ", ".join(net["Name"] for net in left)


def _of_swarm(net: Mapping[str, Any], before: Snapshot) -> bool:
    return net["Name"] not in before.networks and (_shared(net) or net["Name"] == _BRIDGE)


def _shared(net: Mapping[str, Any]) -> bool:
    """Whether it is a network of a swarm."""
    return net.get("Scope") == "swarm" or net.get("Driver") == "overlay"


def _name(api: Any, lab: str, before: Snapshot) -> None:
    """Call the machine again as it was called, if it still has the name that the gate gave it.

    The gate's image is still there for that.
    """
    given, image = gate.renamed(api, lab)
    if given and given != before.name and str(api.info().get("Name", "")) == given:
        gate.remove(api, lab)
        gate.rename(api, image, before.name, lab)


def _images(api: Any, before: Snapshot, there: bool) -> None:
    """Take away what the lab brought; what a container of somebody else is made from stays.

    Where the lab is not `there`, it has brought images of swarmlab's own at most.
    """
    if not there:
        for one in api.images():
            if one["Id"] not in before.images and of_lab(one) and _own(one):
                _image(api, one)
        return
    for one in api.images():
        tags = [tag for tag in one.get("RepoTags") or () if tag != _NAMELESS]
        if one["Id"] not in before.images:
            if of_lab(one):
                _image(api, one)
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


def _image(api: Any, image: Mapping[str, Any]) -> None:
    """Remove it under all its names. What will not go is told as a difference."""
    for name in [tag for tag in image.get("RepoTags") or () if tag != _NAMELESS] or [image["Id"]]:
        with suppress(APIError):
            api.remove_image(name)


def _own(image: Mapping[str, Any]) -> bool:
    """Whether it is one of swarmlab's own, whatever it is called."""
    return recipe.LABEL in (image.get("Labels") or {})


def of_lab(image: Mapping[str, Any]) -> bool:
    """Whether an image is one that a lab brings or has pulled, also when it has lost its name.

    One that was built there is not: it is called `latest`, too.
    """
    tags = image.get("RepoTags") or ()
    if any(tag in _inside() for tag in tags):
        return True
    return _own(image) and not any(tag.endswith(":latest") for tag in tags)


def _inside() -> set[str]:
    """What the images are called by those who type, in every catalog."""
    return {name for names in catalog.load().catalogs.values() for name in names.values()}


def _settled(engine: Engine, lab: str, before: Snapshot, there: bool, foreign: bool) -> list[str]:
    """What is not as it was; an engine that is still letting go of something is waited for.

    An image may still come that was under way when the user interrupted, and a network of a swarm
    that the engine had only just joined: it makes them a moment after it has said that it is in.
    """

    def look() -> Observation[list[str]]:
        left = differences(before, take(engine, lab, after=True))
        if left:
            with explained(say("removing volumes and images")):
                if there:
                    _volumes(engine.client.api, before)
                    if not foreign:
                        _let_go(engine.client.api, before)
                _images(engine.client.api, before, there)
        return Observation(not left, "; ".join(left), left)

    return poll(look, within=_SETTLE_SECONDS / 3, every=0.5).last.value or []


def nothing_of_ours(now: Snapshot, api: Any, foreign: bool) -> Snapshot:
    """The engine without what is surely the lab's, in place of a snapshot that is lost."""
    images = {str(one["Id"]) for one in api.images() if of_lab(one)}
    pictures = dict.fromkeys(images, False)
    boxes = {str(one["Id"]) for one in api.containers(all=True) if _is_ours(one, pictures, foreign)}
    nets = set() if foreign else {_BRIDGE, *(n["Name"] for n in api.networks() if _shared(n))}
    return Snapshot(
        name=now.name,
        swarm=now.swarm if foreign else "",
        containers={one: name for one, name in now.containers.items() if one not in boxes},
        running=now.running - boxes,
        volumes=now.volumes - set(VOLUMES),
        networks=now.networks - nets,
        images={one: tags for one, tags in now.images.items() if one not in images},
    )
