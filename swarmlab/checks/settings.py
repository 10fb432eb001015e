"""Checks of what a service was told about the rest of the cluster: addresses, volumes."""

from __future__ import annotations

from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Nodes, Path, Port, Word
from swarmlab.checks.looking import Seen, chosen, judge, listed, look
from swarmlab.checks.tasks import service_named
from swarmlab.words import say


def addresses(
    world: World, *, service: Word, name: Word, port: Port, nodes: Nodes | None = None
) -> Finding:
    """The service's variable lists the address of each node with that port, and nothing else.

    Commas stand between the addresses and no white space; `http://` may stand before each.
    """
    asked = chosen(world, nodes or [])
    known = {f"{world.address(node)}:{port}": node for node in world.nodes}

    def at() -> Seen:
        env = service_named(world, service).container_spec.get("Env") or []
        values = dict(entry.partition("=")[::2] for entry in env)
        if name not in values:
            return Seen(False, say("{service} has no {name}", service=service, name=name))
        parts = values[name].split(",")
        given = [part.strip().removeprefix("http://") for part in parts]
        strangers = [one for one in given if one not in known]
        others = [known[one] for one in given if one in known and known[one] not in asked]
        missing = [node for one, node in known.items() if node in asked and one not in given]
        troubles = []
        if any(part != part.strip() for part in parts):
            troubles.append(say("white space between the addresses"))
        if strangers:
            troubles.append(
                say(
                    "{strangers} is no node's address with port {port}",
                    strangers=say(" or ").join(map(repr, strangers)),
                    port=port,
                )
            )
        if others:
            troubles.append(say("the address of {others} is one too many", others=listed(others)))
        if missing:
            troubles.append(say("the address of {missing} is missing", missing=listed(missing)))
        seen = f"{name}={values[name]!r}"
        return judge([f"{seen}{say(': ')}{say(', ').join(troubles)}"] if troubles else [], seen)

    return look(
        say(
            "{service} has {name} with the addresses of {nodes}, port {port}, commas between them",
            service=service,
            name=name,
            nodes=listed(asked),
            port=port,
        ),
        f"docker service inspect {service} --format '{{{{.Spec.TaskTemplate.ContainerSpec.Env}}}}'",
        at,
    )


def volume(world: World, *, service: Word, name: Word, path: Path) -> Finding:
    """The service's containers have the volume of that name at that path."""

    def at() -> Seen:
        mounts = service_named(world, service).container_spec.get("Mounts") or []
        found = {
            str(one.get("Target")): str(one.get("Source") or say("a volume without a name"))
            for one in mounts
        }
        seen = say(", ").join(
            say("{volume} at {path}", volume=volume, path=path)
            for path, volume in sorted(found.items())
        )
        return Seen(found.get(path) == name, seen or say("{name} has no volume", name=service))

    return look(
        say("{service} has volume {name} at {path}", service=service, name=name, path=path),
        f"docker service inspect {service}"
        " --format '{{json .Spec.TaskTemplate.ContainerSpec.Mounts}}'",
        at,
    )
