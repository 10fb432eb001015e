"""swarmlab's own images by way of a registry: taken instead of built, and put there.

Their tags there are the keys of their content, so what is taken is what would have been built;
the image's own label must say so too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound

from swarmlab.errors import ImageProblem
from swarmlab.images import (
    build,
    builder,
    catalog,
    leftovers,
    recipe,
    refusal,
    schedule,
    transfer,
    turn,
)
from swarmlab.images import engine as transport
from swarmlab.images.builder import Built
from swarmlab.images.registry import Registry
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers.problems import explained, said
from swarmlab.words import say


def names() -> tuple[str, ...]:
    """The images that a registry is given: all but the base, which is only built upon."""
    return tuple(name for name in recipe.names() if name != catalog.BASE)


def ensure(
    wanted: Sequence[str] | None = None,
    *,
    engine: DockerClient,
    registry: Registry,
    progress: Progress | None = None,
) -> list[Built]:
    """Have the named images (None: all that registries are given), pulling what is missing.

    As `builder.ensure`: a tag is given last, so what was cut short never counts. Raises
    ImageProblem with what the registry refused and why, UsageError for an unknown name.
    """
    chosen = set(names() if wanted is None else wanted)
    recipe.closure(chosen)
    told = progress or SilentProgress()
    keys = recipe.Keys()
    leftovers.remove(engine)
    there = builder.present(engine, keys, chosen)
    fresh: dict[str, Built] = {}
    if chosen - set(there):
        with turn.taken(told):
            there = builder.present(engine, keys, chosen)
            jobs = {
                name: _pulling(engine, keys, registry, name, told)
                for name in recipe.names()
                if name in chosen and name not in there
            }
            fresh = schedule.run(jobs, {}, workers=builder.WORKERS)
    return [
        fresh.get(name) or Built(name, keys.reference(name), False, 0.0, there[name].source)
        for name in recipe.names()
        if name in chosen
    ]


def _pulling(
    engine: DockerClient, keys: recipe.Keys, registry: Registry, name: str, told: Progress
) -> Callable[[Event], Built]:
    """What the scheduler runs to have `name`."""

    def job(stop: Event) -> Built:
        start = time.monotonic()
        far = registry.own(name, keys.key(name), transport.architecture(engine))
        with told.stage(
            say("image {name} from {registry}", name=name, registry=str(registry))
        ) as stage:
            transfer.pull(engine, far, tell=stage.say, stop=stop)
            with explained(say("taking the image {name} from a registry", name=name)):
                try:
                    _accept(engine, far, keys, name)
                finally:
                    _untag(engine, far)
        seconds = time.monotonic() - start
        return Built(name, keys.reference(name), True, seconds, f"registry: {registry}")

    return job


def _accept(engine: DockerClient, far: str, keys: recipe.Keys, name: str) -> None:
    """Give the pulled image its name here. Raises ImageProblem for one that is something else."""
    api: Any = engine.api
    found = api.inspect_image(far)
    label = ((found.get("Config") or {}).get("Labels") or {}).get(recipe.LABEL, "")
    if label != keys.key(name):
        raise ImageProblem(
            say(
                "{image} is not what its name says: its content is {content}.",
                image=far,
                content=label or "?",
            ),
            hint=say(
                "Somebody put another image there. Push the right one again, or leave --registry "
                "away to build it here."
            ),
        )
    build.tag(engine, far, keys.reference(name))
    build.tag_latest(engine, keys.reference(name))


def _untag(engine: DockerClient, reference: str) -> None:
    """Let go of a name; what has another one stays."""
    with suppress(NotFound):
        engine.api.remove_image(reference)


def push(
    wanted: Sequence[str] | None = None,
    *,
    engine: DockerClient,
    registry: Registry,
    progress: Progress | None = None,
) -> list[str]:
    """Put the named images (None: all) into the registry, built first where they are missing.

    Returns their references there. Pushing again is quick: the registry has the layers. Raises
    ImageProblem, EngineUnreachable, UsageError for an unknown name.
    """
    chosen = tuple(names() if wanted is None else wanted)
    told = progress or SilentProgress()
    there = {one.name: one for one in builder.ensure(chosen, engine=engine, progress=told)}
    keys = recipe.Keys()
    architecture = transport.architecture(engine)
    pushed = []
    for name in recipe.names():
        if name not in chosen:
            continue
        far = registry.own(name, keys.key(name), architecture)
        with (
            told.stage(
                say("image {name} to {registry}", name=name, registry=str(registry))
            ) as stage,
            explained(say("giving the image {name} to a registry", name=name)),
        ):
            try:
                build.tag(engine, there[name].reference, far)
            except APIError as error:
                if not refusal.misnamed(said(error)):
                    raise
                raise refusal.explained(far, said(error)) from None
            try:
                transfer.push(engine, far, tell=stage.say, stop=Event())
            finally:
                _untag(engine, far)
        pushed.append(far)
    return pushed
