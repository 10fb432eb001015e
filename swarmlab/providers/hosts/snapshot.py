"""What an engine holds, written down: before the lab touches it, and again when it is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.providers.problems import explained
from swarmlab.words import later, say

VERSION = 1
_NAMELESS = re.compile(r"[0-9a-f]{64}")
"""What an engine calls a volume that nobody gave a name, and whose it is it does not keep."""
# What a lab has on its own engine, which may be one of the machines'.
_OF_ENGINE = (labels.ROLE_WORKSTATION, labels.ROLE_NETWORK, labels.ROLE_VOLUME)
_GONE_AND_NEW = {
    "container": (later("container {name} is gone"), later("container {name} is new")),
    "volume": (later("volume {name} is gone"), later("volume {name} is new")),
    "network": (later("network {name} is gone"), later("network {name} is new")),
    "image": (later("image {name} is gone"), later("image {name} is new")),
}


@dataclass(frozen=True)
class Snapshot:
    """One engine's own things, without those of the lab that is told of.

    `containers` maps ids to names, `running` holds the ids of those that run; `images` maps ids
    to tags. Networks go by name: an engine gives its own ones new ids when it starts. `swarm` is
    empty outside of any swarm, else the id of the node in it.
    """

    name: str
    swarm: str = ""
    containers: Mapping[str, str] = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "name": self.name,
            "swarm": self.swarm,
            "containers": dict(sorted(self.containers.items())),
            "running": sorted(self.running),
            "volumes": sorted(self.volumes),
            "networks": sorted(self.networks),
            "images": {one: list(tags) for one, tags in sorted(self.images.items())},
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Snapshot:
        """What `to_dict` made. Raises KeyError, TypeError or ValueError for anything else."""
        if told["version"] != VERSION:
            raise ValueError(f"a snapshot of version {told['version']}")
        return cls(
            name=str(told["name"]),
            swarm=str(told["swarm"]),
            containers=dict(told["containers"]),
            running=frozenset(told["running"]),
            volumes=frozenset(told["volumes"]),
            networks=frozenset(told["networks"]),
            images={one: tuple(tags) for one, tags in told["images"].items()},
        )


def take(engine: Engine, lab: str, *, after: bool = False) -> Snapshot:
    """The engine as it is now. Raises EnvironmentProblem when it does not tell.

    `after` the lab was taken off, what it has left behind on the machine is among it.
    """
    api: Any = engine.client.api
    with explained(say("looking at what it holds")):
        return read(
            api.info(),
            api.containers(all=True),
            api.volumes().get("Volumes") or [],
            api.networks(),
            api.images(),
            lab,
            after=after,
        )


def read(
    info: Mapping[str, Any],
    containers: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    networks: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
    lab: str,
    *,
    after: bool = False,
) -> Snapshot:
    """The same from what the engine listed."""

    def left_out(one: Mapping[str, Any]) -> bool:
        return _of(one, lab) and not (after and _role(one) not in _OF_ENGINE)

    boxes = [one for one in containers if not left_out(one)]
    return Snapshot(
        name=str(info.get("Name", "")),
        swarm=membership(info),
        containers={str(one["Id"]): _name(one) for one in boxes},
        running=frozenset(str(one["Id"]) for one in boxes if one.get("State") == "running"),
        volumes=frozenset(str(one["Name"]) for one in volumes if not left_out(one)),
        networks=frozenset(str(one["Name"]) for one in networks if not left_out(one)),
        images={
            str(one["Id"]): tuple(
                sorted(tag for tag in one.get("RepoTags") or () if tag != "<none>:<none>")
            )
            for one in images
        },
    )


def membership(info: Mapping[str, Any]) -> str:
    """The id of the node that the engine is in a swarm; its state where it tells no id."""
    swarm = info.get("Swarm") or {}
    state = str(swarm.get("LocalNodeState") or "inactive")
    return "" if state == "inactive" else str(swarm.get("NodeID") or state)


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What is not as it was, each in a few words; nothing when the engine is as it was found."""
    found = []
    if before.name != after.name:
        found.append(say("its name is {now}, and was {was}", now=after.name, was=before.name))
    if before.swarm != after.swarm:
        was, now = (
            say("in a swarm as node {node}", node=of.swarm) if of.swarm else say("in no swarm")
            for of in (before, after)
        )
        found.append(say("it is {now}, and was {was}", now=now, was=was))
    names = {**after.containers, **before.containers}
    found += _sets("container", before.containers, after.containers, names.__getitem__)
    for one in sorted(set(before.containers) & set(after.containers)):
        if one in before.running - after.running:
            found.append(say("container {name} is stopped, and ran", name=names[one]))
        elif one in after.running - before.running:
            found.append(say("container {name} runs, and was stopped", name=names[one]))
    nameless = {one for one in after.volumes - before.volumes if _NAMELESS.fullmatch(one)}
    found += _sets("volume", before.volumes, after.volumes - nameless, short)
    found += [
        say(
            "volume {short} is new and has no name: a container made it, of the lab or of somebody "
            "else, that was removed without its volumes (`docker rm` without -v). Does nobody miss "
            "it? There: `docker volume rm {name}`",
            short=short(one),
            name=one,
        )
        for one in sorted(nameless)
    ]
    found += _sets("network", before.networks, after.networks, str)
    images = {one: _image(one, tags) for one, tags in {**after.images, **before.images}.items()}
    found += _sets("image", before.images, after.images, images.__getitem__)
    for one in sorted(set(before.images) & set(after.images)):
        if set(before.images[one]) != set(after.images[one]):
            was, now = (", ".join(of.images[one]) or say("no name") for of in (before, after))
            found.append(
                say(
                    "image {name} is called {now}, and was called {was}",
                    name=short(one),
                    now=now,
                    was=was,
                )
            )
    return found


def _sets(
    what: str,
    before: Sequence[str] | Mapping[str, Any] | frozenset[str],
    after: Sequence[str] | Mapping[str, Any] | frozenset[str],
    shown: Callable[[str], str],
) -> list[str]:
    gone, new = _GONE_AND_NEW[what]
    return [
        *(say(gone, name=shown(one)) for one in sorted(set(before) - set(after))),
        *(say(new, name=shown(one)) for one in sorted(set(after) - set(before))),
    ]


def _image(one: str, tags: Sequence[str]) -> str:
    return tags[0] if tags else short(one)


def short(one: str) -> str:
    """An id as people read it; other names as they are."""
    bare = one.removeprefix("sha256:")
    return bare[:12] if len(bare) == 64 else one


def _name(container: Mapping[str, Any]) -> str:
    names = container.get("Names") or [str(container["Id"])[:12]]
    return str(names[0]).lstrip("/")


def _role(one: Mapping[str, Any]) -> str:
    return str((one.get("Labels") or {}).get(labels.ROLE, ""))


def _of(one: Mapping[str, Any], lab: str) -> bool:
    return (one.get("Labels") or {}).get(labels.LAB) == lab
