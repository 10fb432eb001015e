"""The cluster's life: up, down, found again, looked at.

Docker is the state store: everything is found again by its labels, and none of these functions
needs a file of its own to know what there is.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from swarmlab import engine as engines
from swarmlab import labels, state
from swarmlab.cluster import clearing, keys, refusing, stock
from swarmlab.cluster import remains as remaining
from swarmlab.cluster.clearing import Removed
from swarmlab.cluster.cluster import Cluster
from swarmlab.cluster.labs import Lab, everything
from swarmlab.cluster.lock import lock
from swarmlab.cluster.status import ClusterStatus, inspect
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem, UsageError
from swarmlab.images import trust
from swarmlab.images.sources import USUAL, Sources, wanted
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers import registry, ways
from swarmlab.providers.base import Info, Provider
from swarmlab.providers.problems import explained
from swarmlab.providers.registry import Choice
from swarmlab.size import Size
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.cluster.remains import Remains

__all__ = [
    "Cluster",
    "ClusterStatus",
    "Lab",
    "Removed",
    "down",
    "find",
    "labs",
    "lock",
    "names",
    "start",
    "status",
    "up",
]


def up(
    name: str = state.DEFAULT_LAB,
    *,
    managers: int | None = None,
    workers: int | None = None,
    reach: str = "auto",
    publish: str = "",
    choice: Choice | None = None,
    sources: Sources | None = None,
    progress: Progress | None = None,
) -> Cluster:
    """Bring the lab up, mend it, or find it in order; returns when the swarm is proven ready.

    `managers` and `workers` None: as many as it has, or three and none, or as many managers as
    there are machines of one's own. `reach` is `auto`, `direct`, `published` or `relay`;
    `publish` is an address other than 127.0.0.1 to open the nodes' ports at. `choice` None: the
    provider that it has, or for a new lab what the environment asks for; likewise what `sources`,
    where its images come from, leave open. Raises UsageError for what makes no sense or is not
    what the lab has, LabBusy, EngineUnreachable, EnvironmentProblem. What the first `up` of a lab
    made is removed when it fails or is interrupted.
    """
    size = Size.wanted(managers, workers)
    told = progress or SilentProgress()
    if publish:
        reach = ways.opened(publish, reach)
    with lock(state.checked(name)):
        engine = engines.connect()
        there = clearing.settled(name, engine, told)
        if publish:
            told.note(ways.warning(publish))
        if there.nothing:
            chosen = choice or registry.wanted()
            asked = wanted(sources or USUAL)
            size = registry.sized(chosen, managers, workers)
            return _anew(name, engine, size, reach, told, publish, chosen, asked)
        refusing.other_provider(name, there.choice, choice)
        refusing.other_machines(name, there.choice, choice)
        refusing.lost(there)
        there = replace(there, choice=registry.given_again(there.choice, choice))
        refusing.change(name, there, reach, publish)
        refusing.other_images(name, there.sources, sources)
        for keeps in refusing.kept(name, there, choice, sources):
            told.note(keeps)
        has = there.info.size
        other = (managers or has.managers, has.workers if workers is None else workers)
        if has.count and other != (has.managers, has.workers):
            raise UsageError(
                say(
                    "The lab {name!r} has {has}, not {size}.", name=name, has=has, size=Size(*other)
                ),
                hint=say("`swarmlab down` removes it; then bring it up with the other number."),
            )
        if not has.count:
            has = registry.sized(there.choice, managers, workers)
        return _mend(name, engine, there, has, reach, told)


def down(
    name: str = state.DEFAULT_LAB,
    progress: Progress | None = None,
    *,
    choice: Choice | None = None,
    lost: bool = False,
) -> Removed:
    """Take away all of the lab, whatever there is of it, also halves. Raises LabBusy and others.

    Images and whatever swarmlab did not make stay. `choice` tells where nodes elsewhere are when
    this engine knows nothing of them any more; `lost` forgets machines that do not answer. Raises
    EnvironmentProblem when all is done, if machines are not as they were before the lab.
    """
    told = progress or SilentProgress()
    start = time.monotonic()
    with lock(state.checked(name)):
        engine = engines.connect()
        there = remaining.look(engine, name, choice)
        refusing.other_provider(name, there.choice, choice)
        begun = registry.forsaken(there.choice, engine, name, told.note)
        files, changed = clearing.clear(
            name, engine, told, say("Removing the lab"), choice, lost=lost
        )
        engine.client.close()
    refusing.changed(name, [*chain.from_iterable(begun.values()), *changed])
    return Removed(
        name=name,
        containers=there.containers,
        volumes=there.volumes,
        networks=there.networks,
        machines=there.machines,
        files=files,
        seconds=time.monotonic() - start,
    )


def start(name: str = state.DEFAULT_LAB, progress: Progress | None = None) -> Cluster:
    """Start what `stop` or the machine's own end has stopped; as `up`, but makes no lab anew.

    Returns when the swarm is proven ready and its services run again, or have had their time.
    Raises LabAbsent, LabBusy, ClusterProblem when the swarm cannot come back.
    """
    from swarmlab.cluster import quorum, repair, standby

    told = progress or SilentProgress()
    with lock(state.checked(name)):
        engine = engines.connect()
        there = standby.present(name, engine)
        there = replace(there, choice=registry.given_again(there.choice, None))
        reason = repair.hopeless(name, engine, there)
        try:
            if not reason:
                mended = repair.mend(name, engine, there, told)
        except quorum.NoSwarm as no_swarm:
            reason = no_swarm.message
        if reason:
            raise ClusterProblem(
                say("The lab {name!r} cannot come back: {reason}.", name=name, reason=reason),
                hint=say("`swarmlab up` makes it anew; what was done in it is lost."),
            )
        told.note(say("The lab runs again.") if mended.done else say("The lab is already up."))
        return _returned(name, engine, there, mended.provider, told)


def find(name: str = state.DEFAULT_LAB, *, patience: int | None = None) -> Cluster | None:
    """The lab as it is now, or None when it has no nodes. Mends nothing.

    `patience` bounds each later call to a node's engine, in seconds; the default is the
    cluster's own. Raises EngineUnreachable, or ClusterProblem when its certificates are lost.
    """
    engine = engines.connect()
    with explained(say("looking for the lab")):
        of = labels.of(state.checked(name))
        there = remaining.read(engine.client.api.containers(all=True, filters=of))
    if not there.choice.contained:
        there = remaining.elsewhere(engine, name, there)
    elif not there.info.nodes:
        # Without a workstation, only the network or a provider's own list tells of nodes elsewhere.
        there = remaining.look(engine, name)
    if not there.info.nodes:
        engine.client.close()
        refusing.lost(there)
        return None
    provider = registry.make(there.choice, engine, name)
    info = ways.reached(engine, name, there.info)
    whole = there.complete
    return _opened(name, engine, provider, info, there.sources, complete=whole, patience=patience)


def status(name: str = state.DEFAULT_LAB) -> ClusterStatus:
    """How the lab is, in at most a few seconds, whatever of it still answers."""
    engine = engines.connect()
    try:
        return inspect(engine, state.checked(name))
    finally:
        engine.client.close()


def names() -> list[str]:
    """The labs of which there is anything on the engine."""
    return [lab.name for lab in labs()]


def labs() -> list[Lab]:
    """All labs of the engine, by name, from one look at its lists; also halves of labs."""
    engine = engines.connect()
    try:
        return everything(engine)
    finally:
        engine.client.close()


def _anew(
    name: str,
    engine: Engine,
    size: Size,
    reach: str,
    told: Progress,
    publish: str,
    choice: Choice,
    sources: Sources,
) -> Cluster:
    from swarmlab.cluster import pulling
    from swarmlab.cluster.create import Site, create

    refusing.registries(choice, sources)
    if choice.contained:
        trust.files(sources)  # what cannot be read is told before anything is made
    for warning in trust.warnings(sources):
        told.note(warning)
    images = stock.of(engine, told, sources, contained=choice.contained)
    provider = registry.make(choice, engine, name, image=images.node, size=size)
    provider.remember = sources.marks
    if choice.contained:
        refusing.rootless(engine)
    images.workstation()
    try:
        if choice.contained:
            provider.prepare(reach, publish)
        else:
            with told.stage(say("Looking at the machines")) as stage:
                provider.report = stage.say
                provider.prepare(reach, publish)
        site = Site(name, engine, provider, images, size)
        create(site, told)
        cluster = _opened(name, engine, provider, provider.info(), sources)
        pulling.ensure(cluster, told)
        return cluster
    except BaseException:
        # Nothing of a first `up` that failed or was interrupted is of use.
        clearing.take_back(name, engine, told)
        raise


def _mend(
    name: str, engine: Engine, there: Remains, size: Size, reach: str, told: Progress
) -> Cluster:
    from swarmlab.cluster import quorum, repair

    reason = repair.hopeless(name, engine, there)
    if not reason:
        try:
            mended = repair.mend(name, engine, there, told)
        except quorum.NoSwarm as no_swarm:
            reason = no_swarm.message
        else:
            cluster = _returned(name, engine, there, mended.provider, told)
            told.note(say("The lab is mended.") if mended.done else say("The lab is already up."))
            return cluster
    told.note(say("The lab is made anew: {reason}.", reason=reason))
    for change in clearing.clear(name, engine, told, say("Removing what is left of it"))[1]:
        told.note(change)
    # As it was made, unless asked for otherwise: whoever was let in still is, and nobody else.
    reach = there.reach if reach == "auto" else reach
    return _anew(name, engine, size, reach, told, there.publish, there.choice, there.sources)


def _returned(
    name: str, engine: Engine, there: Remains, provider: Provider, told: Progress
) -> Cluster:
    """A lab that was mended; a node that was made again pulls what the others have."""
    from swarmlab.cluster import pulling

    cluster = _opened(name, engine, provider, provider.info(), there.sources)
    pulling.ensure(cluster, told)
    return cluster


def _opened(
    name: str,
    engine: Engine,
    provider: Provider,
    info: Info,
    sources: Sources,
    *,
    complete: bool = True,
    patience: int | None = None,
) -> Cluster:
    """The lab with its certificates at hand, fetched from its containers where need be."""
    certs = keys.cached(name, info.instance)
    if certs is None and keys.needed(provider, info.names):
        holders = info.names if provider.contained else ()
        found = keys.of_lab(engine.client.api, name, holders)
        certs = keys.cache(name, info.instance, found)
    certs = certs or keys.cache_folder(name)
    more = {} if patience is None else {"patience": patience}
    return Cluster(name, engine, provider, info, certs, complete=complete, sources=sources, **more)
