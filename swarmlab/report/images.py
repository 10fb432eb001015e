"""The lab's images on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from swarmlab.console import out

if TYPE_CHECKING:
    from swarmlab.images.builder import Built, ImageState
    from swarmlab.images.registry import Registry


def built(images: Sequence[Built]) -> None:
    """How many were built and how long that took; one line when there was nothing to do."""
    fresh = [image for image in images if image.built]
    if not fresh:
        out().print(f"All {len(images)} images are built already; nothing to do.")
    _each(fresh)


def pulled(images: Sequence[Built]) -> None:
    """The same of images that came from a registry."""
    fresh = [image for image in images if image.built]
    if not fresh:
        out().print("They are here already; nothing to do.")
    _each(fresh)


def pushed(references: Sequence[str], registry: Registry) -> None:
    """What the registry has now, and how others take it from there."""
    for reference in references:
        out().print(reference, markup=False, soft_wrap=True)
    names = [reference.rpartition("/")[2].partition(":")[0] for reference in references]
    command = f"swarmlab up --registry {registry}"
    if not {"loaded-node", "workstation"} <= set(names):
        command = f"swarmlab images pull {' '.join(names)} --registry {registry}"
    out().print(f"Others take them with: {command}", soft_wrap=True)


def _each(images: Sequence[Built]) -> None:
    for image in images:
        out().print(
            f"{image.name}: {image.reference}, from {image.source} ({image.seconds:.1f} s)",
            markup=False,
            soft_wrap=True,
        )


def image_list(images: Sequence[ImageState]) -> None:
    """One row an image: whether it is built, its size, and where its content came from."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for column in ("Image", "Size", "Version", "From"):
        table.add_column(column, overflow="fold")
    for image in images:
        size = f"{image.size / 1e6:.0f} MB" if image.built else "not built"
        # Addresses of mirrors are for `--json`: here they would break every line.
        table.add_row(image.name, size, image.version, image.source.partition(" from ")[0])
    out().print(table)
    missing = sum(1 for image in images if not image.built)
    if missing:
        out().print(f"{missing} to build: `swarmlab images build` does it, as does `swarmlab up`.")
