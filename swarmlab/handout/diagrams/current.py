"""The live cluster as a diagram of the same kind as the drawn ones, and as plain text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from swarmlab.handout.diagrams.geometry import MARGIN, WIDTH
from swarmlab.handout.diagrams.layout import GUTTER, picture
from swarmlab.handout.diagrams.load import library
from swarmlab.handout.diagrams.model import Arrow, Diagram, Kind, Label, Part, Row, Way, same
from swarmlab.handout.diagrams.paint import paint
from swarmlab.handout.diagrams.seen import MANAGING, PROXY, Node, Task, Topology

SIDE_BY_SIDE = 3
"""Nodes in one row: more would be too narrow for a configuration's hash."""

Say = Callable[..., str]


def draw(topology: Topology, language: str = "en") -> str:
    """The cluster as an SVG element of the same style as the drawn diagrams."""
    return paint(picture(diagram(topology, language), library(), language))


def text(topology: Topology, language: str = "en") -> str:
    """The cluster in lines, for a terminal or a screen reader."""
    say = words_of(language)
    lines = [
        f"{say('live-title', name=topology.name)} ({say('live-seen', time=topology.seen)})",
    ]
    for node in topology.nodes:
        lines.append(f"{node.name}  {node.address}  {'; '.join(standing(node, say))}")
        if node.consul:
            lines.append("  " + "; ".join([consul_name(node, say), *consul_words(node, say)]))
        lines += ["  " + "; ".join([_name(t, say), *_task_words(t, say)]) for t in node.tasks]
        lines += ["  " + say("by-hand", name=other) for other in node.others]
        if not (node.consul or node.tasks or node.others) and node.answers:
            lines.append("  " + say("nothing"))
    if topology.published:
        lines.append(say("published", ports=_ports(topology)))
    return "\n".join([*lines, services(topology, say), quorum(topology, say)])


def diagram(topology: Topology, language: str) -> Diagram:
    """What is to be drawn; its words are in that language only."""
    say = words_of(language)
    letters = topology.letters()
    number = count(1)
    wide = 12 / min(SIDE_BY_SIDE, len(topology.nodes))
    parts = [
        _node(node, place % SIDE_BY_SIDE * wide, wide, letters, say, number)
        for place, node in enumerate(topology.nodes)
    ]
    first = 30 if topology.published else 12  # room for the arrows
    rows = [
        Row(tuple(parts[start : start + SIDE_BY_SIDE]), gap=12 if start else first)
        for start in range(0, len(parts), SIDE_BY_SIDE)
    ]
    above, arrows = _entrance(topology, parts, say)
    notes = [services(topology, say), quorum(topology, say), say("live-seen", time=topology.seen)]
    return Diagram(
        name="live",
        title=same(say("live-title", name=topology.name)),
        description=same(" ".join(text(topology, language).split("\n"))),
        rows=(*above, *rows),
        arrows=arrows,
        notes=tuple(map(same, notes)),
        marks={letter: same(say("mark-means", hash=one)) for one, letter in letters.items()},
    )


def _ports(topology: Topology) -> str:
    """`proxy 80 443 8080`, services side by side."""
    return ", ".join(f"{name} {' '.join(map(str, ports))}" for name, ports in topology.published)


def _entrance(
    topology: Topology, nodes: list[Part], say: Say
) -> tuple[tuple[Row, ...], tuple[Arrow, ...]]:
    """Where requests come in: the mesh above the nodes, when anything is published.

    Arrows to the nodes are left out where these need two rows: they would lead to half of them.
    """
    if not topology.published:
        return (), ()
    asking = same(say("live-requests", ports=_ports(topology)))
    mesh = Part(id="mesh", kind=Kind.NETWORK, label=same(say("live-mesh")))
    rows = (Row((Part(id="visitors", kind=Kind.PERSON, label=asking),), gap=8), Row((mesh,), 30))
    arrows = [Arrow(("visitors",), ("mesh",), Way.REQUEST)]
    if len(nodes) <= SIDE_BY_SIDE:
        twelfth = (WIDTH - 2 * MARGIN + GUTTER) / 12
        for node in nodes:
            middle = node.column * twelfth + (node.span * twelfth - GUTTER) / 2
            leave = middle / (12 * twelfth - GUTTER)
            arrows.append(Arrow(("mesh",), (node.id,), Way.REQUEST, leave=leave))
    return rows, tuple(arrows)


def words_of(language: str) -> Say:
    """How the words of the live diagram are said in that language."""
    words = library().words

    def say(word: str, /, **values: str) -> str:
        return words[word].says(language).format(**values)

    return say


def _node(
    node: Node, column: float, span: float, letters: dict[str, str], say: Say, number: count[int]
) -> Part:
    holds = [_part(number, Kind.MANAGER if _manages(node) else Kind.PLAIN, *standing(node, say))]
    if node.consul:
        kind = Kind.REGISTRY if node.consul.role == "server" else Kind.AGENT
        holds.append(_part(number, kind, consul_name(node, say), *consul_words(node, say)))
    for task in node.tasks:
        kind = Kind.PROXY if task.service == PROXY else Kind.SERVICE
        if not task.running:
            kind = Kind.PLAIN
        mark = letters.get(task.configuration or "", "")
        words = (_name(task, say), *_task_words(task, say))
        holds.append(_part(number, kind, *words, mark=mark))
    for other in node.others:
        holds.append(_part(number, Kind.CONTAINER, say("by-hand", name=other)))
    return Part(
        id=node.name,
        kind=Kind.NODE,
        label=same(node.name),
        lines=(same(node.address),) if node.address else (),
        column=column,
        span=span,
        holds=tuple(holds),
    )


def _part(number: count[int], kind: Kind, label: str, *lines: str, mark: str = "") -> Part:
    words: tuple[Label, ...] = tuple(map(same, lines))
    return Part(id=f"part-{next(number)}", kind=kind, label=same(label), lines=words, mark=mark)


def _manages(node: Node) -> bool:
    return node.role in MANAGING


def standing(node: Node, say: Say) -> list[str]:
    """What the node is in the swarm, and what is unusual with it."""
    words = [say(node.role)]
    if node.state not in ("", "ready"):
        words.append(say("state-is", state=node.state))
    if node.availability not in ("", "active"):
        words.append(say("availability-is", availability=node.availability))
    if not node.answers:
        words.append(say("no-answer"))
    return words


def consul_name(node: Node, say: Say) -> str:
    """What of Consul runs on the node; empty for none."""
    return say(f"consul-{node.consul.role}") if node.consul else ""


def consul_words(node: Node, say: Say) -> list[str]:
    """What is unusual with the node's Consul."""
    if node.consul is None:
        return []
    words = [] if node.consul.alive else [say("consul-failed")]
    return words + ([] if node.consul.answers else [say("consul-silent")])


def _name(task: Task, say: Say) -> str:
    return task.name if task.running else say("starting", name=task.name)


def _task_words(task: Task, say: Say) -> list[str]:
    """For a proxy that runs: its configuration's hash and routes."""
    if task.service != PROXY or not task.running:
        return []
    if task.configuration is None:
        return [say("no-configuration")]
    routes = say("routes", routes=", ".join(task.routes)) if task.routes else say("no-routes")
    return [say("configuration", hash=task.configuration), routes, *_answered(task, say)]


def _answered(task: Task, say: Say) -> list[str]:
    """How often the proxy answered what since it last read its configuration."""
    if task.answered is None:
        return []
    counts = ", ".join(
        f"{one.service or say('no-route')} {one.count} × {one.status}" for one in task.answered
    )
    return [say("answered", counts=counts) if counts else say("answered-none")]


def services(topology: Topology, say: Say) -> str:
    """How many tasks run of those wanted, or why that is not known."""
    if not topology.swarm:
        return say("no-swarm")
    if not topology.services:
        return say("no-services")
    counts = ", ".join(f"{name} {runs}/{wanted}" for name, runs, wanted in topology.services)
    return say("services", services=counts)


def quorum(topology: Topology, say: Say) -> str:
    """How many managers there are, must agree, may be lost, and can be reached now."""
    found = topology.quorum()
    return say(
        "quorum" if found.holds else "quorum-lost",
        managers=str(found.managers),
        needed=str(found.needed),
        spare=str(found.may_lose),
        reachable=str(found.reachable),
    )
