"""The originals, pulled by every node before anybody types: with credentials, in sight, at once.

A task would pull them too, but without credentials, while the student waits, and with its error
hidden in `docker service ps`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from swarmlab.cluster.cluster import Cluster
from swarmlab.images import refusal, schedule, transfer
from swarmlab.images.sources import Sources
from swarmlab.progress import Progress, Stage
from swarmlab.providers.problems import explained
from swarmlab.words import say


def ensure(cluster: Cluster, told: Progress) -> None:
    """Have on every node what its catalog has nodes pull; what is there is left as it is.

    Raises ImageProblem with why an image did not come, EnvironmentProblem.
    """
    sources = cluster.sources
    if not sources.pulled:
        return
    missing = {node: _missing(cluster, node, sources) for node in cluster.nodes}
    if not any(missing.values()):
        return
    title = say(
        "Pulling the originals on each node, from {where}",
        where=str(sources.registry or refusal.HUB),
    )
    with told.stage(title) as stage:
        jobs = {
            node: _pulling(cluster, node, wanted, stage)
            for node, wanted in missing.items()
            if wanted
        }
        schedule.run(jobs, {}, workers=len(jobs))


def _missing(cluster: Cluster, node: str, sources: Sources) -> list[str]:
    api: Any = cluster.engine(node).api
    with explained(say("looking for the images of {node}", node=node)):
        there = {tag for image in api.images() for tag in image.get("RepoTags") or ()}
    return [image for image in sources.pulled if image not in there]


def _pulling(
    cluster: Cluster, node: str, wanted: list[str], stage: Stage
) -> Callable[[Event], None]:
    def job(stop: Event) -> None:
        for number, image in enumerate(wanted, 1):
            at = f"{node} {number}/{len(wanted)} {image}"
            stage.say(at)
            transfer.pull(
                cluster.engine(node),
                image,
                tell=lambda words, at=at: stage.say(f"{at}: {words}"),  # type: ignore[misc]
                stop=stop,
                own=False,
                whose=refusal.Asker(node, contained=cluster.provider.contained),
            )

    return job
