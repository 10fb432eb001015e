"""What images there are: the catalog file as frozen values, nothing of Docker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from swarmlab.errors import UsageError
from swarmlab.words import say

BASE = "base"
LOADED_NODE = "loaded-node"
LOCAL = "local"


@dataclass(frozen=True)
class Fallback:
    """Where else an image's program may come from: `argument` is the build argument that names
    the registry image `image`."""

    image: str
    argument: str


@dataclass(frozen=True)
class ImageSpec:
    """One image that swarmlab builds.

    `inside` is the name students type, for an image that the nodes hold, else None; `args` are
    build arguments that belong to the image's content; `source` says where its programs are from.
    """

    name: str
    folder: str
    version: str
    source: str
    inside: str | None = None
    args: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    fallback: Fallback | None = None


@dataclass(frozen=True)
class Catalog:
    """All images, where the base image comes from, and what lab files may call them."""

    base_image: str
    suite: str
    images: Mapping[str, ImageSpec]
    catalogs: Mapping[str, Mapping[str, str]]

    def stored(self) -> tuple[ImageSpec, ...]:
        """The images that every node holds from its first second on, in catalog order."""
        return tuple(spec for spec in self.images.values() if spec.inside)


def _spec(name: str, raw: Mapping[str, Any]) -> ImageSpec:
    fallback = raw.get("fallback")
    return ImageSpec(
        name=name,
        folder=raw["folder"],
        version=raw["version"],
        source=raw.get("source", "Debian packages"),
        inside=raw.get("inside"),
        args=MappingProxyType({key: str(value) for key, value in raw.get("args", {}).items()}),
        fallback=Fallback(fallback["image"], fallback["argument"]) if fallback else None,
    )


@cache
def load() -> Catalog:
    """The catalog that comes with this version of swarmlab."""
    path = Path(__file__).with_name("catalog.yaml")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    images = {name: _spec(name, entry) for name, entry in raw["images"].items()}
    local = {name: spec.inside for name, spec in images.items() if spec.inside}
    catalogs: dict[str, Mapping[str, str]] = {LOCAL: MappingProxyType(local)}
    for name, entries in raw["catalogs"].items():
        catalogs[name] = MappingProxyType(dict(entries))
    return Catalog(
        base_image=raw["base"]["image"],
        suite=raw["base"]["suite"],
        images=MappingProxyType(images),
        catalogs=MappingProxyType(catalogs),
    )


def substitutions(catalog: str = LOCAL) -> Mapping[str, str]:
    """What `{image.<name>}` in a lab file becomes: name to image reference.

    Raises UsageError for a catalog that does not exist.
    """
    known = load().catalogs
    if catalog not in known:
        raise UsageError(
            say("There is no image catalog {catalog!r}.", catalog=catalog),
            hint=say("Name one of these: {names}.", names=", ".join(sorted(known))),
        )
    return known[catalog]
