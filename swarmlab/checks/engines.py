"""Checks of what really is on the nodes' engines, whoever put it there."""

from __future__ import annotations

import shlex

from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Count, PerNode, Word
from swarmlab.checks.looking import Seen, counted, judge, listed, look, on_each, over
from swarmlab.words import later, say

_KINDS = {"label": later("label"), "name": later("name")}


def containers(
    world: World,
    *,
    count: Count,
    label: str = "",
    name: str = "",
    image: str = "",
    running: bool = True,
    per_node: PerNode | None = None,
) -> Finding:
    """That many containers on all engines together, and `per_node` where it is said.

    `label` is `key` or `key=value`; `name` is a part of the name, as `docker ps` filters it;
    `image` is the image they were made from, by name; `running=False` counts stopped ones too.
    """
    filters = {key: value for key, value in (("label", label), ("name", name)) if value}
    option = "" if running else " -a"
    words = "".join(f" --filter {shlex.quote(f'{key}={value}')}" for key, value in filters.items())
    parts = [f"{say(_KINDS[key])} {value}" for key, value in filters.items()]
    parts += [say("image {image}", image=image)] if image else []
    what = say(" with {texts}", texts=listed(parts)) if parts else ""

    def at() -> Seen:
        def on(node: str) -> list[str]:
            found = world.engine(node).api.containers(all=not running, filters=filters)
            return sorted(
                one["Names"][0].lstrip("/")
                for one in found
                if (not running or one["State"] == "running")
                and (not image or one["Image"].partition("@")[0] == image)
            )

        found = over(world.nodes, on)
        total = sum(map(len, found.values()))
        right = total == count and all(
            len(found.get(node, [])) == number for node, number in (per_node or {}).items()
        )
        where = say("; ").join(f"{node}: {listed(names)}" for node, names in found.items())
        return Seen(right, f"{counted(total, 'container')} ({where})")

    places = [f"{node}: {number}" for node, number in (per_node or {}).items()]
    spread = f" ({', '.join(places)})" if places else ""
    return look(
        counted(count, "running container" if running else "container") + what + spread,
        on_each(world.nodes, f"docker ps{option}{words}"),
        at,
    )


def volume_absent(world: World, *, name: Word) -> Finding:
    """No node's engine has a volume of exactly that name."""

    def at() -> Seen:
        def has(node: str) -> bool:
            answer = world.engine(node).api.volumes(filters={"name": name})
            return any(one["Name"] == name for one in answer.get("Volumes") or [])

        found = [node for node, there in over(world.nodes, has).items() if there]
        return judge(
            [say("volume {name} is on {nodes}", name=name, nodes=listed(found))] if found else [],
            say("no volume {name} on {nodes}", name=name, nodes=listed(world.nodes)),
        )

    return look(
        say("no volume {name} on any node", name=name),
        on_each(world.nodes, f"docker volume ls --filter name={shlex.quote(name)}"),
        at,
    )
