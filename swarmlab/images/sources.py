"""Where a lab's images come from: which catalog, which registry, which mirror.

A lab is made with one answer and keeps it in a label, so that every later command types and
checks the same names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from swarmlab import labels
from swarmlab.errors import UsageError
from swarmlab.images import catalog
from swarmlab.images.catalog import LOCAL
from swarmlab.images.registry import Registry, mirror, parse
from swarmlab.words import say


@dataclass(frozen=True)
class Sources:
    """Where images come from.

    `catalog` says which names are typed; empty, nobody chose one, and it is `local`. `registry`
    gives swarmlab's own images in place of building them, and the originals in place of Docker
    Hub. `mirror` is the URL of a mirror of Docker Hub that the nodes' engines ask first.
    """

    catalog: str = ""
    registry: Registry | None = None
    mirror: str = ""

    def names(self) -> Mapping[str, str]:
        """What `{image.NAME}` in a lab file becomes. Raises UsageError for an unknown catalog."""
        known = catalog.substitutions(self.catalog or LOCAL)
        if not self.originals or self.registry is None:
            return known
        place = self.registry
        return MappingProxyType({name: place.original(image) for name, image in known.items()})

    @property
    def originals(self) -> bool:
        """Whether the images are not swarmlab's own."""
        return self.catalog not in ("", LOCAL)

    @property
    def pulled(self) -> tuple[str, ...]:
        """The references that every node must pull; none where its own store has them."""
        return () if not self.originals else tuple(dict.fromkeys(self.names().values()))

    @property
    def plain(self) -> tuple[str, ...]:
        """The hosts that the nodes' engines may ask without TLS, because their user said so."""
        return (self.registry.host,) if self.registry and self.registry.plain else ()

    @property
    def marks(self) -> dict[str, str]:
        """The label by which they are found again; none for a lab like any other."""
        place = str(self.registry or "")
        told = {"catalog": self.catalog, "registry": place, "mirror": self.mirror}
        said = {key: value for key, value in told.items() if value}
        return {labels.IMAGES: json.dumps(said)} if said else {}

    def __str__(self) -> str:
        """In a few words: `catalog upstream from registry.example.org/class`."""
        words = say("catalog {catalog}", catalog=self.catalog or LOCAL)
        if self.registry:
            words += say(" from {registry}", registry=str(self.registry))
        if self.mirror:
            words += say(" by way of {mirror}", mirror=self.mirror)
        return words


USUAL = Sources()
"""Built here, and held by the nodes from their first second on."""


def asked(catalog_name: str = "", registry: str = "", mirror_url: str = "") -> Sources:
    """What a command asks for, and nothing else. Raises UsageError for what makes no sense."""
    found = Sources(
        catalog_name,
        parse(registry) if registry else None,
        mirror(mirror_url) if mirror_url else "",
    )
    found.names()
    return found


def wanted(given: Sources = USUAL) -> Sources:
    """What a command asks for, and where it says nothing, the environment.

    Raises UsageError for what makes no sense.
    """

    def told(name: str) -> str:
        return os.environ.get(name, "").strip()

    place, url = told("SWARMLAB_REGISTRY"), told("SWARMLAB_REGISTRY_MIRROR")
    found = Sources(
        given.catalog or told("SWARMLAB_CATALOG"),
        given.registry or (parse(place) if place else None),
        given.mirror or (mirror(url) if url else ""),
    )
    found.names()
    return found


def told(listed: Iterable[Mapping[str, Any]]) -> Sources:
    """What the labels of a lab's containers and networks say; the usual when they say nothing.

    So does a label of another version of swarmlab that this one does not understand.
    """
    for one in listed:
        text = (one.get("Labels") or {}).get(labels.IMAGES)
        if text:
            try:
                found = json.loads(text)
                return Sources(
                    str(found.get("catalog") or ""),
                    parse(found["registry"]) if found.get("registry") else None,
                    str(found.get("mirror") or ""),
                )
            except (ValueError, AttributeError, TypeError, UsageError):
                return USUAL
    return USUAL
