"""A lab looked at again and again, whatever becomes of it meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab import engine as engines
from swarmlab import labels
from swarmlab.checks.web import Answer, get
from swarmlab.cluster import lifecycle, remains
from swarmlab.engine import Engine
from swarmlab.errors import EngineUnreachable, SwarmlabError
from swarmlab.handout.diagrams.look import Looker
from swarmlab.handout.diagrams.seen import PROXY, Topology
from swarmlab.process import redact
from swarmlab.providers.base import NodeState
from swarmlab.providers.problems import explained
from swarmlab.watching.counting import Traffic
from swarmlab.watching.eye import Eyes
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.cluster.cluster import Cluster
    from swarmlab.providers.base import Node

EVERY = 1.0
"""Seconds from the beginning of a look to that of the next."""
_PATIENCE = 2  # seconds for a call to a node's engine
_ENGINE_PATIENCE = 5  # and to the engine that the nodes run on


@dataclass(frozen=True)
class Probe:
    """One request of our own: the node it was sent to, the answer, the proxies that counted it.

    Several proxies are named when others asked at the same moment, so that it cannot be told
    which of them answered; none when no proxy counted a request.
    """

    node: str
    path: str
    answer: str
    instances: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sight:
    """What one look brought.

    `at` is a monotonic time in seconds. `topology` is None, and `trouble` says why, when there
    is nothing to draw. `stopped` has the nodes whose containers do not run, with what the engine
    says of them. `recent` are the last seconds' answers: instance, then service and status.
    """

    at: float
    topology: Topology | None
    trouble: str = ""
    stopped: Mapping[str, str] = field(default_factory=dict)
    recent: Mapping[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    probe: Probe | None = None


class Watcher:
    """Looks at the lab `name`; asks its port 80 for `path` once a look where one is given.

    Nodes may die, come back or be made anew, and the whole lab may go: each look begins by
    asking the engine what there is. To be used from one thread, and closed.
    """

    def __init__(self, name: str, path: str = "") -> None:
        self._name = name
        self._path = path
        self._engine: Engine | None = None
        self._known: tuple[object, ...] = ()
        self._cluster: Cluster | None = None
        self._looker: Looker | None = None
        self._eyes: Eyes | None = None
        self._traffic = Traffic()
        self._turn = 0

    def look(self) -> Sight:
        """The lab as it is now; what cannot be looked at is said, and nothing is raised."""
        stopped: dict[str, str] = {}
        try:
            nodes = self._nodes()
            stopped = {n.name: n.detail for n in nodes if n.state is not NodeState.RUNNING}
            if not nodes:
                self._let_go()
                gone = say("There is no lab {name!r} on this machine now.", name=self._name)
                return Sight(time.monotonic(), None, gone)
            before = self._looker
            looker = self._found(nodes)
            # Before the counters were looked at once it could not be seen who answers.
            answer = self._ask(stopped) if looker is before else None
            topology = looker.look()
        except SwarmlabError as error:
            if isinstance(error, EngineUnreachable):
                self.close()
            return Sight(time.monotonic(), None, error.message, stopped)
        except (DockerException, RequestException, OSError) as error:
            # Containers that went between two questions, say: the next look begins anew.
            self.close()
            what = redact(f"{type(error).__name__}: {error}".partition("\n")[0])[:200]
            return Sight(time.monotonic(), None, what, stopped)
        now = time.monotonic()
        rises = self._traffic.note(
            now,
            (
                (task.name, task.container, task.answered)
                for task in topology.proxies()
                if task.answered is not None
            ),
        )
        probe = None
        if answer is not None:
            words = answer.trouble or str(answer.status)
            counted = tuple(dict.fromkeys(rise.instance for rise in rises))
            probe = Probe(answer.node, self._path, words, counted)
        return Sight(now, topology, "", stopped, self._traffic.recent(), probe)

    def close(self) -> None:
        """Let go of all connections; may be called twice."""
        self._let_go()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.client.close()

    def _nodes(self) -> tuple[Node, ...]:
        if self._engine is None:
            self._engine = engines.connect(timeout=_ENGINE_PATIENCE)
        with explained(say("looking for the lab")):
            listed = self._engine.client.api.containers(all=True, filters=labels.of(self._name))
        return remains.elsewhere(self._engine, self._name, remains.read(listed)).info.nodes

    def _found(self, nodes: tuple[Node, ...]) -> Looker:
        """The looker at what there is; a new one when nodes came, went, stopped or started."""
        # What the engine says in words ("Up 3 seconds") changes all the time.
        known = tuple((n.name, n.address, n.state, tuple(sorted(n.ports.items()))) for n in nodes)
        if self._looker is None or known != self._known:
            self._let_go()
            self._cluster = lifecycle.find(self._name, patience=_PATIENCE)
            if self._cluster is None:
                raise SwarmlabError(say("The lab is going away."))
            self._eyes = Eyes(self._cluster, PROXY)
            still = {node.name for node in nodes if node.state is not NodeState.RUNNING}
            self._looker = Looker(self._cluster, self._eyes, still)
            self._known = known
        return self._looker

    def _ask(self, stopped: Mapping[str, str]) -> Answer | None:
        """One request of our own, to the nodes in turn."""
        if not self._path or self._cluster is None:
            return None
        living = [node for node in self._cluster.nodes if node not in stopped]
        self._turn += 1
        node = living[self._turn % len(living)] if living else ""
        return get(self._cluster, node, 80, self._path) if node else None

    def _let_go(self) -> None:
        if self._eyes is not None:
            self._eyes.close()
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = self._looker = self._eyes = None


class Lookout:
    """A watcher at work in a thread of its own, so that a node that hangs holds up no picture."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._ending = threading.Event()
        self._fresh = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lookout", daemon=True)
        self._latest: Sight | None = None
        self._broken: BaseException | None = None

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        # A look at a lab that hangs ends by itself a little later; nobody has to wait for it.
        self._thread.join(_PATIENCE)

    def latest(self, within: float) -> tuple[Sight | None, bool]:
        """The last sight, None before the first, and whether it is new; waits so many seconds.

        Raises what went wrong in the watcher itself.
        """
        fresh = self._fresh.wait(within)
        self._fresh.clear()
        if self._broken is not None:
            raise self._broken
        return self._latest, fresh

    def _work(self) -> None:
        try:
            while not self._ending.is_set():
                begun = time.monotonic()
                self._latest = self._watcher.look()
                self._fresh.set()
                self._ending.wait(max(0.0, EVERY - (time.monotonic() - begun)))
        except Exception as error:
            self._broken = error
            self._fresh.set()
        finally:
            self._watcher.close()
