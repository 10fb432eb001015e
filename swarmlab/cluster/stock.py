"""The images that a lab is made from, built or pulled when they are first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from swarmlab.engine import Engine
from swarmlab.images import catalog, sources
from swarmlab.images.sources import Sources
from swarmlab.progress import Progress


class Images:
    """What the containers are made from: references on the host's engine, found when needed."""

    def __init__(
        self, find: Callable[[], Mapping[str, str]], sources: Sources = sources.USUAL
    ) -> None:
        """`find` has the images made if need be, and returns their references by name."""
        self.sources = sources
        self._find = find
        self._guard = threading.Lock()
        self._found: Mapping[str, str] | None = None

    def node(self) -> str:
        return self._all()[catalog.LOADED_NODE]

    def workstation(self) -> str:
        return self._all()["workstation"]

    def carried(self) -> dict[str, str]:
        """What nodes elsewhere have to be brought: the name there, the reference here."""
        stored = catalog.load().stored()
        return {str(spec.inside): self._all()[spec.name] for spec in stored}

    def _all(self) -> Mapping[str, str]:
        with self._guard:
            if self._found is None:
                self._found = self._find()
            return self._found


def of(
    engine: Engine, told: Progress, where: Sources = sources.USUAL, *, contained: bool = True
) -> Images:
    """The images on that engine, built or pulled as `where` says.

    `contained` nodes are made from one that holds the others.
    """

    def find() -> Mapping[str, str]:
        from swarmlab.images import builder, shared

        nodes = [catalog.LOADED_NODE] if contained else [s.name for s in catalog.load().stored()]
        wanted = [*nodes, "workstation"]
        if where.registry:
            there = shared.ensure(
                wanted, engine=engine.client, registry=where.registry, progress=told
            )
        else:
            there = builder.ensure(wanted, engine=engine.client, progress=told)
        return {image.name: image.reference for image in there}

    return Images(find, where)
