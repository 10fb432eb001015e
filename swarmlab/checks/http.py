"""Checks of what answers over HTTP: through the routing mesh, and inside the networks."""

from __future__ import annotations

import math
import shlex

from swarmlab.checks import inside
from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import (
    Fraction,
    Nodes,
    Path,
    Port,
    Ports,
    Share,
    Some,
    Status,
    Url,
    Word,
    Words,
)
from swarmlab.checks.looking import (
    Seen,
    by_node,
    chosen,
    from_each,
    judge,
    listed,
    look,
    over,
    shown,
)
from swarmlab.checks.tasks import beside, running
from swarmlab.checks.web import Answer, get_each, get_many, tally, tally_by_node
from swarmlab.words import say


def answers(
    world: World,
    *,
    path: Path,
    port: Port = 80,
    status: Status = 200,
    body: str | None = None,
    nodes: Nodes | None = None,
) -> Finding:
    """Every node answers so on the port; bodies are compared without white space at the end."""
    asked = chosen(world, nodes or [])

    def at() -> Seen:
        found = get_each(world, asked, port, path)
        wrong = {node: str(one) for node, one in found.items() if not fits(one, status, body)}
        return judge(
            by_node(wrong),
            say("{status} from {asked}", status=_answer(status, body), asked=listed(asked)),
        )

    return look(
        say(
            "{status} for {path} on port {port} of {asked}",
            status=_answer(status, body),
            path=path,
            port=port,
            asked=listed(asked),
        ),
        from_each(asked, f"curl -sSi {_of_node(port, path)}"),
        at,
    )


def ports_open(world: World, *, ports: Ports) -> Finding:
    """Every port of every node answers HTTP, with whatever status.

    An accepted connection alone proves nothing: engines hold published ports open themselves.
    """

    def at() -> Seen:
        found = over(ports, lambda port: get_each(world, world.nodes, port, "/"))
        wrong = {
            f"{node}:{port}": answer.trouble
            for port, answers in found.items()
            for node, answer in answers.items()
            if answer.trouble
        }
        return judge(
            by_node(wrong),
            say("ports {ports} answer on {nodes}", ports=listed(ports), nodes=listed(world.nodes)),
        )

    return look(
        say("ports {ports} answer on {nodes}", ports=listed(ports), nodes=listed(world.nodes)),
        from_each(
            world.nodes,
            f"for p in {' '.join(map(str, ports))}; do"
            f' curl -sS -o /dev/null -w "$p %{{http_code}}\\n" $n:$p/; done',
        ),
        at,
    )


def split(
    world: World,
    *,
    path: Path,
    requests: Some = 60,
    good: Status = 200,
    bad: Status = 503,
    share: Share,
    tolerance: Fraction = 0.1,
    port: Port = 80,
) -> Finding:
    """Of many new connections a share, `[1, 3]` for one in three, is `good`, the rest `bad`.

    `tolerance` is how far the fraction of good ones may be off. The mesh gives connections out
    in turn on each node, so the fraction is off by less than one request a node: where there are
    many nodes, more requests are made. Any other answer fails the check.
    """
    if tolerance > 0:
        requests = max(requests, math.ceil(len(world.nodes) / tolerance))
    part, whole = share
    wanted = part / whole
    about = f"{round(requests * wanted)} × {good}, {requests - round(requests * wanted)} × {bad}"

    def at() -> Seen:
        found = get_many(world, port, path, requests)
        got = sum(1 for answer in found if answer.status == good)
        others = [answer for answer in found if answer.status not in (good, bad)]
        right = (
            not others
            and len(found) == requests
            and 0 < got < requests
            and abs(got / requests - wanted) <= tolerance
        )
        return Seen(right, tally_by_node(found, world.nodes))

    return look(
        say(
            "about {about} (one in {whole:.3g}, ±{tolerance:.0%}) in {requests} requests for"
            " {path}, over {nodes}",
            about=about,
            whole=whole / part,
            tolerance=tolerance,
            requests=requests,
            path=path,
            nodes=listed(world.nodes),
        ),
        asking(world, port, path, requests),
        at,
    )


def all(
    world: World,
    *,
    path: Path,
    requests: Some = 60,
    status: Status = 200,
    body: str | None = None,
    port: Port = 80,
) -> Finding:
    """Every one of many new connections, spread over the nodes, is answered so."""

    def at() -> Seen:
        found = get_many(world, port, path, requests)
        wrong = [answer for answer in found if not fits(answer, status, body)]
        seen = tally_by_node(found, world.nodes)
        if wrong:
            seen += say("; for example {node}: {wrong}", node=wrong[0].node, wrong=wrong[0])
        return Seen(not wrong and len(found) == requests, seen)

    return look(
        say(
            "{status} for each of {requests} requests for {path}, over {nodes}",
            status=_answer(status, body),
            requests=requests,
            path=path,
            nodes=listed(world.nodes),
        ),
        asking(world, port, path, requests),
        at,
    )


def within(
    world: World, *, service: Word, url: Url, status: Status = 200, body: str | None = None
) -> Finding:
    """The URL answers so, asked from a running container of the service (`http.inside`)."""

    def at() -> Seen:
        one = running(world, service)[0]
        code, text = inside.get(world, one, url)
        answer = Answer(one.node, code, text.encode())
        return Seen(
            fits(answer, status, body), say("{place} gets {answer}", place=one.place, answer=answer)
        )

    return look(
        say(
            "{status} for {url}, asked from a container of {service}",
            status=_answer(status, body),
            url=url,
            service=service,
        ),
        _within(world, service, url),
        at,
    )


def database(world: World, *, service: Word, url: Url, contains: Words) -> Finding:
    """Asked from the service's container, the URL lists each name on a line of its own, once."""

    def at() -> Seen:
        one = running(world, service)[0]
        code, text = inside.get(world, one, url)
        lines = [line.strip() for line in text.splitlines()]
        wrong = [name for name in contains if lines.count(name) != 1]
        names = listed(shown(line) for line in lines if line)
        seen = say("{place} gets {code}, names: {names}", place=one.place, code=code, names=names)
        return Seen(code == 200 and not wrong, seen)

    return look(
        say(
            "{url} lists {contains}, each once, asked from a container of {service}",
            url=url,
            contains=listed(contains),
            service=service,
        ),
        _within(world, service, url),
        at,
    )


def unreachable(
    world: World,
    *,
    path: Path,
    port: Port = 80,
    status: Status = 503,
    nodes: Nodes | None = None,
) -> Finding:
    """No node serves the path: each refuses the connection or answers `status`."""
    asked = chosen(world, nodes or [])

    def at() -> Seen:
        found = get_each(world, asked, port, path)
        wrong = {
            node: str(answer)
            for node, answer in found.items()
            if not answer.refused and answer.status != status
        }
        return judge(
            by_node(wrong),
            say("{values} from {asked}", values=tally(found.values()), asked=listed(asked)),
        )

    return look(
        say(
            "{status} or a refused connection for {path} on port {port} of {asked}",
            status=status,
            path=path,
            port=port,
            asked=listed(asked),
        ),
        from_each(asked, f"curl -sSi {_of_node(port, path)}"),
        at,
    )


def fits(answer: Answer, status: int, body: str | None) -> bool:
    """Whether an answer came, with that status and (if one is given) that body."""
    return answer.status == status and (body is None or answer.text == body.rstrip())


def _answer(status: int, body: str | None) -> str:
    return f"{status} {shown(body)}" if body is not None else str(status)


def _suffix(port: int) -> str:
    return "" if port == 80 else f":{port}"


def _of_node(port: int, path: str) -> str:
    """The address at the node `$n`, as a shell takes it: a path may hold what means more there."""
    rest = f"{_suffix(port)}{path}"
    quoted = shlex.quote(rest)
    return f'"$n{rest}"' if quoted == rest else f'"$n"{quoted}'


def asking(world: World, port: int, path: str, requests: int, pause: str = "") -> str:
    """A line that asks all nodes in turn, and counts who was answered what, body and status."""
    ask = f'echo $n $(curl -sS -w " %{{http_code}}" {_of_node(port, path)} 2>&1){pause}'
    return (
        f"for i in $(seq {math.ceil(requests / len(world.nodes))}); do"
        f" for n in {' '.join(world.nodes)}; do {ask}; done; done | sort | uniq -c"
    )


def _within(world: World, service: str, url: str) -> str:
    """How a student asks from a container's network: with a container of their own in it."""
    inside = f"docker run --rm --network container:$c {world.image('util')}"
    return beside(service, f"{inside} curl -sSi {shlex.quote(url)}")
