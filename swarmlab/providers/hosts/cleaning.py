"""Takes all of a lab off a machine's engine, and nothing else: the engine is left as it was found.

What was there before the lab, by the snapshot, is never touched. Of the rest, the lab's is what
carries its label, what runs in its swarm, what was made from images that it brought, and what the
chapter gives a label or a name. Anything else that is new is somebody else's, and is named instead.
So is all that is new on a machine without gate and lookout, which was cleaned before. Where another
lab has made a node of the machine meanwhile, nothing goes but this one's own gate and lookout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.providers.hosts import belonging, gate
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.needs import CONTAINERS, VOLUMES
from swarmlab.providers.hosts.pictures import Pictures
from swarmlab.providers.hosts.snapshot import Snapshot, differences, membership, take
from swarmlab.providers.problems import explained, said
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_BRIDGE = "docker_gwbridge"
"""What every engine makes for itself when it first joins a swarm, and keeps."""
_TASK = "com.docker.swarm.task.id"
_COMPOSE = "com.docker.compose.project"
_NAIVE = "naive"
"""The label of what the chapter's own little manager starts."""
_IN_USE = 409
_SETTLE_SECONDS = 30.0


def clean(
    engine: Engine,
    whose: Whose,
    found: Snapshot | None,
    tell: Callable[[str], None],
    turn: AbstractContextManager[Any],
    addresses: Collection[str],
    pictures: Pictures,
) -> list[str]:
    """Take the lab off the engine; what is then not as it was found, in words.

    `turn` is held while it leaves the swarm: managers that leave together wait for one another.
    `addresses` are those of the lab's machines: a swarm with other managers is not the lab's.
    Without a snapshot nothing tells what was there before: only what bears the lab's label goes,
    and its swarm. Raises EnvironmentProblem when something will not go.
    """
    api: Any = engine.client.api
    with explained(say("taking the lab off a machine")):
        others = whose.others(api.containers(all=True))
        if others:
            _doors(api, whose)
            return [_taken(others)]
        info = api.info()
        foreign = belonging.of_others(api, info, addresses)
        before = found or nothing_of_ours(take(engine, whose.lab), api, foreign, pictures)
        there = holds(api, whose)
        if there:
            if not foreign and membership(info) not in ("", before.swarm):
                with turn:
                    tell(say("leaving the swarm"))
                    leave(api)
            tell(say("removing containers, volumes and networks"))
            _containers(api, whose, before, foreign, pictures)
            _volumes(api, before)
            if not foreign:
                _networks(api, before)
            _name(api, whose, before)
            tell(say("removing images"))
            gate.remove(api, whose)
    left = _settled(engine, whose, before, there, foreign, pictures)
    if found is None:
        left.append(say("its snapshot is lost: whether it is as it was found cannot be told"))
    return left


def _taken(others: Sequence[str]) -> str:
    return say("it is a node of another lab now ({lab}), and was left so", lab=others[0])


def leave(api: Any) -> None:
    """Have the engine leave whatever swarm it is in."""
    api.leave_swarm(force=True)


def holds(api: Any, whose: Whose) -> bool:
    """Whether the lab has its gate or lookout there. Raises what docker-py raises."""
    return any(whose.has(one) for one in api.containers(all=True))


def _containers(
    api: Any, whose: Whose, before: Snapshot, foreign: bool, pictures: Pictures
) -> None:
    new = pictures.new(api, before)
    for one in api.containers(all=True):
        if one["Id"] in before.containers or _is_gate(one, whose.lab):
            continue
        if whose.has(one) or whose.opened(one) or _is_ours(one, new, foreign):
            _container(api, one)


def _doors(api: Any, whose: Whose) -> None:
    """The gate, the lookout, and the shells that were opened through the gate."""
    for one in api.containers(all=True):
        if whose.has(one) or (whose.opened(one) and labels.LAB in one["Labels"]):
            _container(api, one)


def _container(api: Any, one: Mapping[str, Any]) -> None:
    try:
        api.remove_container(one["Id"], v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        # The swarm that it was a task of is just removing it; what stays is told.
        if error.status_code != _IN_USE:
            raise


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


def _name(api: Any, whose: Whose, before: Snapshot) -> None:
    """Call the machine again as it was called, if it still has the name that the gate gave it.

    The gate's image is still there for that.
    """
    given, image = gate.renamed(api, whose)
    if given and given != before.name and str(api.info().get("Name", "")) == given:
        gate.remove(api, whose)
        gate.rename(api, image, before.name, whose)


def _settled(
    engine: Engine,
    whose: Whose,
    before: Snapshot,
    there: bool,
    foreign: bool,
    pictures: Pictures,
) -> list[str]:
    """What is not as it was; an engine that is still letting go of something is waited for.

    An image may still come that was under way when the user interrupted, and a network of a swarm
    that the engine had only just joined: it makes them a moment after it has said that it is in.
    So may a shell that was just being opened, and another lab that waited for the gate's name.
    """
    api: Any = engine.client.api

    def look() -> Observation[list[str]]:
        with explained(say("removing volumes and images")):
            others = whose.others(api.containers(all=True))
            if others:
                return Observation(True, _taken(others), [_taken(others)])
            pictures.remove(api, before, there)
        left = differences(before, take(engine, whose.lab, after=True))
        if left and there:
            with explained(say("removing volumes and images")):
                _doors(api, whose)
                _volumes(api, before)
                if not foreign:
                    _let_go(api, before)
        return Observation(not left, "; ".join(left), left)

    return poll(look, within=_SETTLE_SECONDS / 3, every=0.5).last.value or []


def nothing_of_ours(now: Snapshot, api: Any, foreign: bool, pictures: Pictures) -> Snapshot:
    """The engine without what is surely the lab's, in place of a snapshot that is lost."""
    images = {str(one["Id"]) for one in api.images() if pictures.has(one)}
    known = dict.fromkeys(images, False)
    boxes = {str(one["Id"]) for one in api.containers(all=True) if _is_ours(one, known, foreign)}
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
