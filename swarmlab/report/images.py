"""The lab's images on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from swarmlab.console import out
from swarmlab.report.wrapping import flowing
from swarmlab.words import later, say

if TYPE_CHECKING:
    from swarmlab.images.builder import Built, ImageState
    from swarmlab.images.registry import Registry


# What an image's own label says of where its content is from, word by word.
_ORIGINS = (
    *(later("Debian packages"), later("Python packages")),
    *(later("registry"), later("debootstrap"), later("loaded")),
)


def built(images: Sequence[Built]) -> None:
    """How many were built and how long that took; one line when there was nothing to do."""
    fresh = [image for image in images if image.built]
    if not fresh:
        told = say("All {count} images are built already; nothing to do.", count=len(images))
        out().print(flowing(Text(told)))
    _each(fresh)


def pulled(images: Sequence[Built]) -> None:
    """The same of images that came from a registry."""
    fresh = [image for image in images if image.built]
    if not fresh:
        out().print(flowing(Text(say("They are here already; nothing to do."))))
    _each(fresh)


def pushed(references: Sequence[str], registry: Registry) -> None:
    """What the registry has now, and how others take it from there."""
    for reference in references:
        out().print(reference, markup=False, soft_wrap=True)
    names = [reference.rpartition("/")[2].partition(":")[0] for reference in references]
    command = f"swarmlab up --registry {registry}"
    if not {"loaded-node", "workstation"} <= set(names):
        command = f"swarmlab images pull {' '.join(names)} --registry {registry}"
    told = say("Others take them with: {command}", command=command)
    out().print(told, markup=False, soft_wrap=True)


def _each(images: Sequence[Built]) -> None:
    for image in images:
        told = say(
            "{name}: {reference}, from {source} ({seconds})",
            name=image.name,
            reference=image.reference,
            source=origin(image.source),
            seconds=say("{seconds} s", seconds=f"{image.seconds:.1f}"),
        )
        out().print(told, markup=False, soft_wrap=True)


def origin(source: str) -> str:
    """Where an image's content is from, in the language that is spoken; addresses stay."""
    kinds, colon, rest = source.partition(": ")
    said = (say(kind) if kind in _ORIGINS else kind for kind in kinds.split(", "))
    return say(", ").join(said) + (say(": ") + rest if colon else "")


def image_list(images: Sequence[ImageState]) -> None:
    """One row an image: whether it is built, its size, and where its content came from."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for column in (say("Image"), say("Size"), say("Version"), say("From")):
        table.add_column(column, overflow="fold")
    for image in images:
        size = f"{image.size / 1e6:.0f} MB" if image.built else say("not built")
        # Addresses of mirrors are for `--json`: here they would break every line.
        source = origin(image.source.partition(" from ")[0])
        table.add_row(image.name, size, say(image.version), source)
    out().print(table)
    missing = sum(1 for image in images if not image.built)
    if missing:
        told = say(
            "{count} to build: `swarmlab images build` does it, as does `swarmlab up`.",
            count=missing,
        )
        out().print(flowing(Text(told)))
