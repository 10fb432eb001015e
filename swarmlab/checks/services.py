"""Checks of one Swarm service: its tasks, what it was told, and how it heals."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any, Literal

from swarmlab.checks.base import Finding, World
from swarmlab.checks.looking import Seen, Unfit, counted, judge, listed, look
from swarmlab.checks.tasks import (
    Instance,
    Service,
    inspect_all,
    plain_image,
    running,
    service_named,
)
from swarmlab.words import later, say

# How a task that ran can have ended; rejected and orphaned ones never ran or were lost.
_ENDED = ("failed", "shutdown", "complete")


def service(
    world: World,
    *,
    name: str,
    replicas: int | None = None,
    mode: Literal["replicated", "global"] = "replicated",
    image: str | None = None,
    healthy: bool = False,
    ports: list[int] | None = None,
) -> Finding:
    """As many tasks run as the service wants (`replicas` if given; global: one on each node).

    `image` is compared with the service's and every running task's; `healthy` looks at each
    task's container on its node, and a container without a HEALTHCHECK is not healthy; `ports`
    are exactly the published ones (`[]`: none may be).
    """
    wanted = len(world.nodes) if mode == "global" else replicas
    parts = [
        say("{mode} service {name} with", mode=mode, name=name)
        + (
            say(" {wanted} of {wanted} tasks running", wanted=wanted)
            if wanted is not None
            else say(" all tasks running")
        )
    ]
    parts += [say("image {image}", image=image)] if image else []
    parts += [say("every container healthy")] if healthy else []
    parts += (
        [say("published ports: {ports}", ports=listed(sorted(ports)))] if ports is not None else []
    )

    def at() -> Seen:
        found = service_named(world, name)
        instances = found.instances()
        troubles = _count_troubles(world, found, instances, mode, replicas)
        if image is not None:
            troubles += _image_troubles(found, instances, image)
        if ports is not None and _published(found) != set(ports):
            troubles.append(
                say("published ports: {published}", published=listed(sorted(_published(found))))
            )
        if healthy:
            troubles += _health_troubles(world, instances)
        places = Counter(instance.node for instance in instances)
        spread = say(", ").join(
            say("{count} on {node}", count=places[node], node=node) for node in sorted(places)
        )
        extra = say(", all healthy") if healthy else ""
        fine = say(
            "{instances} of {instances} tasks running{extra} ({spread})",
            instances=len(instances),
            extra=extra,
            spread=spread or say("none"),
        )
        return judge(troubles, fine)

    return look(say(", ").join(parts), f"docker service ps -f desired-state=running {name}", at)


def attached(world: World, *, service: str, networks: list[str]) -> Finding:
    """Every running task of the service is on exactly these networks (ingress not counted)."""

    def at() -> Seen:
        troubles = []
        instances = running(world, service)
        for one in instances:
            names = {place.network for place in one.attachments} - {"ingress"}
            if names != set(networks):
                troubles.append(
                    say("{name} is on {names}", name=one.name, names=listed(sorted(names)))
                )
        return judge(
            troubles,
            say(
                "{instances} on {networks}",
                instances=counted(len(instances), "task"),
                networks=listed(sorted(networks)),
            ),
        )

    return look(
        say(
            "the tasks of {service} are on {networks}, and on no other network",
            service=service,
            networks=listed(sorted(networks)),
        ),
        f"docker inspect $(docker service ps -q -f desired-state=running {service})"
        " --format '{{range .NetworksAttachments}}{{.Network.Spec.Name}} {{end}}'",
        at,
    )


def environment(world: World, *, service: str, name: str, value_pattern: str) -> Finding:
    """The service's variable has a value that the regular expression matches as a whole."""

    def at() -> Seen:
        found = service_named(world, service)
        values = dict(entry.partition("=")[::2] for entry in found.container_spec.get("Env") or [])
        if name not in values:
            return Seen(
                False,
                say(
                    "{service} has no {name} (it has {values})",
                    service=service,
                    name=name,
                    values=listed(sorted(values)),
                ),
            )
        right = re.fullmatch(value_pattern, values[name]) is not None
        return Seen(right, f"{name}={values[name]!r}")

    return look(
        say(
            "{service} has {name} set, matching {value_pattern}",
            service=service,
            name=name,
            value_pattern=value_pattern,
        ),
        f"docker service inspect {service} --format '{{{{.Spec.TaskTemplate.ContainerSpec.Env}}}}'",
        at,
    )


def healed(world: World, *, service: str, slot: int, fallen: bool = False) -> Finding:
    """In the slot runs a task that took the place of one that had run and ended.

    `fallen`: it must have failed. One that was asked to stop ends well, and one that a change of
    the service replaced was shut down. What was seen tells the seconds from the old task's end to
    the new one's running, by the swarm's own time stamps.
    """

    def at() -> Seen:
        found = service_named(world, service)
        of_slot = [task for task in found.tasks if task.get("Slot") == slot]
        new = next((one for one in found.instances() if one.slot == slot), None)
        if new is None:
            states = sorted(f"{task['ID'][:12]} {task['Status']['State']}" for task in of_slot)
            raise Unfit(
                say(
                    "no task runs in slot {slot} (tasks: {states})",
                    slot=slot,
                    states=listed(states),
                )
            )
        raw = next(task for task in of_slot if task["ID"] == new.task)
        olds = [
            task
            for task in of_slot
            if task["Status"]["State"] in _ENDED
            and (task["Status"].get("ContainerStatus") or {}).get("ContainerID")
            and _time(task["CreatedAt"]) < _time(raw["CreatedAt"])
        ]
        if not olds:
            return Seen(False, _never_ended(found, new))
        failed = [task for task in olds if task["Status"]["State"] == "failed"]
        if fallen and not failed:
            last = max(olds, key=lambda task: _time(task["CreatedAt"]))
            return Seen(
                False,
                say(
                    "the task before {name} did not fail: it ended as {state}",
                    name=new.name,
                    state=last["Status"]["State"],
                ),
            )
        old = max(failed if fallen else olds, key=lambda task: _time(task["CreatedAt"]))
        took = _time(raw["Status"]["Timestamp"]) - _time(old["Status"]["Timestamp"])
        why = old["Status"].get("Err") or old["Status"].get("Message", "")
        return Seen(
            True,
            say(
                "{name} runs as task {task} on {node}, {took:.1f} s after task {old} ended on"
                " {node_name} ({state}: {why})",
                name=new.name,
                task=new.task[:12],
                node=new.node,
                took=took,
                old=old["ID"][:12],
                node_name=found.node_name(old["NodeID"]),
                state=old["Status"]["State"],
                why=why,
            ),
        )

    return look(
        say(
            later("in slot {slot} of {service} a new task runs in the place of one that failed")
            if fallen
            else later(
                "in slot {slot} of {service} a new task runs in the place of one that ended"
            ),
            slot=slot,
            service=service,
        ),
        f"docker service ps --filter name={service}.{slot} {service}",
        at,
    )


def _never_ended(found: Service, instance: Instance) -> str:
    """That the instance is the first of its slot, and which ones of other slots failed."""
    first = say(
        "{name} is still its first task, {task}", name=instance.name, task=instance.task[:12]
    )
    failed = {
        say("{name} on {node}", name=f"{found.name}.{task['Slot']}", node=node)
        for task in found.tasks
        if task["Status"]["State"] == "failed" and task.get("Slot")
        for node in [found.node_name(task["NodeID"])]
    }
    if not failed:
        other = say("no task of {service} has failed", service=found.name)
    else:
        other = say("what failed is {places}", places=listed(sorted(failed)))
    return first + say("; ") + other


def _count_troubles(
    world: World, found: Service, instances: list[Instance], mode: str, replicas: int | None
) -> list[str]:
    if found.mode != mode:
        return [say("service {name} is {mode}", name=found.name, mode=found.mode)]
    if mode == "global":
        counts = Counter(instance.node for instance in instances)
        troubles = [
            say("{counts} running on {node}", counts=counted(counts[node], "task"), node=node)
            for node in sorted({*world.nodes, *counts})
            if counts[node] != (1 if node in world.nodes else 0)
        ]
    else:
        troubles = []
        if replicas is not None and found.replicas != replicas:
            troubles.append(say("{replicas} wanted by the service", replicas=found.replicas))
        if len(instances) != found.replicas:
            troubles.append(
                say(
                    "{instances} of {replicas} tasks running",
                    instances=len(instances),
                    replicas=found.replicas,
                )
            )
        elif not instances and replicas != 0:
            troubles.append(say("no task is wanted, and none runs"))
    return [*troubles[:-1], troubles[-1] + _why(found)] if troubles else []


def _why(found: Service) -> str:
    """What the tasks that do not run yet are at, and the newest error."""
    states = Counter(str(task["Status"]["State"]) for task in found.starting())
    words = [f"{count} {state}" for state, count in sorted(states.items())]
    if error := found.last_error():
        words.append(say("last error: {error}", error=error))
    return f" ({'; '.join(words)})" if words else ""


def _image_troubles(found: Service, instances: list[Instance], image: str) -> list[str]:
    named = plain_image(found.container_spec)
    troubles = [say("the service has image {named}", named=named)] if named != image else []
    return troubles + [
        say("{name} still runs {image}", name=one.name, image=one.image)
        for one in instances
        if one.image != image and one.image != named
    ]


def _health_troubles(world: World, instances: list[Instance]) -> list[str]:
    troubles = []
    for instance, container in inspect_all(world, instances).items():
        state = _health(container)
        if state != "healthy":
            troubles.append(say("{place} is {state}", place=instance.place, state=state))
    return troubles


def _health(container: dict[str, Any] | None) -> str:
    if container is None:
        return say("without its container")
    state = container["State"]
    if not state.get("Running"):
        return str(state.get("Status", say("not running")))
    return str((state.get("Health") or {}).get("Status") or say("without a HEALTHCHECK"))


def _published(found: Service) -> set[int]:
    endpoint = found.raw.get("Endpoint") or {}
    return {
        int(port["PublishedPort"])
        for port in endpoint.get("Ports") or []
        if port.get("PublishedPort")
    }


def _time(stamp: str) -> float:
    """Seconds since the epoch of an engine's time stamp (RFC 3339, nanoseconds)."""
    return datetime.fromisoformat(stamp).timestamp()
