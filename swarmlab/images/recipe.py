"""Keys and references: what an image is made of, hashed, so that equal content is built once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from swarmlab import resources
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.images import catalog, context
from swarmlab.words import say

BUILDER_VERSION = "1"
"""Changes when the way of building changes in a manner that the files do not show."""

LABEL = "swarmlab.content"
SOURCE = "swarmlab.source"
KEY_LENGTH = 12


def names() -> tuple[str, ...]:
    """Every image there is, the base first and the loaded node last."""
    return (catalog.BASE, *catalog.load().images, catalog.LOADED_NODE)


def folder(name: str) -> Path:
    """The build context of an image. Raises EnvironmentProblem when the sources are missing."""
    images = resources.compose_dir() / "images"
    known = catalog.load().images
    found = images / (catalog.BASE if name == catalog.BASE else known[name].folder)
    if not found.is_dir():
        raise EnvironmentProblem(
            say("The sources of the image {name} are missing: {folder}", name=name, folder=found),
            hint=say("Install swarmlab again: the folder is part of the package."),
        )
    return found


def needs(name: str) -> tuple[str, ...]:
    """The images that must be there before `name` can be built."""
    if name == catalog.BASE:
        return ()
    if name == catalog.LOADED_NODE:
        return ("node", *(spec.name for spec in catalog.load().stored()))
    return (catalog.BASE,)


def unknown(name: str) -> UsageError:
    """The error of a name that no image has."""
    return UsageError(
        say("There is no image {name!r}.", name=name),
        hint=say("Name one of these: {names}.", names=", ".join(names())),
    )


def closure(wanted: Iterable[str]) -> set[str]:
    """`wanted` and everything that they need. Raises UsageError for an unknown image."""
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in names():
            raise unknown(name)
        if name not in found:
            found.add(name)
            todo.extend(needs(name))
    return found


class Keys:
    """The keys of all images as the files are now; each is computed once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def key(self, name: str) -> str:
        """Twelve hex digits. Raises UsageError for an unknown image."""
        if name not in names():
            raise unknown(name)
        if name not in self._known:
            parts = [BUILDER_VERSION, name, *self._own(name), *(self.key(n) for n in needs(name))]
            total = hashlib.sha256("\0".join(parts).encode())
            self._known[name] = total.hexdigest()[:KEY_LENGTH]
        return self._known[name]

    def reference(self, name: str) -> str:
        """The tag on the host's engine for the content as it is now."""
        return f"swarmlab/{name}:{self.key(name)}"

    def _own(self, name: str) -> list[str]:
        known = catalog.load()
        if name == catalog.BASE:
            return [known.base_image, known.suite, context.digest(folder(name))]
        if name == catalog.LOADED_NODE:
            return [str(spec.inside) for spec in known.stored()]
        args = sorted(f"{key}={value}" for key, value in known.images[name].args.items())
        return [context.digest(folder(name)), *args]


def reference(name: str) -> str:
    """The tag on the host's engine for `name` as its files are now, `swarmlab/<name>:<key>`.

    Raises UsageError for an unknown image.
    """
    return Keys().reference(name)


def first_run(name: str) -> str:
    """The first RUN line of an image's Dockerfile, empty where there is none.

    Images with the same first line share that layer only when one is built after the other.
    """
    if name in (catalog.BASE, catalog.LOADED_NODE):
        return ""
    for line in (folder(name) / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("RUN "):
            return line
        if line.startswith("COPY "):
            return ""
    return ""
