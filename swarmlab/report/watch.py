"""The picture that `status --watch` draws again and again, and how it gets onto the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from swarmlab import words
from swarmlab.checks.looking import listed
from swarmlab.console import out
from swarmlab.handout.diagrams import current
from swarmlab.naming import named
from swarmlab.watching.counting import WINDOW
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.handout.diagrams.seen import Node, Task, Topology
    from swarmlab.watching.watcher import Lookout, Probe, Sight

TICK = 0.25
"""Seconds after which a terminal that changed its size is drawn anew."""
DRAWN = 0.9
"""Seconds after which the picture is drawn again although nothing new was seen."""
OLD = 2.5
"""Seconds after which the picture says how old it is."""


def follow(lookout: Lookout) -> NoReturn:
    """Show what is seen until Ctrl-C, which is raised: drawn in place on a terminal, else one
    plain picture for each change.
    """
    console = out()
    if not console.is_terminal or console.is_dumb_terminal:
        _lines(console, lookout)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        drawn, size = 0.0, os.terminal_size((0, 0))
        while True:
            sight, fresh = lookout.latest(TICK)
            now = time.monotonic()
            room = shutil.get_terminal_size()
            if fresh or room != size or now - drawn >= DRAWN:
                drawn, size = now, room
                shown = fitted(sight, now, room.columns, room.lines)
                live.update(Group(*shown), refresh=True)


def _lines(console: Console, lookout: Lookout) -> NoReturn:
    """One picture for each change, in whole lines, and a line for each request of our own.

    Numbers of requests alone are no change.
    """
    before = ""
    while True:
        sight, fresh = lookout.latest(TICK)
        if sight is None or not fresh:
            continue
        still = "\n".join(line.plain for line in _body(sight, whole=True, counts=False))
        if still != before:
            before = still
            for line in picture(sight, sight.at, whole=True):
                console.print(line, soft_wrap=True)
            console.print()
        elif sight.probe is not None:
            console.print(Text(_way(sight.probe)), soft_wrap=True)
        sys.stdout.flush()


def fitted(sight: Sight | None, now: float, columns: int, rows: int) -> list[Text]:
    """The picture in the room that there is: whole, else brief, else cut, which is said."""
    console = Console(width=columns, color_system=None)
    foot = Text(say("Ctrl-C ends."), style="dim")
    if sight is None:
        return [Text(say("Looking at the lab")), foot]
    lines: list[Text] = []
    for whole in (True, False):
        # The last column stays free: some terminals break a line that fills it.
        lines = [
            part
            for line in picture(sight, now, whole=whole)
            for part in line.wrap(console, max(20, columns - 1))
        ]
        if len(lines) < rows:
            return [*lines, foot]
    left = max(1, rows - 2)
    more = say("... {count} lines more: make the window higher", count=len(lines) - left)
    last = Text(more, style="dim")
    last.truncate(columns - 1)
    return [*lines[:left], last]


def picture(sight: Sight, now: float, *, whole: bool) -> list[Text]:
    """All there is to say of one look; `now` is the monotonic time. Brief when not `whole`."""
    return [_head(sight, now), *_body(sight, whole=whole, counts=True)]


def _head(sight: Sight, now: float) -> Text:
    age = now - sight.at
    seen = sight.topology.seen.split()[1] if sight.topology else time.strftime("%H:%M:%S")
    if age >= OLD:
        return Text(say("Seen {seconds:.0f} s ago: the lab is slow", seconds=age), style="yellow")
    return Text(say("Seen at {time}", time=seen), style="dim")


def _body(sight: Sight, *, whole: bool, counts: bool) -> list[Text]:
    topology = sight.topology
    if topology is None:
        return [
            Text(named(sight.trouble), style="bold red"),
            # Since when is a text that changes with every look.
            *(_stopped(node, detail if counts else "") for node, detail in sight.stopped.items()),
            Text(named(say("`swarmlab up` brings it up; this goes on looking."))),
        ]
    tell = current.words_of(words.language())
    letters = topology.letters()
    answering = sum(node.answers for node in topology.nodes)
    all_answer = answering == len(topology.nodes)
    lines = [
        Text.assemble(
            (say("Lab {name}", name=topology.name), "bold"),
            "  ",
            (
                say("{count} of {all} nodes answer", count=answering, all=len(topology.nodes)),
                "" if all_answer else "bold red",
            ),
        ),
        Text(current.services(topology, tell)),
        _quorum(topology, tell),
        _agreement(topology, letters),
    ]
    for node in topology.nodes:
        lines += _node(node, sight, letters, whole=whole, counts=counts)
    if counts:
        lines += _requests(sight)
    return lines


def _stopped(node: str, detail: str) -> Text:
    return Text(say("{node} does not run: {detail}", node=node, detail=detail), style="red")


def _quorum(topology: Topology, tell: current.Say) -> Text:
    style = "" if topology.quorum().holds else "bold red"
    return Text(current.quorum(topology, tell), style=style)


def _agreement(topology: Topology, letters: Mapping[str, str]) -> Text:
    """Whether all proxies hold the same configuration, and who differs."""
    proxies = topology.proxies()
    read = [task for task in proxies if task.configuration]
    unread = [task.name for task in proxies if not task.configuration]
    if not proxies:
        return Text(say("No proxy runs."))
    if len(letters) == 1 and not unread:
        only = next(iter(letters))
        words_ = say("All {count} proxies agree: configuration {hash}", count=len(read), hash=only)
        return Text(words_, style="green")
    parts = []
    for one, letter in letters.items():
        having = listed(task.name for task in read if task.configuration == one)
        parts.append(f"{letter} {one}{say(': ')}{having}")
    if unread:
        parts.append(say("not read: {names}", names=listed(unread)))
    style = "bold red" if len(letters) > 1 else "yellow"
    head = say("The proxies do NOT agree: ") if len(letters) > 1 else ""
    return Text(head + say("; ").join(parts), style=style)


def _node(
    node: Node, sight: Sight, letters: Mapping[str, str], *, whole: bool, counts: bool
) -> list[Text]:
    tell = current.words_of(words.language())
    standing = current.standing(node, tell)
    if node.consul:
        standing.append(say(": ").join(filter(None, _consul(node, tell))))
    if node.name in sight.stopped:
        # Since when is a text that changes with every look.
        detail = sight.stopped[node.name] if counts else ""
        return [
            Text(f"{node.name}  {node.address}", style="bold"),
            *([_stopped(node.name, detail)] if detail else []),
        ]
    lines = [
        Text.assemble(
            (f"{node.name}  {node.address}", "bold"),
            "  ",
            (say("; ").join(standing), "" if node.answers else "bold red"),
        )
    ]
    proxies = [task for task in node.tasks if task.configuration]
    rest = [
        task.name if task.running else tell("starting", name=task.name)
        for task in node.tasks
        if task not in proxies
    ]
    rest += [tell("by-hand", name=other) for other in node.others]
    if whole:
        lines += [_proxy(task, sight, letters, counts=counts) for task in proxies]
    else:
        rest = [f"{one.name} {letters[one.configuration or '']}" for one in proxies] + rest
    if rest:
        lines.append(Text("  " + say(", ").join(rest)))
    return lines


def _consul(node: Node, tell: current.Say) -> list[str]:
    return [current.consul_name(node, tell), say(", ").join(current.consul_words(node, tell))]


def _proxy(task: Task, sight: Sight, letters: Mapping[str, str], *, counts: bool) -> Text:
    letter = letters[task.configuration or ""]
    line = Text.assemble(f"  {task.name}  ", (letter, "bold"), f" {task.configuration}")
    recent = sight.recent.get(task.name)
    if counts and recent:
        line.append(f"  {_tally(recent)}", style="cyan")
    return line


def _tally(counts: Mapping[tuple[str, str], int]) -> str:
    """`go-demo 12 × 2xx, no route 6 × 5xx`."""
    tell = current.words_of(words.language())
    parts = (
        f"{service or tell('no-route')} {count} × {status}"
        for (service, status), count in sorted(counts.items())
    )
    return say(", ").join(parts)


def _requests(sight: Sight) -> list[Text]:
    """What came in lately, over all proxies, and the way that a request of our own took."""
    total: Counter[tuple[str, str]] = Counter()
    for counts in sight.recent.values():
        total.update(counts)
    tally = _tally(total) or say("none")
    lines = [
        Text(say("Answered in the last {seconds:.0f} s: {tally}", seconds=WINDOW, tally=tally))
    ]
    if sight.probe is not None:
        lines.append(Text(_way(sight.probe)))
    return lines


def _way(probe: Probe) -> str:
    if not probe.instances:
        via = say("no proxy counted it")
    elif len(probe.instances) == 1:
        via = probe.instances[0]
    else:
        via = say("one of {names}", names=listed(probe.instances))
    return say(
        "Own request for {path}: {node} -> {via} -> {answer}",
        path=probe.path,
        node=probe.node,
        via=via,
        answer=probe.answer,
    )
