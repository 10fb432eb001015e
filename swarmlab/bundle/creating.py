"""A bundle made: the images out of the engine, the package out of pip, into one file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient

from swarmlab import __version__
from swarmlab.bundle import installer, manifest, package, writing
from swarmlab.bundle.manifest import Image, Manifest
from swarmlab.bundle.reading import digest
from swarmlab.images import builder
from swarmlab.images import engine as transport
from swarmlab.progress import Progress, Stage
from swarmlab.providers.problems import explained
from swarmlab.words import say

NEEDED = ("loaded-node", "workstation")
"""All that a lab's containers start from; the nodes' image holds every other one."""

_SILENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Created:
    """A bundle that is there now: sizes in bytes, `unpacked` that of the images in it."""

    path: Path
    manifest: Manifest
    size: int
    unpacked: int
    sha256: str
    seconds: float


def create(
    target: Path,
    *,
    engine: DockerClient,
    pythons: Sequence[str],
    progress: Progress,
    force: bool = False,
) -> Created:
    """Make the bundle `target`; images are built where missing.

    `pythons` are the Pythons to carry the package for; none leaves the package out. `force`
    replaces a file that is there, once the new one is whole. Raises UsageError for a folder and,
    without `force`, for a file, EnvironmentProblem when pip or the disk refuses, ImageProblem when
    an image cannot be had.
    """
    start = time.monotonic()
    writing.refuse_folder(target)
    if not force:
        writing.refuse_file(target)
    built = builder.ensure(NEEDED, engine=engine, progress=progress)
    references = {one.name: one.reference for one in built if one.name in NEEDED}
    with writing.written(target) as writer:
        if pythons:
            _add_package(writer, pythons, progress)
        with progress.stage(say("Packing the images")) as stage:
            unpacked = writer.add_images(_saved(engine, list(references.values()), stage))
        held = Manifest(
            version=__version__,
            architecture=transport.architecture(engine),
            system=package.here() if pythons else "",
            pythons=tuple(pythons),
            images=tuple(
                Image(name, reference, layers(engine, reference))
                for name, reference in references.items()
            ),
            members=dict(writer.members),
        )
        writer.finish(held)
    with progress.stage(say("Reading it once more")):
        total = digest(target)
    size = target.stat().st_size
    return Created(target, held, size, unpacked, total, time.monotonic() - start)


def layers(engine: DockerClient, reference: str) -> tuple[str, ...]:
    """The digests of an image's layers. Raises EnvironmentProblem when the engine has none."""
    api: Any = engine.api
    with explained(say("looking at {reference}", reference=reference)):
        told = api.inspect_image(reference)
    return tuple(told["RootFS"]["Layers"])


def _add_package(writer: writing.Writer, pythons: Sequence[str], progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix="swarmlab-wheels-") as scratch:
        with progress.stage(say("Gathering the package and what it needs")) as stage:
            package.gather(Path(scratch), pythons, stage.say)
        writer.add(manifest.PROGRAM, installer.program())
        for wheel in sorted(Path(scratch).glob("*.whl")):
            writer.add_file(f"{manifest.WHEELS}{wheel.name}", wheel)


def _saved(engine: DockerClient, references: list[str], stage: Stage) -> Iterator[bytes]:
    done = 0
    with transport.request(
        engine, "GET", "/images/get", params={"names": references}, silence=_SILENCE_SECONDS
    ) as response:
        for block in response.iter_content(1 << 20):
            done += len(block)
            stage.say(f"{done / 1e6:.0f} MB")
            yield block
