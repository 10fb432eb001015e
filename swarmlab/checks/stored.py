"""Checks of what the proxy keeps in Consul: the keys of its services, and the index of them."""

from __future__ import annotations

from swarmlab.checks import haproxy, proxies
from swarmlab.checks.base import Finding, World
from swarmlab.checks.consul import PORT, decoded, kv, text, told, told_by
from swarmlab.checks.kinds import Nodes, Path, Port, Word
from swarmlab.checks.looking import (
    Seen,
    Unfit,
    by_node,
    chosen,
    from_each,
    judge,
    listed,
    look,
    over,
)
from swarmlab.checks.tasks import of_service
from swarmlab.checks.web import get_each
from swarmlab.words import later, say

_INDEX = "docker-flow/service/"
# The keys of the proxy with their values, as jq prints them.
_VALUES = '.[] | .Key + " " + (.Value // "" | @base64d)'
# The lines of a configuration that make a route.
_ROUTES = "grep -E 'path_beg|use_backend|^backend|server '"


def proxy_keys(
    world: World, *, service: Word, path: Path, port: Port, nodes: Nodes | None = None
) -> Finding:
    """At every node the proxy's keys hold the service's path and port, and the index has it."""
    asked = chosen(world, nodes or [])
    words = later("path {path}, port {port} and an index entry for {service}")
    expected = say(words, path=path, port=port, service=service)

    def at() -> Seen:
        troubles = {}
        for node, stored in over(asked, lambda node: _stored(world, node, service)).items():
            differing = [
                f"{what} {text(stored[what])}"
                for what, wanted in (("path", path), ("port", str(port)))
                if stored[what] != wanted.encode()
            ]
            differing += [] if stored["index"] is not None else [say("no index entry")]
            if differing:
                troubles[node] = listed(differing)
        fine = say("{expected}, at {nodes}", expected=expected, nodes=listed(asked))
        return judge(by_node(troubles), fine)

    return look(
        say("Consul holds {expected}, at {nodes}", expected=expected, nodes=listed(asked)),
        from_each(asked, told_by("/v1/kv/docker-flow?recurse", _VALUES)),
        at,
    )


def matches_proxies(world: World, *, service: Word, proxy: Word = "proxy") -> Finding:
    """What Consul holds of the service's route is what each instance of the proxy serves."""

    def at() -> Seen:
        stored = _stored(world, world.nodes[0], service)
        for what in ("path", "port", "index"):
            if stored[what] is None:
                raise Unfit(say("Consul holds no {what} of {service}", what=what, service=service))
        wanted = haproxy.Route(
            service,
            tuple((stored["path"] or b"").decode(errors="replace").split(",")),
            (stored["port"] or b"").decode(errors="replace"),
        )
        configurations = proxies.read_all(world, proxy)
        troubles = []
        for instance, configuration in configurations.items():
            route = haproxy.route(configuration, service)
            if route != wanted:
                serves = route or say("no such route")
                troubles.append(say("{name} serves {route}", name=instance.name, route=serves))
        names = listed(one.name for one in configurations)
        return judge(
            [say("Consul: {wanted}", wanted=wanted), *troubles] if troubles else [],
            say("{wanted} in Consul and in {names}", wanted=wanted, names=names),
        )

    return look(
        say("Consul's keys of {service} are what {proxy} serves", service=service, proxy=proxy),
        from_each(world.nodes[:1], told_by("/v1/kv/docker-flow?recurse", _VALUES))
        + f"; {proxies.in_each(world, of_service(proxy), _ROUTES)}",
        at,
    )


def _stored(world: World, node: str, service: str) -> dict[str, bytes | None]:
    """What Consul at the node holds of a service: `path`, `port`, `index`; None: no such key."""
    names = {
        "path": f"docker-flow/{service}/path",
        "port": f"docker-flow/{service}/port",
        "index": f"{_INDEX}{service}",
    }

    def ask(what: str) -> bytes | None:
        answer = get_each(world, [node], PORT, f"{kv(names[what])}?raw")[node]
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Unfit(f"{node}{say(': ')}{told(answer)}")
        return answer.body

    return over(names, ask)


def index(world: World, *, services: list[str], nodes: Nodes | None = None) -> Finding:
    """At every node the proxy's index names exactly these services.

    A new instance of the proxy serves all that the index names, and nothing else.
    """
    asked = chosen(world, nodes or [])

    def at() -> Seen:
        troubles = {}
        for node, answer in get_each(world, asked, PORT, f"{kv(_INDEX)}?keys").items():
            found = [] if answer.status == 404 else decoded(answer)
            if not isinstance(found, list):
                troubles[node] = told(answer)
                continue
            names = sorted(str(key).removeprefix(_INDEX) for key in found)
            if names != sorted(services):
                troubles[node] = say("the index names {names}", names=listed(names))
        fine = say("the index names {names}", names=listed(sorted(services)))
        return judge(by_node(troubles), fine)

    return look(
        say("the proxy's index in Consul names {names}", names=listed(sorted(services))),
        from_each(asked, f'curl -sSi "$n:{PORT}/v1/kv/{_INDEX}?keys"; echo'),
        at,
    )
