"""A bundle's images put into an engine: checked first, then all of them or none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from swarmlab.bundle.creating import layers
from swarmlab.bundle.manifest import Manifest
from swarmlab.bundle.reading import Bundle
from swarmlab.errors import ImageProblem, SwarmlabError
from swarmlab.images import build, builder, recipe, turn
from swarmlab.images import engine as transport
from swarmlab.progress import Progress, Stage
from swarmlab.providers.problems import explain, explained
from swarmlab.words import say

_SILENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Loaded:
    """The images of a bundle that the engine has now; `fresh` are those it had not before."""

    references: tuple[str, ...]
    fresh: tuple[str, ...]


def unfit(held: Manifest) -> str:
    """Why this swarmlab has no use for the bundle's images; empty when they are its own."""
    keys = recipe.Keys()
    others = [
        image.name
        for image in held.images
        if image.name not in recipe.names() or keys.reference(image.name) != image.reference
    ]
    if not others:
        return ""
    from swarmlab import __version__

    which = f"swarmlab {held.version}"
    if held.version == __version__:
        which = say(
            "another state of swarmlab {version}, from other sources,", version=held.version
        )
    return say("it was made by {which} and this is {here}", which=which, here=__version__)


def load(bundle: Bundle, *, engine: DockerClient, progress: Progress) -> Loaded:
    """Put the images into the engine, so that `up` finds them there.

    Nothing is given to the engine before every checksum was right, and when the engine does not
    take all of them it has again those that it had before, and no others. Raises ImageProblem
    for a bundle that is damaged, of another version or for another processor, EnvironmentProblem
    when the engine refuses (a full disk, say).
    """
    held = bundle.manifest
    _refuse_stranger(bundle, engine)
    with progress.stage(say("Checking the bundle")) as stage:
        bundle.check(stage.say)
    with turn.taken(progress):
        before = _present(engine, held)
        fresh = tuple(one.reference for one in held.images if one.reference not in before)
        older = _tagged(engine, fresh)
        if fresh:
            try:
                with progress.stage(say("Loading the images")) as stage:
                    _give(bundle, engine, stage)
                    _look(engine, held)
            except BaseException:
                _restore(engine, fresh, older)
                raise
        for reference in fresh:
            build.tag_latest(engine, reference)
    return Loaded(tuple(one.reference for one in held.images), fresh)


def _refuse_stranger(bundle: Bundle, engine: DockerClient) -> None:
    held = bundle.manifest
    why = unfit(held)
    if why:
        raise ImageProblem(
            say(
                "The images in {path} do not belong to this swarmlab: {why}.",
                path=bundle.path,
                why=why,
            ),
            hint=say(
                "`python3 {path}` installs the swarmlab that belongs to them.", path=bundle.path
            )
            if held.wheels
            else say(
                "Install swarmlab {version}, or get a bundle made by this one.",
                version=held.version,
            ),
        )
    architecture = transport.architecture(engine)
    if held.architecture != architecture:
        raise ImageProblem(
            say(
                "The images in {path} are for {architecture}, and the engine runs on {here}.",
                path=bundle.path,
                architecture=held.architecture,
                here=architecture,
            ),
            hint=say("Get a bundle that was made on a machine of this kind."),
        )


def _present(engine: DockerClient, held: Manifest) -> set[str]:
    """Those of the bundle's images that the engine has, with the content that is in it."""
    there = {state.reference for state in builder.list_images(engine) if state.built}
    return {
        image.reference
        for image in held.images
        if image.reference in there and layers(engine, image.reference) == image.layers
    }


def _give(bundle: Bundle, engine: DockerClient, stage: Stage) -> None:
    with transport.request(
        engine,
        "POST",
        "/images/load",
        params={"quiet": "1"},
        data=_counted(bundle, stage),
        silence=_SILENCE_SECONDS,
    ) as response:
        for message in transport.messages(response):
            if "error" in message:
                raise explain(say("loading the images"), str(message["error"]))


def _counted(bundle: Bundle, stage: Stage) -> Iterator[bytes]:
    done = 0
    for block in bundle.images():
        done += len(block)
        stage.say(f"{done / 1e6:.0f} MB")
        yield block


def _look(engine: DockerClient, held: Manifest) -> None:
    missing = {image.reference for image in held.images} - _present(engine, held)
    if missing:
        raise ImageProblem(
            say("The engine took the bundle, and has no {image}.", image=min(missing)),
            hint=say("Look with `swarmlab bundle verify FILE` and `swarmlab doctor`."),
        )


def _tagged(engine: DockerClient, references: tuple[str, ...]) -> dict[str, str]:
    """The images that bear those tags, by id: of the same key, and yet with other layers."""
    api: Any = engine.api
    found: dict[str, str] = {}
    for reference in references:
        with contextlib.suppress(ImageNotFound):
            found[reference] = str(api.inspect_image(reference)["Id"])
    return found


def _restore(engine: DockerClient, fresh: tuple[str, ...], older: dict[str, str]) -> None:
    """Every tag of `fresh` as it was: at the image that had it, or nowhere."""
    api: Any = engine.api
    for reference in fresh:
        with (
            contextlib.suppress(ImageNotFound, SwarmlabError, APIError),
            explained(say("removing {reference}", reference=reference)),
        ):
            now = str(api.inspect_image(reference)["Id"])
            if now == older.get(reference):
                continue
            # By its tag: an image that has another one, too, was not made by us.
            api.remove_image(reference)
            if reference in older:
                name, _, key = reference.rpartition(":")
                api.tag(older[reference], name, key)
