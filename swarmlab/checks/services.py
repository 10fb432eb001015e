"""Checks of one Swarm service: its tasks, their networks, and what it was told."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal

from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Count, Pattern, Port, Word, Words
from swarmlab.checks.looking import Seen, counted, judge, listed, look, on_each
from swarmlab.checks.tasks import (
    Instance,
    Service,
    inspect_all,
    of_service,
    plain_image,
    running,
    service_named,
)
from swarmlab.words import say


def service(
    world: World,
    *,
    name: Word,
    replicas: Count | None = None,
    mode: Literal["replicated", "global"] = "replicated",
    image: str | None = None,
    healthy: bool = False,
    ports: list[Port] | None = None,
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

    # The service with its mode, number, image and ports; then its tasks with their errors.
    tasks = (
        "docker service ps --no-trunc --format '{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}'"
    )
    source = f"docker service ls -f name={name}; {tasks} {name}"

    def at() -> Seen:
        where = ""
        found = service_named(world, name)
        instances = found.instances()
        troubles = _count_troubles(world, found, instances, mode, replicas)
        if image is not None:
            troubles += _image_troubles(found, instances, image)
        if ports is not None and _published(found) != set(ports):
            troubles.append(
                say("published ports: {published}", published=listed(sorted(_published(found))))
            )
        if healthy and (unwell := _health_troubles(world, instances)):
            troubles += unwell
            states = "--format '{{.Names}} {{.Status}}'"
            each = on_each(world.nodes, f"docker ps -a --filter {of_service(name)} {states}")
            where = f"{source}; {each}"
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
        return judge(troubles, fine, where)

    return look(say(", ").join(parts), source, at)


def attached(world: World, *, service: Word, networks: Words) -> Finding:
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
        " --format 'task {{.ID}}:{{range .NetworksAttachments}} {{.Network.Spec.Name}}{{end}}'",
        at,
    )


def environment(world: World, *, service: Word, name: Word, value_pattern: Pattern) -> Finding:
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
