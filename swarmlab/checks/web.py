"""HTTP as the checks ask it: a new connection for each request, three seconds, no retry."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Event

from swarmlab.checks.base import World
from swarmlab.checks.looking import counted, listed, over, shown
from swarmlab.checks.lost import unanswered
from swarmlab.errors import EnvironmentProblem, SwarmlabError
from swarmlab.wait import patient
from swarmlab.words import later, say

TIME_LIMIT = 3.0  # seconds for each wait of a request
_LARGEST_BODY = 1 << 20  # bytes
_GIVE_UP_AFTER = 3  # requests without an answer; all of them would take minutes
_WORDS = {
    ConnectionRefusedError: later("connection refused"),
    TimeoutError: later("no answer within {seconds:.0f} s"),
    http.client.RemoteDisconnected: later("connection closed without an answer"),
    ConnectionResetError: later("connection reset"),
}


@dataclass(frozen=True)
class Answer:
    """What one request to a node brought: an HTTP answer, or the trouble in words.

    `status` is 0 and `trouble` is not empty when no answer came; `refused` when that is so
    because nothing listens on the node's port.
    """

    node: str
    status: int = 0
    body: bytes = b""
    trouble: str = ""
    refused: bool = False

    @property
    def text(self) -> str:
        """The body as text, without the white space at its end."""
        return self.body.decode(errors="replace").rstrip()

    def __str__(self) -> str:
        return self.trouble or f"{self.status} {shown(self.text)}"


def get(world: World, node: str, port: int, path: str) -> Answer:
    """One GET on a new connection. Never raises for what the network does."""
    host, number = world.endpoint(node, port)
    connection = http.client.HTTPConnection(host, number, timeout=patient(TIME_LIMIT))
    name = node if port == 80 else f"{node}:{port}"
    # A published port is listened on by the engine: it takes every connection, and hangs up
    # when nothing listens on the node's own port.
    refusals: tuple[type[OSError], ...] = (ConnectionRefusedError,)
    if host != world.address(node):
        refusals += (ConnectionResetError, BrokenPipeError)
    begun = False
    try:
        connection.request("GET", path, headers={"Host": name, "Connection": "close"})
        answer = connection.getresponse()
        begun = True
        return Answer(node, answer.status, answer.read(_LARGEST_BODY))
    except (OSError, http.client.HTTPException) as error:
        known = _WORDS.get(type(error))
        words = f"{type(error).__name__}: {error}"
        if known is not None:
            words = say(known, seconds=patient(TIME_LIMIT))
        return Answer(node, trouble=words, refused=isinstance(error, refusals) and not begun)
    finally:
        connection.close()


def get_each(world: World, nodes: Sequence[str], port: int, path: str) -> dict[str, Answer]:
    """The answer of each node, side by side. Raises EnvironmentProblem for a lost node."""
    _running(world, nodes)
    answers = over(nodes, lambda node: get(world, node, port, path))
    vouch(world, answers.values())
    return answers


def get_many(world: World, port: int, path: str, requests: int) -> list[Answer]:
    """That many requests over all nodes in turn; stops early when several bring no answer.

    Raises EnvironmentProblem for a lost node.
    """
    _running(world, world.nodes)
    hopeless = Event()
    troubled: list[Answer] = []

    def ask(number: int) -> Answer | None:
        if hopeless.is_set():
            return None
        answer = get(world, world.nodes[number % len(world.nodes)], port, path)
        if answer.trouble:
            troubled.append(answer)
            if len(troubled) >= _GIVE_UP_AFTER:
                hopeless.set()
        return answer

    # Those that would take the place of the first to fail would be waited for as well.
    first = min(requests, _GIVE_UP_AFTER)
    told = [*over(range(first), ask).values(), *over(range(first, requests), ask).values()]
    answers = [answer for answer in told if answer is not None]
    vouch(world, answers)
    return answers


def _running(world: World, nodes: Iterable[str]) -> None:
    """Raises EnvironmentProblem for a node that is known not to run: nobody waits for it."""
    for node in nodes:
        world.engine(node)


def vouch(world: World, answers: Iterable[Answer]) -> None:
    """Make sure that nodes which gave no answer are there themselves.

    A refused port is the student's finding only when the node behind it lives; when the node's
    engine does not answer either, nothing can be said, and EnvironmentProblem is raised.
    """

    def reach(node: str) -> None:
        error = unanswered(world, node)
        if isinstance(error, SwarmlabError):
            raise error
        if error is not None:
            raise EnvironmentProblem(
                say(
                    "{node} does not answer, nor does its engine ({error}), so nothing can be said"
                    " about it.",
                    node=node,
                    error=type(error).__name__,
                ),
                hint=say("See `swarmlab status`; `swarmlab up` mends what is broken."),
            ) from error

    over(dict.fromkeys(answer.node for answer in answers if answer.trouble), reach)


def tally(answers: Iterable[Answer]) -> str:
    """`40 × 200, 20 × 503, 1 × connection refused`."""
    counts = Counter(answer.trouble or str(answer.status) for answer in answers)
    return say(", ").join(f"{count} × {what}" for what, count in sorted(counts.items())) or say(
        "no answers"
    )


def tally_by_node(answers: Iterable[Answer], nodes: Sequence[str]) -> str:
    """The tally, and how many answers came over each node."""
    kept = list(answers)
    shares = Counter(answer.node for answer in kept)
    over_nodes = listed(f"{node} {shares[node]}" for node in nodes)
    return say(
        "{tally} in {requests} ({nodes})",
        tally=tally(kept),
        requests=counted(len(kept), "request"),
        nodes=over_nodes,
    )
