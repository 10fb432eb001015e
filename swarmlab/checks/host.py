"""Checks of the student's own machine."""

from __future__ import annotations

from collections.abc import Callable

from swarmlab import labels
from swarmlab.checks.base import Finding, World
from swarmlab.checks.looking import Seen, judge, listed, look, over
from swarmlab.words import later, say


def clean(world: World) -> Finding:
    """Nothing of this lab is left on the engine that its nodes ran on."""
    label = f"{labels.LAB}={world.name}"

    def at() -> Seen:
        api = world.host_engine().api
        filters = {"label": label}
        kinds: dict[str, Callable[[], list[str]]] = {
            later("container"): lambda: [
                one["Names"][0].lstrip("/") for one in api.containers(all=True, filters=filters)
            ],
            later("volume"): lambda: [
                one["Name"] for one in api.volumes(filters=filters).get("Volumes") or []
            ],
            later("network"): lambda: [one["Name"] for one in api.networks(filters=filters)],
            later("node"): lambda: list(world.elsewhere()),
        }
        left = over(kinds, lambda kind: kinds[kind]())
        return judge(
            [f"{say(kind)} {listed(sorted(names))}" for kind, names in left.items() if names],
            say("no container, volume or network labelled {label}", label=label),
        )

    return look(
        say("no container, volume or network labelled {label} on this machine", label=label),
        f"docker ps -a --filter label={label}; docker volume ls --filter label={label};"
        f" docker network ls --filter label={label}",
        at,
    )
