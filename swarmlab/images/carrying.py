"""The lab's images, carried to nodes that do not come with them.

They stream from the lab's own engine into a node's through this process, so that no registry is
needed; what a node has already is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docker.errors import ImageNotFound, NotFound

from swarmlab.engine import Engine
from swarmlab.images import engine as transport
from swarmlab.images import recipe
from swarmlab.providers.problems import explained
from swarmlab.words import say

_SILENCE_SECONDS = 600
_SHOWN_BYTES = 10_000_000


def carry(
    engine: Engine,
    api: Any,
    node: str,
    images: Mapping[str, str],
    *,
    tell: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Have the images on the node's engine; the names of those that were carried.

    `images` maps what students type to the reference on the lab's own engine. `check` raises when
    the work is called off. Raises EnvironmentProblem, ImageProblem when an engine refuses.
    """
    with explained(say("looking for the images of {node}", node=node)):
        wanted = missing(engine.client.api, api, images)
    if not wanted:
        return ()
    own = _names(api)
    allowed, api.timeout = api.timeout, _SILENCE_SECONDS
    try:
        with (
            transport.request(
                engine.client,
                "GET",
                "/images/get",
                params={"names": list(wanted.values())},
                silence=_SILENCE_SECONDS,
            ) as saved,
            explained(say("carrying images to {node}", node=node)),
        ):
            blocks = _counted(saved.iter_content(1 << 18), node, tell, check)
            for line in api.load_image(blocks):
                check()
                if "error" in line:
                    raise _refused(node, str(line["error"]))
    finally:
        api.timeout = allowed
    with explained(say("naming the images of {node}", node=node)):
        for name, reference in wanted.items():
            repository, _, tag = name.rpartition(":")
            api.tag(reference, repository, tag)
            if reference not in (name, *own):
                api.remove_image(reference, noprune=True)
    return tuple(wanted)


def missing(here: Any, there: Any, images: Mapping[str, str]) -> dict[str, str]:
    """Those of the images that the engine `there` has not, or has with another content."""
    found = {}
    for name, reference in images.items():
        wanted = here.inspect_image(reference)
        try:
            present = there.inspect_image(name)
        except (ImageNotFound, NotFound):
            present = {}
        if _content(present) != _content(wanted) and present.get("Id") != wanted["Id"]:
            found[name] = reference
    return found


def _names(api: Any) -> set[str]:
    """What its images are called now: of the lab's own engine, say, nothing is taken away."""
    return {tag for image in api.images() for tag in image.get("RepoTags") or ()}


def _content(image: Mapping[str, Any]) -> str:
    """The key of an image of ours. Ids differ from one kind of image store to another."""
    told = (image.get("Config") or {}).get("Labels") or {}
    return str(told.get(recipe.LABEL) or image.get("Id", ""))


def _counted(
    blocks: Iterator[bytes], node: str, tell: Callable[[str], None], check: Callable[[], None]
) -> Iterator[bytes]:
    sent = said = 0
    for block in blocks:
        check()
        yield block
        sent += len(block)
        if sent - said >= _SHOWN_BYTES:
            said = sent
            size = sent // 1_000_000
            tell(say("{node} is brought its images: {size} MB", node=node, size=size))


def _refused(node: str, words: str) -> Exception:
    from swarmlab.errors import ImageProblem

    return ImageProblem(
        say("The engine of {node} cannot take the lab's images.", node=node),
        evidence=words[:300],
        hint=say("Look whether its disk is full, then run the command again."),
    )
