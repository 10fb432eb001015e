"""Builds what is missing, each image once for its content, and says what there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

import requests
from docker import DockerClient
from docker.errors import DockerException

from swarmlab.errors import ImageProblem
from swarmlab.images import base, build, catalog, leftovers, recipe, schedule, store, turn
from swarmlab.images import engine as transport
from swarmlab.images.recipe import reference
from swarmlab.progress import Progress, SilentProgress
from swarmlab.words import later, say

__all__ = ["Built", "ImageState", "ensure", "list_images", "reference"]

WORKERS = 2
"""Builds at the same time: they wait for the archive about as long as they compute."""


@dataclass(frozen=True)
class Built:
    """One image that is there now; `built` is False when it was there before.

    `seconds` is what it took, `source` says where its content came from.
    """

    name: str
    reference: str
    built: bool
    seconds: float
    source: str


@dataclass(frozen=True)
class ImageState:
    """One image as the engine has it; `size` in bytes, 0 when it is not built."""

    name: str
    reference: str
    built: bool
    size: int
    key: str
    version: str
    source: str


@dataclass(frozen=True)
class Present:
    """An image that the engine has; `size` in bytes, `source` as its own label tells it."""

    size: int
    source: str


def present(engine: DockerClient, keys: recipe.Keys, names: Iterable[str]) -> dict[str, Present]:
    """Those of `names` whose current content the engine has."""
    found: dict[str, Present] = {}
    by_reference = {keys.reference(name): name for name in names}
    for image in engine.api.images(filters={"label": recipe.LABEL}):
        for tag in image.get("RepoTags") or ():
            if name := by_reference.get(tag):
                labels = image.get("Labels") or {}
                found[name] = Present(int(image["Size"]), labels.get(recipe.SOURCE, ""))
    return found


def list_images(engine: DockerClient) -> list[ImageState]:
    """Every image of this version of swarmlab and whether the engine has it."""
    keys = recipe.Keys()
    there = present(engine, keys, recipe.names())
    known = catalog.load()
    states = []
    for name in recipe.names():
        have = there.get(name)
        spec = known.images.get(name)
        states.append(
            ImageState(
                name=name,
                reference=keys.reference(name),
                built=have is not None,
                size=have.size if have else 0,
                key=keys.key(name),
                version=spec.version if spec else _OTHER_VERSIONS[name],
                source=have.source if have else "",
            )
        )
    return states


_OTHER_VERSIONS = {catalog.BASE: "Debian 13", catalog.LOADED_NODE: later("node with its images")}


def ensure(
    names: Sequence[str] | None = None,
    *,
    engine: DockerClient,
    progress: Progress | None = None,
    workers: int = WORKERS,
) -> list[Built]:
    """Have the named images (None: all) on the engine, building only what is missing.

    Returns them, and whatever had to be built for them, in catalog order. An image counts as
    there when its tag with the present content's key exists, and the tag is given last, so an
    interrupted build never counts. Raises UsageError for an unknown name, ImageProblem with the
    end of the build's output when one fails.
    """
    wanted = set(recipe.names() if names is None else names)
    told = progress or SilentProgress()
    keys = recipe.Keys()
    leftovers.remove(engine)
    there = present(engine, keys, recipe.closure(wanted))
    missing = _missing(wanted, there)
    fresh: dict[str, Built] = {}
    if missing:
        with turn.taken(told):
            # Whoever had the turn before may have built it.
            there = present(engine, keys, recipe.closure(wanted))
            missing = _missing(wanted, there)
            work = _Work(engine, keys, told)
            jobs = {name: work.job(name) for name in recipe.names() if name in missing}
            fresh = schedule.run(jobs, _after(list(jobs)), workers=workers)
    return [
        fresh.get(name) or Built(name, keys.reference(name), False, 0.0, there[name].source)
        for name in recipe.names()
        if name in wanted or name in fresh
    ]


def _missing(wanted: Iterable[str], present: Container[str]) -> set[str]:
    """What must be built: a need that is only needed by something present is not missed."""
    missing: set[str] = set()

    def require(name: str) -> None:
        if name not in present and name not in missing:
            missing.add(name)
            for other in recipe.needs(name):
                require(other)

    for name in wanted:
        require(name)
    return missing


def _after(order: Sequence[str]) -> dict[str, set[str]]:
    """What each missing image waits for: its needs, and one with the same first layer.

    That one is the last in the catalog, where the quickest to build is.
    """
    leaders: dict[str, str] = {}
    after: dict[str, set[str]] = {}
    for name in reversed(order):
        after[name] = set(recipe.needs(name))
        line = recipe.first_run(name)
        if line and leaders.setdefault(line, name) != name:
            after[name].add(leaders[line])
    return after


class _Work:
    """One run of `ensure`: engine, keys and progress for its jobs."""

    def __init__(self, engine: DockerClient, keys: recipe.Keys, progress: Progress) -> None:
        self._engine = engine
        self._keys = keys
        self._progress = progress

    def job(self, name: str) -> Callable[[Event], Built]:
        """What the scheduler runs for `name`."""

        def make(stop: Event) -> Built:
            start = time.monotonic()
            target = self._keys.reference(name)
            with self._progress.stage(say("image {name}", name=name)) as stage:
                try:
                    source = self._make(name, target, stage.say, stop)
                    build.tag_latest(self._engine, target)
                except DockerException as error:
                    raise build.failure(name, transport.words(error), ()) from error
                except requests.RequestException as error:
                    raise transport.lost(error) from None
            return Built(name, target, True, time.monotonic() - start, source)

        return make

    def _make(self, name: str, target: str, tell: Callable[[str], None], stop: Event) -> str:
        if name == catalog.BASE:
            return self._make_base(target, tell, stop)
        if name == catalog.LOADED_NODE:
            return store.make(self._engine, self._keys, target, tell, stop)
        spec = catalog.load().images[name]
        try:
            self._build(spec, target, {}, source := spec.source, tell, stop)
        except ImageProblem:
            fallback = spec.fallback
            if fallback is None or not base.registry_has(self._engine, fallback.image):
                raise
            source = f"registry: {fallback.image}"
            tell(say("taking {name} from {source}", name=name, source=source))
            self._build(spec, target, {fallback.argument: fallback.image}, source, tell, stop)
        return source

    def _make_base(self, target: str, tell: Callable[[str], None], stop: Event) -> str:
        known = catalog.load()
        return base.make(
            self._engine,
            recipe.folder(catalog.BASE),
            image=known.base_image,
            suite=known.suite,
            target=target,
            key=self._keys.key(catalog.BASE),
            tell=tell,
            stop=stop,
        )

    def _build(
        self,
        spec: catalog.ImageSpec,
        target: str,
        extra: Mapping[str, str],
        source: str,
        tell: Callable[[str], None],
        stop: Event,
    ) -> None:
        build.build(
            self._engine,
            recipe.folder(spec.name),
            name=spec.name,
            target=target,
            args={"BASE": self._keys.reference(catalog.BASE), **spec.args, **extra},
            labels=build.labels(self._keys, spec.name, source),
            tell=tell,
            stop=stop,
        )
