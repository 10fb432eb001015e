"""Checks of the swarm itself: its nodes, its networks, and what must be gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Count, Some, Word, Words
from swarmlab.checks.looking import Seen, by_node, counted, judge, listed, look, on_each, over
from swarmlab.checks.tasks import Refusal, from_manager, from_swarm, list_services
from swarmlab.size import majority
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.api import APIClient


def nodes(
    world: World, *, ready: Count | None = None, leaders: Count = 1, reachable: Count | None = None
) -> Finding:
    """As every manager sees the swarm: that many ready and active nodes, leaders, reachables.

    Where no number is given: all nodes that the lab was made with are ready, and all its managers
    but the leader reachable.
    """
    ready = len(world.nodes) if ready is None else ready
    reachable = len(world.managers) - 1 if reachable is None else reachable

    def at() -> Seen:
        views = over(world.managers, lambda node: from_manager(world, node, _nodes))
        troubles = []
        seen = {}
        for node, view in views.items():
            if isinstance(view, Refusal):
                troubles.append(str(view))
                continue
            counts = (
                sum(1 for one in view if _ready(one) and _availability(one) == "active"),
                sum(1 for one in view if _reachability(one) == "leader"),
                sum(1 for one in view if _reachability(one) == "reachable"),
            )
            if counts != (ready, leaders, reachable):
                seen[node] = f"{_counts(*counts)}{_unusual(view, world.managers)}"
        return judge(
            troubles + by_node(seen),
            say(
                "{views} each see {ready}",
                views=listed(views),
                ready=_counts(ready, leaders, reachable),
            ),
        )

    return look(
        say("every manager sees {ready}", ready=_counts(ready, leaders, reachable)),
        on_each(world.managers, "docker node ls"),
        at,
    )


def quorum(world: World, *, managers: Some | None = None, needed: Some | None = None) -> Finding:
    """That many managers, of which `needed` are a majority, and at least so many are there.

    Where no number is given: as many as the lab was made with, and more than half of them.
    """
    managers = len(world.managers) if managers is None else managers
    needed = majority(managers) if needed is None else needed

    def at() -> Seen:
        found = [node for node in from_swarm(world, _nodes) if _reachability(node) != "worker"]
        there = [node for node in found if _reachability(node) in ("leader", "reachable")]
        half = majority(len(found))
        seen = say(
            "{found}, of which {majority} are a quorum; {there} there ({there2})",
            found=counted(len(found), "manager"),
            majority=half,
            there=len(there),
            there2=listed(map(_hostname, there)),
        )
        right = len(found) == managers and half == needed and len(there) >= needed
        return Seen(right, seen)

    return look(
        say(
            "{managers}, of which {needed} are a quorum, and a quorum is there",
            managers=counted(managers, "manager"),
            needed=needed,
        ),
        "docker node ls --filter role=manager",
        at,
    )


def label(world: World, *, name: Word, value: str) -> Finding:
    """Every node has the label, on its engine or on the swarm's node (either is accepted)."""

    def at() -> Seen:
        found = {_hostname(node): _labels(node, name) for node in from_swarm(world, _nodes)}
        troubles = [
            say("{node} is not in the swarm", node=node)
            for node in world.nodes
            if node not in found
        ]
        for node, places in found.items():
            if value not in places.values():
                what = say(", ").join(
                    say("{name}={v} as {place} label", name=name, v=v, place=place)
                    for place, v in places.items()
                )
                troubles.append(
                    say(
                        "{node} has {what}",
                        node=node,
                        what=what or say("no label {name}", name=name),
                    )
                )
        kinds = {place for places in found.values() for place in places if places[place] == value}
        return judge(
            troubles,
            say(
                "{found} have {name}={value} ({kinds} label)",
                found=listed(found),
                name=name,
                value=value,
                kinds=listed(sorted(kinds)),
            ),
        )

    return look(
        say(
            "{nodes} have the label {name}={value}",
            nodes=listed(world.nodes),
            name=name,
            value=value,
        ),
        "docker node inspect $(docker node ls -q) --format"
        " '{{.Description.Hostname}} {{.Description.Engine.Labels}} {{.Spec.Labels}}'",
        at,
    )


def same_view(world: World) -> Finding:
    """The same services (id, version, name) are listed by every manager."""

    def at() -> Seen:
        views = over(world.managers, lambda node: from_manager(world, node, _services))
        refusals = [str(view) for view in views.values() if isinstance(view, Refusal)]
        lists = {node: view for node, view in views.items() if not isinstance(view, Refusal)}
        if not refusals and len(set(lists.values())) > 1:
            refusals = by_node({node: _described(view) for node, view in lists.items()})
        first = next(iter(lists.values()), frozenset())
        return judge(
            refusals, say("{lists} all list {first}", lists=listed(lists), first=_described(first))
        )

    return look(
        say("{nodes} list the same services in the same versions", nodes=listed(world.managers)),
        on_each(world.managers, "docker service ls"),
        at,
    )


def network(world: World, *, name: Word, driver: Word = "overlay") -> Finding:
    """One swarm-wide network has exactly that name, and that driver."""

    def at() -> Seen:
        found = [
            one
            for one in from_swarm(world, lambda api: _networks(api, name))
            if one.get("Scope") == "swarm"
        ]
        if len(found) != 1:
            return Seen(
                False,
                say("{found} {name} of the swarm", found=counted(len(found), "network"), name=name),
            )
        return Seen(
            found[0]["Driver"] == driver,
            say(
                "network {name} has driver {found} and scope swarm",
                name=name,
                found=found[0]["Driver"],
            ),
        )

    return look(
        say("one {driver} network {name} of the swarm", driver=driver, name=name),
        f"docker network ls --filter name={name}",
        at,
    )


def absent(
    world: World, *, services: Words | None = None, networks: Words | None = None
) -> Finding:
    """None of these services and networks is left, and no container of these services runs."""
    return _absent(world, services or [], networks or [])


def _absent(world: World, services: list[str], networks: list[str]) -> Finding:
    of_services = "docker ps --filter label=com.docker.swarm.service.name"
    containers = f"; {on_each(world.nodes, of_services)}" if services else ""

    def at() -> Seen:
        def ask(api: APIClient) -> tuple[list[str], list[str]]:
            listed_services = {one["Spec"]["Name"] for one in list_services(api)}
            listed_networks = {one["Name"] for one in api.networks()}
            return (
                [name for name in services if name in listed_services],
                [name for name in networks if name in listed_networks],
            )

        def left_running(node: str) -> list[str]:
            found = world.engine(node).api.containers(
                filters={"label": "com.docker.swarm.service.name"}
            )
            names = [one["Labels"]["com.docker.swarm.service.name"] for one in found]
            return [name for name in services if name in names]

        left_services, left_networks = from_swarm(world, ask)
        troubles = [say("service {name} is there", name=name) for name in left_services]
        troubles += [say("network {name} is there", name=name) for name in left_networks]
        if services and not left_services:
            for node, names in over(world.nodes, left_running).items():
                troubles += [
                    say("a container of {name} still runs on {node}", name=name, node=node)
                    for name in names
                ]
        return judge(troubles, say("not there: {services}", services=_things(services, networks)))

    return look(
        say("gone: {services}", services=_things(services, networks)),
        f"docker service ls; docker network ls{containers}",
        at,
    )


def _nodes(api: APIClient) -> list[dict[str, Any]]:
    return sorted(api.nodes(), key=_hostname)


def _networks(api: APIClient, name: str) -> list[dict[str, Any]]:
    # A worker lists only the networks that it needs itself; asked for nodes, it refuses.
    api.nodes()
    # The engine's filter matches parts of names: `go-demo` finds `go-demo-old` too.
    return [one for one in api.networks(names=[name]) if one["Name"] == name]


def _services(api: APIClient) -> frozenset[tuple[str, int, str]]:
    return frozenset(
        (one["Spec"]["Name"], one["Version"]["Index"], one["ID"]) for one in list_services(api)
    )


def _described(view: frozenset[tuple[str, int, str]]) -> str:
    if not view:
        return say("no services")
    names = listed(
        say("{name} (version {version})", name=name, version=version)
        for name, version, _ in sorted(view)
    )
    return f"{counted(len(view), 'service')}: {names}"


def _things(services: list[str], networks: list[str]) -> str:
    named = [say("service {name}", name=name) for name in services]
    named += [say("network {name}", name=name) for name in networks]
    return say(", ").join(named) or say("nothing named")


def _hostname(node: dict[str, Any]) -> str:
    return str(node["Description"]["Hostname"])


def _ready(node: dict[str, Any]) -> bool:
    return bool(node["Status"]["State"] == "ready")


def _availability(node: dict[str, Any]) -> str:
    return str(node["Spec"]["Availability"])


def _reachability(node: dict[str, Any]) -> str:
    """`leader`, `reachable`, `unreachable`, or `worker`."""
    status = node.get("ManagerStatus")
    if not status:
        return "worker"
    return "leader" if status.get("Leader") else str(status.get("Reachability", "unknown"))


def _labels(node: dict[str, Any], name: str) -> dict[str, str]:
    """The label's values by where it is: `engine`, `node`."""
    places = {
        "engine": (node["Description"].get("Engine") or {}).get("Labels") or {},
        "node": node["Spec"].get("Labels") or {},
    }
    return {place: labels[name] for place, labels in places.items() if name in labels}


def _counts(ready: int, leaders: int, reachable: int) -> str:
    return say(
        "{ready} ready and active, {leaders}, {reachable} reachable",
        ready=ready,
        leaders=counted(leaders, "leader"),
        reachable=reachable,
    )


def _unusual(view: list[dict[str, Any]], managers: Sequence[str]) -> str:
    """The nodes that are not ready and active, or not in the role that they are to have."""
    words = []
    for node in view:
        manages = _hostname(node) in managers
        standing = _reachability(node)
        states = [
            word
            for word, usual in (
                (str(node["Status"]["State"]), ("ready",)),
                (_availability(node), ("active",)),
                (standing, ("leader", "reachable", *([] if manages else ["worker"]))),
            )
            if word not in usual
        ]
        if not manages and standing != "worker":
            states.append(say("manager"))
        if states:
            words.append(
                say("{hostname} is {states}", hostname=_hostname(node), states=listed(states))
            )
    return f" ({say(', ').join(words)})" if words else ""
