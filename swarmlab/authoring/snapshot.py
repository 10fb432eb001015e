"""What is on a cluster, taken from the engines and from Consul, to be compared with another time.

Facts are named in words and valued in plain data, so that two snapshots differ in readable lines.
No command of a lab and no check takes part: this is the third eye, that of the lab's author.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmlab.authoring import looks
from swarmlab.checks.base import World
from swarmlab.checks.looking import over
from swarmlab.errors import TimedOut
from swarmlab.providers.problems import explained
from swarmlab.wait import Observation, poll
from swarmlab.words import say

CALM_SECONDS = 90.0
"""So long the swarm may take until it has what it was asked for; a loaded machine is slow."""


REST_SECONDS = 20.0
"""A cluster that has changed nothing for so long will not; networks go last, after seconds, and on
a loaded machine after many."""

MOMENT_SECONDS = 2.0
"""After so long without a change it is asked whether one is still to come."""


@dataclass(frozen=True)
class Snapshot:
    """Named facts; `restless` names what was still about to change when it was taken."""

    facts: Mapping[str, Any]
    restless: tuple[str, ...] = field(default=(), compare=False)


Camera = Callable[[World], Snapshot]
"""Takes a snapshot of a lab that is up. Raises EnvironmentProblem."""


def take(world: World) -> Snapshot:
    """Services, networks, containers, volumes, nodes, Consul's keys, the student's files."""
    with explained(say("taking a snapshot of the cluster")):
        boxes = over(world.nodes, lambda node: looks.containers(world, node))
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "swarm": lambda: looks.swarm(world),
            "local": lambda: looks.local_networks(world),
            "volumes": lambda: looks.volumes(world),
            "consul": lambda: looks.consul(world),
            "files": lambda: looks.files(world),
        }
        found = over(parts, lambda part: parts[part]())
    facts = {name: fact for part in found.values() for name, fact in part.items()}
    own, tasks = looks.sorted_out(boxes)
    facts |= own
    restless = []
    for name, fact in facts.items():
        # Of all facts, only a service wants a number of containers.
        if isinstance(fact, dict) and (wanted := fact.pop("wanted", None)) is not None:
            running = tasks.pop(fact["Name"], {})
            fact["containers"] = running
            if sum(running.values()) != wanted or "starting" in running:
                restless.append(
                    say(
                        "{name} has {found} of {wanted} containers",
                        name=name,
                        found=_words(running),
                        wanted=wanted,
                    )
                )
    # Containers whose service is gone are on their way out.
    restless += [
        say("{left} containers of {name} are left", left=_words(left), name=name)
        for name, left in tasks.items()
    ]
    return Snapshot(facts, tuple(restless))


def calm(camera: Camera, world: World) -> Snapshot:
    """A snapshot of a swarm that has what it was asked for. Raises TimedOut."""

    def look() -> Observation[Snapshot]:
        now = camera(world)
        return Observation(not now.restless, "; ".join(now.restless), now)

    waited = poll(look, within=CALM_SECONDS, every=0.5)
    if not waited.done or waited.last.value is None:
        raise TimedOut(
            say("the swarm to have what it was asked for"),
            waited.seconds,
            waited.last.seen,
            hint=say("`swarmlab status` shows the state of the lab; then run the command again."),
        )
    return waited.last.value


def restored(
    camera: Camera,
    world: World,
    before: Snapshot,
    within: float,
    lost: Callable[[], bool] = lambda: False,
) -> list[str]:
    """How the cluster differs from `before`, at the latest after `within` seconds; none: equal.

    It is not waited for a cluster that has come to rest as something else; nor for one that
    changes nothing for a moment, when `lost` then says that it cannot become so by itself.
    """
    last: list[str] = []
    since = time.monotonic()
    asked = False

    def look() -> Observation[list[str]]:
        nonlocal last, since, asked
        now = camera(world)
        found = differences(before, now) or [
            say("still moving: {what}", what=one) for one in now.restless
        ]
        if found != last or now.restless:
            last, since, asked = found, time.monotonic(), False
        quiet = time.monotonic() - since
        over = not found or quiet >= REST_SECONDS
        if not over and not asked and quiet >= MOMENT_SECONDS:
            asked, over = True, lost()
        return Observation(over, "; ".join(found), found)

    return poll(look, within=within, every=0.5).last.value or []


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """One readable line for each fact that came, went or changed."""
    lines = []
    for name in sorted({*before.facts, *after.facts}):
        if name not in after.facts:
            lines.append(say("{name} is gone", name=name))
        elif name not in before.facts:
            lines.append(say("{name} was not there before", name=name))
        else:
            lines += _changes(name, before.facts[name], after.facts[name])
    return lines


def _changes(name: str, was: Any, now: Any) -> Iterator[str]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted({*was, *now}, key=str):
            yield from _changes(name + say(", ") + str(key), was.get(key), now.get(key))
    elif was != now:
        yield say("{name}: was {was}, is {now}", name=name, was=_words(was), now=_words(now))


def _words(value: Any) -> str:
    if value is None:
        return say("nothing")
    if isinstance(value, Mapping):
        states = [f"{count} {state}" for state, count in value.items()]
        return say(", ").join(states) or say("none")
    text = str(value) if isinstance(value, str | int | float) else repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
