"""The cluster's life: up, down, found again, looked at.

Docker is the state store: everything is found again by its labels, and none of these functions
needs a file of its own to know what there is.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarmlab import engine as engines
from swarmlab import labels, state
from swarmlab.cluster import history, keys
from swarmlab.cluster import remains as remaining
from swarmlab.cluster.cluster import Cluster
from swarmlab.cluster.labs import Lab, everything
from swarmlab.cluster.lock import lock
from swarmlab.cluster.status import ClusterStatus, inspect
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem, EnvironmentProblem, UsageError
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers import ways
from swarmlab.providers.base import Info
from swarmlab.providers.dind import Dind
from swarmlab.providers.problems import explained
from swarmlab.size import Size

if TYPE_CHECKING:
    from swarmlab.cluster.create import Images
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


@dataclass(frozen=True)
class Removed:
    """What `down` took away; names as Docker shows them. `files`: something on this machine."""

    name: str
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    files: bool = False
    seconds: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to remove."""
        return not (self.containers or self.volumes or self.networks or self.files)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "containers": list(self.containers),
            "volumes": list(self.volumes),
            "networks": list(self.networks),
            "files": self.files,
            "seconds": round(self.seconds, 3),
        }


def up(
    name: str = state.DEFAULT_LAB,
    *,
    managers: int | None = None,
    workers: int | None = None,
    reach: str = "auto",
    publish: str = "",
    progress: Progress | None = None,
) -> Cluster:
    """Bring the lab up, mend it, or find it in order; returns when the swarm is proven ready.

    `managers` and `workers` None: as many as it has, or three and none. `reach` is `auto`,
    `direct`, `published` or `relay`; `publish` is an address other than 127.0.0.1 to open the
    nodes' ports at. Raises UsageError for what makes no sense, LabBusy, EngineUnreachable,
    EnvironmentProblem. What the first `up` of a lab made is removed when it fails or is
    interrupted.
    """
    size = Size.wanted(managers, workers)
    told = progress or SilentProgress()
    if publish:
        reach = ways.opened(publish, reach)
    with lock(state.checked(name)):
        engine = engines.connect()
        there = remaining.look(engine, name)
        if publish:
            told.note(ways.WARNING.format(address=publish))
        if there.nothing:
            return _anew(name, engine, size, reach, told, publish)
        _refuse_change(name, there, reach, publish)
        has = there.info.size
        other = (managers or has.managers, has.workers if workers is None else workers)
        if has.count and other != (has.managers, has.workers):
            raise UsageError(
                f"The lab {name!r} has {has}, not {Size(*other)}.",
                hint="`swarmlab down` removes it; then bring it up with the other number.",
            )
        return _mend(name, engine, there, has if has.count else size, reach, told)


def down(name: str = state.DEFAULT_LAB, progress: Progress | None = None) -> Removed:
    """Take away all of the lab, whatever there is of it, also halves. Raises LabBusy and others.

    Images and whatever swarmlab did not make stay.
    """
    told = progress or SilentProgress()
    start = time.monotonic()
    with lock(state.checked(name)):
        engine = engines.connect()
        there = remaining.look(engine, name)
        files = _clear(name, engine, told, "Removing the lab")
        engine.client.close()
    return Removed(
        name=name,
        containers=there.containers,
        volumes=there.volumes,
        networks=there.networks,
        files=files,
        seconds=time.monotonic() - start,
    )


def start(name: str = state.DEFAULT_LAB, progress: Progress | None = None) -> Cluster:
    """Start what `stop` or the machine's own end has stopped; as `up`, but makes no lab anew.

    Returns when the swarm is proven ready and its services run again, or have had their time.
    Raises LabAbsent, LabBusy, ClusterProblem when the swarm cannot come back.
    """
    from swarmlab.cluster import repair, standby

    told = progress or SilentProgress()
    with lock(state.checked(name)):
        engine = engines.connect()
        there = standby.present(name, engine)
        reason = repair.hopeless(name, engine, there)
        try:
            if not reason:
                mended = repair.mend(name, engine, there, _images(engine, told), told)
        except repair.NoSwarm as no_swarm:
            reason = no_swarm.message
        if reason:
            raise ClusterProblem(
                f"The lab {name!r} cannot come back: {reason}.",
                hint="`swarmlab up` makes it anew; what was done in it is lost.",
            )
        told.note("The lab runs again." if mended.done else "The lab is already up.")
        return _opened(name, engine, mended.provider, mended.provider.info())


def find(name: str = state.DEFAULT_LAB, *, patience: int | None = None) -> Cluster | None:
    """The lab as it is now, or None when it has no nodes. Mends nothing.

    `patience` bounds each later call to a node's engine, in seconds; the default is the
    cluster's own. Raises EngineUnreachable, or ClusterProblem when its certificates are lost.
    """
    engine = engines.connect()
    provider = Dind(engine, state.checked(name))
    with explained("looking for the lab"):
        there = remaining.read(engine.client.api.containers(all=True, filters=labels.of(name)))
    if not there.info.nodes:
        engine.client.close()
        return None
    info = ways.reached(engine, name, there.info)
    return _opened(name, engine, provider, info, complete=there.complete, patience=patience)


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
    name: str, engine: Engine, size: Size, reach: str, told: Progress, publish: str = ""
) -> Cluster:
    from swarmlab.cluster.create import Site, create

    _refuse_rootless(engine)
    images = _images(engine, told)
    images.node()
    provider = Dind(engine, name, image=images.node, size=size)
    try:
        provider.prepare(reach, publish)
        site = Site(name, engine, provider, images, size)
        create(site, told)
        return _opened(name, engine, provider, provider.info())
    except BaseException:
        # Nothing of a first `up` that failed or was interrupted is of use.
        _clear(name, engine, told, "Removing what was begun")
        raise


def _refuse_change(name: str, there: Remains, reach: str, publish: str) -> None:
    """The way to a lab's nodes is laid when they are made, and stays as it is."""
    hint = "`swarmlab down` removes it; then bring it up the other way."
    if publish and publish != there.publish:
        at = there.publish or "no other address"
        raise UsageError(f"The lab {name!r} is there, and its ports are open at {at}.", hint=hint)
    ways_now = {node.reach.value for node in there.info.nodes}
    if reach != "auto" and ways_now - {reach}:
        now = ", ".join(f"`--reach {way}`" for way in sorted(ways_now))
        raise UsageError(f"The lab {name!r} is there, made with {now}.", hint=hint)


def _refuse_rootless(engine: Engine) -> None:
    from swarmlab import findings

    with explained("asking the engine about itself"):
        found = findings.rootless(engine.client.api.info())
    if found is not None:
        raise EnvironmentProblem(
            f"A lab cannot run here: {found.seen}. {found.why}", hint=found.mend
        )


def _mend(
    name: str, engine: Engine, there: Remains, size: Size, reach: str, told: Progress
) -> Cluster:
    from swarmlab.cluster import repair

    reason = repair.hopeless(name, engine, there)
    if not reason:
        try:
            mended = repair.mend(name, engine, there, _images(engine, told), told)
        except repair.NoSwarm as no_swarm:
            reason = no_swarm.message
        else:
            told.note("The lab is mended." if mended.done else "The lab is already up.")
            return _opened(name, engine, mended.provider, mended.provider.info())
    told.note(f"The lab is made anew: {reason}.")
    _clear(name, engine, told, "Removing what is left of it")
    # As it was made, unless asked for otherwise: whoever was let in still is, and nobody else.
    reach = there.reach if reach == "auto" else reach
    return _anew(name, engine, size, reach, told, there.publish)


def _clear(name: str, engine: Engine, told: Progress, title: str) -> bool:
    """Remove all of the lab; whether there were files of it on this machine."""
    there = remaining.look(engine, name)
    if not there.nothing:
        history.keep(engine.client, name, told)
        with told.stage(title):
            remaining.clear(engine, name, there)
    return _forget(name)


def _opened(
    name: str,
    engine: Engine,
    provider: Dind,
    info: Info,
    *,
    complete: bool = True,
    patience: int | None = None,
) -> Cluster:
    """The lab with its certificates at hand, fetched from its containers where need be."""
    certs = keys.cached(name, info.instance)
    if certs is None:
        found = keys.of_lab(engine.client.api, name, info.names)
        certs = keys.cache(name, info.instance, found)
    if patience is None:
        return Cluster(name, engine, provider, info, certs, complete=complete)
    return Cluster(name, engine, provider, info, certs, complete=complete, patience=patience)


def _images(engine: Engine, told: Progress) -> Images:
    """The images of the containers, built when first asked for if they are missing."""
    from swarmlab.cluster.create import Images

    def find() -> tuple[str, str]:
        from swarmlab.images import builder

        there = builder.ensure(["loaded-node", "workstation"], engine=engine.client, progress=told)
        reference = {image.name: image.reference for image in there}
        return reference["loaded-node"], reference["workstation"]

    return Images(find)


def _forget(name: str) -> bool:
    """Remove the lab's files from this machine; whether there were any."""
    folder = state.lab_folder(name)
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return there
