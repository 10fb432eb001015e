"""What there is of a lab on the engine, found by label; and how all of it is taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.cluster.crew import Crew
from swarmlab.engine import Engine
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, MachineUnknown
from swarmlab.images import sources
from swarmlab.images.sources import Sources
from swarmlab.providers import at_once, dind, registry
from swarmlab.providers.base import Info, NodeState, Provider
from swarmlab.providers.problems import explained, said
from swarmlab.providers.registry import Choice
from swarmlab.size import UNKNOWN, Size
from swarmlab.wait import Observation, until
from swarmlab.words import say

_GONE_SECONDS = 20.0
_CLEAR_SECONDS = 120.0
# What a container has for ending in order: a node needs up to eight of them.
_STOP_SECONDS = 10
# What an engine says of a thing that another request is just letting go of.
_BUSY = ("already in progress", "resource busy", "is in use", "active endpoints")


@dataclass(frozen=True)
class Remains:
    """Everything of one lab that there is. Names in order; `workstation` may be missing.

    `reach` and `publish` are what the lab was made with, as `up` takes them, `sources` where its
    images come from. `choice` is its provider, and `machines` the nodes elsewhere than on the
    lab's own engine; `unknown` says of which of them nothing can be told, and why. `size` is what
    the lab was made with, also where no node is left.
    """

    info: Info
    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    networks: tuple[str, ...]
    workstation: NodeState
    reach: str = "auto"
    publish: str = ""
    choice: Choice = registry.NO_OTHER
    sources: Sources = sources.USUAL
    machines: tuple[str, ...] = ()
    unknown: Mapping[str, MachineUnknown] = field(default_factory=dict)
    size: Size = UNKNOWN

    @property
    def holders(self) -> tuple[str, ...]:
        """The nodes whose containers hold the lab's certificates, beside the workstation."""
        return self.info.names if self.choice.contained else ()

    @property
    def nothing(self) -> bool:
        return not (self.containers or self.volumes or self.networks or self.machines)

    @property
    def complete(self) -> bool:
        """Whether every container that belongs to the lab is there and runs."""
        return (
            self.info.expected == len(self.info.nodes) > 0
            and all(node.state is NodeState.RUNNING for node in self.info.nodes)
            and self.workstation is NodeState.RUNNING
        )

    @property
    def at_rest(self) -> bool:
        """Whether all that belongs to the lab is there, and nothing of it runs."""
        states = [node.state for node in self.info.nodes] + [self.workstation]
        whole = 0 < self.info.expected == len(self.info.nodes) and bool(self.networks)
        frozen = any("(Paused)" in node.detail for node in self.info.nodes)
        return whole and not frozen and all(state is NodeState.STOPPED for state in states)


def look(engine: Engine, lab: str, choice: Choice | None = None) -> Remains:
    """What there is of the lab now. Raises EnvironmentProblem.

    `choice` says where its nodes are if nothing on the engine does.
    """
    api = engine.client.api
    of = labels.of(lab)
    with explained(say("looking for the lab")), Crew(3) as crew:
        containers = crew.go(api.containers, all=True, filters=of)
        volumes = crew.go(api.volumes, filters=of)
        networks = crew.go(api.networks, filters=of)
        there = read(containers.result(), volumes.result().get("Volumes") or [], networks.result())
    if choice is not None and not there.info.nodes:
        if there.choice.contained:
            there = replace(there, choice=choice, size=UNKNOWN)
        elif there.choice.provider == choice.provider and not there.choice.settings:
            there = replace(there, choice=choice)  # its labels do not tell of which machines it is
    return elsewhere(engine, lab, there)


def elsewhere(engine: Engine, lab: str, there: Remains) -> Remains:
    """The same with what its provider tells of nodes that are not on the lab's own engine.

    A provider that keeps a list of its own is also asked about a lab of which nothing else is
    left. Raises EnvironmentProblem.
    """
    choice, size = there.choice, there.size
    if choice.contained:
        stray = None if there.info.nodes else registry.strays().get(lab)
        if stray is None:
            return there
        choice, size = stray, UNKNOWN
    registry.understood(choice, lab)
    provider = registry.make(choice, engine, lab, size=size)
    return replace(
        there,
        choice=choice,
        info=provider.info(),
        machines=provider.left(),
        unknown=provider.unknown(),
    )


def read(
    containers: Sequence[dict[str, Any]],
    volumes: Sequence[dict[str, Any]] = (),
    networks: Sequence[dict[str, Any]] = (),
) -> Remains:
    """The same from what the engine listed."""
    workstation = NodeState.MISSING
    for container in containers:
        if (container.get("Labels") or {}).get(labels.ROLE) == labels.ROLE_WORKSTATION:
            running = container.get("State") == "running"
            workstation = NodeState.RUNNING if running else NodeState.STOPPED
    # The network says it best, and may be what is gone.
    marked = [thing.get("Labels") or {} for thing in (*networks, *containers, *volumes)]
    return Remains(
        info=dind.read(list(containers)),
        containers=tuple(sorted(container["Names"][0].lstrip("/") for container in containers)),
        volumes=tuple(sorted(volume["Name"] for volume in volumes)),
        networks=tuple(sorted(network["Name"] for network in networks)),
        workstation=workstation,
        reach=next((told[labels.REACH] for told in marked if labels.REACH in told), "auto"),
        publish=next((told[labels.PUBLISH] for told in marked if told.get(labels.PUBLISH)), ""),
        choice=registry.told([*containers, *networks, *volumes]),
        sources=sources.told([*networks, *containers]),
        size=max((Size.told(told) for told in marked), key=lambda one: one.count, default=UNKNOWN),
    )


def running(engine: Engine, lab: str) -> tuple[str, ...]:
    """The names of the lab's containers that run now, paused ones included."""
    listed = engine.client.api.containers(filters=labels.of(lab))
    return tuple(sorted(container["Names"][0].lstrip("/") for container in listed))


def halt(engine: Engine, names: Sequence[str]) -> None:
    """Stop those containers side by side; what is gone or stopped already is no error.

    Raises EnvironmentProblem.
    """
    with explained(say("stopping the lab")), Crew() as crew:
        crew.all([crew.go(_halt, engine.client.api, name) for name in names])


def _halt(api: Any, name: str) -> None:
    with suppress(NotFound):
        if api.inspect_container(name)["State"]["Paused"]:
            # A frozen process cannot hear that it is to end.
            api.unpause(name)
        api.stop(name, timeout=_STOP_SECONDS)
        dind.let_go(api, name)


def clear(
    engine: Engine,
    lab: str,
    there: Remains,
    tell: Callable[[str], None] = lambda words: None,
    *,
    lost: bool = False,
) -> tuple[str, ...]:
    """Take away `there` and what has come meanwhile, until there is nothing of the lab.

    What is then otherwise than before the lab on machines that are not swarmlab's, in words. A
    command that was killed may have left the engine a last request to carry out. Raises as
    `sweep`, and TimedOut when more and more comes.
    """
    changed: dict[str, None] = {}

    def round_of_it() -> Observation[None]:
        nonlocal there
        changed.update(dict.fromkeys(sweep(engine, lab, there, tell, lost=lost)))
        there = look(engine, lab)
        left = (*there.machines, *there.containers, *there.volumes, *there.networks)
        return Observation(there.nothing, say("come meanwhile: {left}", left=", ".join(left)))

    until(
        say("the lab {lab!r} to be gone", lab=lab),
        round_of_it,
        within=_CLEAR_SECONDS,
        hint=say(
            "Something makes it anew: end the other swarmlab, then run `swarmlab down` again."
        ),
    )
    return tuple(changed)


def sweep(
    engine: Engine,
    lab: str,
    remains: Remains,
    tell: Callable[[str], None] = lambda words: None,
    *,
    lost: bool = False,
) -> tuple[str, ...]:
    """Take all of it away: nodes elsewhere, containers side by side, then volumes and networks.

    What is otherwise than before the lab on machines that are not swarmlab's, in words. What is
    already gone is no error. Raises EnvironmentProblem when something will not go, and for
    machines that do not answer, unless what is `lost` is to be forgotten.
    """
    api = engine.client.api
    changed: tuple[str, ...] = ()
    if remains.machines:
        # First: while one is left, so are the labels that tell where it is.
        provider = registry.make(remains.choice, engine, lab)
        provider.report = tell
        provider.remember = remains.sources.marks
        changed = _machines(provider, remains.machines, lost)
    with explained(say("removing the lab")):
        with Crew() as crew:
            crew.all([crew.go(_container, api, name) for name in remains.containers])
        with Crew() as crew:
            gone = [crew.go(_volume, api, name) for name in remains.volumes]
            gone += [crew.go(_network, api, name) for name in remains.networks]
            crew.all(gone)
    return changed


def _machines(provider: Provider, nodes: Sequence[str], lost: bool) -> tuple[str, ...]:
    """Take away the nodes elsewhere, those that can be reached whatever becomes of the others."""
    outcome = at_once.each(nodes, provider.remove)
    changed = [one for told in outcome.done.values() for one in told]
    wrong = dict(outcome.failed)
    if lost:
        silent = [
            n for n, error in wrong.items() if isinstance(error, EngineUnreachable | MachineUnknown)
        ]
        changed += [wrong.pop(node).message for node in silent]
    if len(wrong) == 1:
        raise next(iter(wrong.values()))
    if wrong:
        raise EnvironmentProblem(
            say("{count} machines were not cleaned.", count=len(wrong)),
            evidence="\n".join(error.message for error in wrong.values()),
            hint=next(iter(wrong.values())).hint,
        )
    return tuple(changed)


def _container(api: Any, name: str) -> None:
    """Remove a container, and its anonymous volumes with it."""
    _gone(name, lambda: api.remove_container(name, v=True, force=True))


def _volume(api: Any, name: str) -> None:
    """Remove a volume, and a node that has come to hold it since the lab was looked at.

    An `up` that was killed may have left the engine with a node to make: the engine lists its
    volume before it lists the node.
    """

    def remove() -> None:
        late = {"volume": [name], "label": [labels.LAB]}
        for container in api.containers(all=True, filters=late):
            with suppress(NotFound):
                api.remove_container(container["Id"], v=True, force=True)
        api.remove_volume(name)

    _gone(name, remove)


def _network(api: Any, name: str) -> None:
    """Remove a network, first cutting off whatever else a user connected to it."""
    with suppress(NotFound):
        for container in api.inspect_network(name).get("Containers") or {}:
            with suppress(NotFound):
                api.disconnect_container_from_network(container, name, force=True)
    _gone(name, lambda: api.remove_network(name))


def _gone(name: str, remove: Callable[[], object]) -> None:
    """Remove something; what is gone already is gone, and what is busy for a moment is awaited."""

    def attempt() -> Observation[None]:
        try:
            remove()
        except NotFound:
            return Observation(True, "gone")
        except APIError as error:
            words = said(error)
            if any(sign in words for sign in _BUSY):
                return Observation(False, words)
            raise
        return Observation(True, "gone")

    until(
        say("{name} to go", name=name),
        attempt,
        within=_GONE_SECONDS,
        every=0.1,
        hint=say("Look who uses it (`docker ps -a`), then run `swarmlab down` again."),
    )
