"""What all checks share: turning a look into a finding, and looking at several places at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from swarmlab.checks.base import Finding, World
from swarmlab.errors import EnvironmentProblem
from swarmlab.words import MAIN, language, later, remember, say

K = TypeVar("K")
T = TypeVar("T")

# What checks count; English has a plural for them.
_NOUNS = frozenset(
    (
        later("A record"),
        later("container"),
        later("instance"),
        later("leader"),
        later("manager"),
        later("member"),
        later("network"),
        later("node"),
        later("file"),
        later("student"),
        later("package"),
        later("check"),
        later("record"),
        later("request"),
        later("running container"),
        later("server"),
        later("service"),
        later("task"),
        later("volume"),
    )
)

AT_ONCE = 8
"""Looks that run side by side: enough to hide waiting, few enough for a small machine."""


class Unfit(Exception):
    """What was looked at is so far from what is expected that the look ends here.

    The text is what was seen; it becomes the `actual` of a failed finding. What cannot be looked
    at is any other exception, and not the student's.
    """


@dataclass(frozen=True)
class Seen:
    """The outcome of one look: whether it is as it should be, and what was seen, in words.

    `source` is the command that shows it, where another than the check's usual one does.
    """

    passed: bool
    actual: str
    source: str = ""


def judge(troubles: Sequence[str], fine: str, source: str = "") -> Seen:
    """Passed with the words `fine` when there are no troubles; otherwise the troubles.

    `source` is what shows the troubles, where the check's usual command does not.
    """
    return Seen(not troubles, say("; ").join(troubles) or fine, source if troubles else "")


def look(expected: str, source: str, at: Callable[[], Seen]) -> Finding:
    """Look once and make a finding of what was seen; `Unfit` is a failed one.

    `source` is a command that shows all that the check looks at, as far as one can.
    """
    try:
        seen = at()
    except Unfit as found:
        seen = Seen(False, str(found))
    return Finding(seen.passed, expected, seen.actual, seen.source or source)


def over(items: Iterable[K], at: Callable[[K], T]) -> dict[K, T]:
    """`at` for every item, side by side, in the items' order; raises the first error.

    All looks end before an error is raised: nothing is left running behind a check.
    """
    keys = list(items)
    if not keys:
        return {}
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(keys))) as pool:
        return dict(zip(keys, pool.map(at, keys), strict=True))


def chosen(world: World, nodes: Sequence[str]) -> tuple[str, ...]:
    """The nodes a check asks: those named, or all. Raises EnvironmentProblem for a stranger."""
    strangers = [node for node in nodes if node not in world.nodes]
    if strangers:
        raise EnvironmentProblem(
            say(
                "The check asks {strangers}, but the lab {lab} has only {nodes}.",
                strangers=listed(strangers),
                lab=world.name,
                nodes=listed(world.nodes),
            ),
            hint=say(
                "`swarmlab down`, then `swarmlab up --managers N --workers N` makes one with as"
                " many nodes as the step needs."
            ),
        )
    return tuple(nodes) or world.nodes


def from_each(nodes: Sequence[str], command: str) -> str:
    """A line that a student can type to ask each of those nodes; the command calls it `$n`."""
    if len(nodes) == 1:
        return command.replace("$n", nodes[0])
    return f'for n in {" ".join(nodes)}; do echo "== $n"; {command}; done'


def on_each(nodes: Sequence[str], command: str) -> str:
    """A line that a student can type to run a docker command against those nodes' engines."""
    # In parentheses, so that the shell stays pointed at the node it was pointed at.
    return f'(for n in {" ".join(nodes)}; do eval "$(docker-machine env $n)"; {command}; done)'


def counted(number: int, noun: str) -> str:
    """`1 node`, `3 nodes`, `2 replies`."""
    if number == 1:
        english = f"1 {noun}"
    else:
        english = f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
    if noun not in _NOUNS or language() == MAIN:
        return english
    said = say("{number} {noun}", number=number, noun=say(noun))
    # The English has a plural, which the message has no word for.
    remember(said, english)
    return said


def listed(words: Iterable[object]) -> str:
    """`a`, `a and b`, `a, b and c`; `none` for nothing."""
    texts = [str(word) for word in words]
    if len(texts) < 2:
        return texts[0] if texts else say("none")
    head = texts[0]
    for text in texts[1:-1]:
        head = say("{head}, {next}", head=head, next=text)
    return say("{head} and {last}", head=head, last=texts[-1])


def by_node(texts: Mapping[str, str]) -> list[str]:
    """`swarm-1 and swarm-3: connection refused`: what was seen, told once for all that share it."""
    nodes: dict[str, list[str]] = {}
    for node, text in texts.items():
        nodes.setdefault(text, []).append(node)
    return [f"{listed(names)}{say(': ')}{text}" for text, names in nodes.items()]


def shown(text: str, limit: int = 60) -> str:
    """The text in quotes, escaped and cut, so that a finding stays one readable line."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return repr(cut)
