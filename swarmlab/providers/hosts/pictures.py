"""The images on a machine's engine: which of them a lab has brought, and how they go again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab.images import catalog, recipe
from swarmlab.providers.hosts.snapshot import Snapshot

_NAMELESS = "<none>:<none>"


@dataclass(frozen=True)
class Pictures:
    """The images of one lab. `pulled` are what it has its nodes pull, from wherever that is."""

    pulled: Collection[str] = ()

    def has(self, image: Mapping[str, Any]) -> bool:
        """Whether an image is one that a lab brings or has pulled, also when it has lost its name.

        One that was built there is not: it is called `latest`, too.
        """
        tags = image.get("RepoTags") or ()
        if any(tag in self._names() for tag in tags):
            return True
        return own(image) and not any(tag.endswith(":latest") for tag in tags)

    def new(self, api: Any, before: Snapshot) -> dict[str, bool]:
        """The ids of those that were not there before, or are swarmlab's own anyway.

        True: both, so that nobody but the lab can have made a container from it.
        """
        return {
            str(one["Id"]): new and of_ours
            for one in api.images()
            for new, of_ours in [(one["Id"] not in before.images, own(one))]
            if self.has(one) and (new or of_ours)
        }

    def remove(self, api: Any, before: Snapshot, there: bool) -> None:
        """Take away what the lab brought; what a container of somebody else is made from stays.

        Where the lab is not `there`, it has brought images of swarmlab's own at most.
        """
        if not there:
            for one in api.images():
                if one["Id"] not in before.images and self.has(one) and own(one):
                    _remove(api, one)
            return
        for one in api.images():
            tags = [tag for tag in one.get("RepoTags") or () if tag != _NAMELESS]
            if one["Id"] not in before.images:
                if self.has(one):
                    _remove(api, one)
                continue
            for tag in set(tags) - set(before.images[one["Id"]]):
                if tag in self._names():
                    with suppress(APIError):
                        api.remove_image(tag)
        for image, names in before.images.items():
            # A name that ours had taken from an older image of the same name.
            for name in names:
                try:
                    api.inspect_image(name)
                except NotFound:
                    repository, _, tag = name.rpartition(":")
                    with suppress(NotFound):
                        api.tag(image, repository, tag)

    def _names(self) -> set[str]:
        """What they are called by those who type, in every catalog, and by the lab's registry."""
        known = {name for names in catalog.load().catalogs.values() for name in names.values()}
        return known | set(self.pulled)


def own(image: Mapping[str, Any]) -> bool:
    """Whether it is one of swarmlab's own, whatever it is called."""
    return recipe.LABEL in (image.get("Labels") or {})


def _remove(api: Any, image: Mapping[str, Any]) -> None:
    """Remove it under all its names. What will not go is told as a difference."""
    for name in [tag for tag in image.get("RepoTags") or () if tag != _NAMELESS] or [image["Id"]]:
        with suppress(APIError):
            api.remove_image(name)
