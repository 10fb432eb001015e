"""A lab made from nothing: network, certificates, nodes, workstation, swarm.

Everything that can goes on side by side: each node runs its own chain (made, certificates put
in, started, waited for, joined) and meets the others only where it must.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster import access, keys, swarm, workstation
from swarmlab.cluster.crew import Crew
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem
from swarmlab.progress import Progress, Stage
from swarmlab.providers import subnets
from swarmlab.providers.base import Node, NodeState, Reach
from swarmlab.providers.dind import Dind
from swarmlab.wait import Observation, until

_BOOT_SECONDS = 120.0
_CALL_SECONDS = 60
_PING_SECONDS = 5
_LOOKS_BETWEEN_STATES = 20


class Images:
    """What the containers are made from: references on the host's engine, found when needed."""

    def __init__(self, find: Callable[[], tuple[str, str]]) -> None:
        """`find` has the images built if need be, and returns the node's and the workstation's."""
        self._find = find
        self._guard = threading.Lock()
        self._found: tuple[str, str] | None = None

    def node(self) -> str:
        return self._both()[0]

    def workstation(self) -> str:
        return self._both()[1]

    def _both(self) -> tuple[str, str]:
        with self._guard:
            if self._found is None:
                self._found = self._find()
            return self._found


class Site:
    """One lab's place on the engine, and the work that is done there.

    `addresses` maps the nodes' names to their addresses; `certs` is there once the keys are.
    """

    def __init__(
        self, name: str, engine: Engine, provider: Dind, images: Images, names: Sequence[str]
    ) -> None:
        self.name = name
        self.engine = engine
        self.provider = provider
        self.images = images
        self.names = tuple(names)
        self.addresses = {node: provider.address(node) for node in names}
        self._told: set[str] = set()
        self._guard = threading.Lock()

    def make_keys(self) -> keys.Keys:
        """New certificates, the client's part of them written to this machine."""
        from swarmlab.cluster import tls

        made = tls.make_set(self.name, self.addresses)
        result = keys.Keys(
            ca=made.authority.certificate,
            client=keys.Pair(made.client.certificate, made.client.key),
            nodes={
                node: keys.Pair(pair.certificate, pair.key) for node, pair in made.servers.items()
            },
        )
        keys.cache(self.name, self.provider.instance, result)
        return result

    @property
    def certs(self) -> Path:
        return keys.cache_folder(self.name)

    def boot(
        self,
        node: str,
        keyring: Callable[[], keys.Keys],
        *,
        crew: Crew,
        started: Callable[[], None] = lambda: None,
    ) -> APIClient:
        """Make and start a node; the client of its engine, once that answers."""
        self.provider.create(node)
        files = keyring().on_node(node)
        crew.check()
        self.provider.start(node, files)
        started()
        return self.answering(node, crew=crew)

    def answering(self, node: str, *, crew: Crew, within: float = _BOOT_SECONDS) -> APIClient:
        """Wait for the node's engine. Raises ClusterProblem when the node ends instead."""
        place = Node(node, self.addresses[node], NodeState.RUNNING)
        if self.provider.reach is Reach.PUBLISHED:
            place = self.provider.info().node(node) or place
        api = access.client(place, self.certs, timeout=_PING_SECONDS).api
        looks = 0

        def look() -> Observation[None]:
            nonlocal looks
            crew.check()
            looks += 1
            try:
                api.ping()
                return Observation(True, "it answers")
            except (DockerException, RequestException) as error:
                if looks % _LOOKS_BETWEEN_STATES == 0:
                    self._alive(node)
                return Observation(False, _short(error))

        until(
            f"the engine of {node}",
            look,
            within=within,
            every=swarm.EVERY,
            hint="Look with `swarmlab doctor`; `swarmlab down` and `swarmlab up` begin anew.",
        )
        api.timeout = _CALL_SECONDS
        return api

    def _alive(self, node: str) -> None:
        words = self.provider.last_words(node)
        if words is not None:
            first, _, rest = words.partition("\n")
            raise ClusterProblem(
                f"The node {node} {first}.",
                evidence=rest,
                hint="Look with `swarmlab doctor`; `swarmlab down` and `swarmlab up` begin anew.",
            )

    def make_workstation(self, keyring: Callable[[], keys.Keys]) -> None:
        """Make and start the workstation."""
        assert self.provider.subnet is not None
        workstation.create(
            self.engine,
            self.name,
            image=self.images.workstation(),
            address=subnets.workstation(self.provider.subnet),
            nodes=self.addresses,
            instance=self.provider.instance,
        )
        workstation.start(self.engine, self.name, self.addresses, keyring())

    def tell(self, stage: Stage, node: str, all_of: str, what: str) -> None:
        """Say how far the nodes are: who of them has come so far."""
        with self._guard:
            self._told.add(f"{what} {node}")
            there = [name for name in self.names if f"{what} {name}" in self._told]
        stage.say(f"{all_of}: {', '.join(there)}")


def create(site: Site, progress: Progress) -> None:
    """Make a whole lab; the network is there already. Returns when the swarm is proven ready.

    Raises EnvironmentProblem. What was made until then stays: the caller removes it.
    """
    with Crew() as crew:
        keyring = crew.go(site.make_keys)
        token: Future[swarm.Token] = Future()
        first, *others = site.names
        up: dict[str, Future[None]] = {node: Future() for node in site.names}
        with progress.stage(f"Starting {_nodes(len(site.names))}") as booting:
            chains = [crew.go(_begin, site, first, keyring, token, up[first], crew, booting)]
            for node in others:
                join = partial(_join, site, node, keyring, token, up[node], crew, booting)
                chains.append(crew.go(join))
            chains.append(crew.go(site.make_workstation, keyring.result))
            crew.all(up.values())
        with progress.stage("Forming the swarm") as forming:
            forming.say("managers join")
            crew.all(chains)


def _begin(
    site: Site,
    node: str,
    keyring: Future[keys.Keys],
    token: Future[swarm.Token],
    up: Future[None],
    crew: Crew,
    stage: Stage,
) -> None:
    """The first node's chain: it begins the swarm, and waits until all are in."""
    probe: list[Future[None]] = []
    try:
        api = site.boot(
            node,
            keyring.result,
            crew=crew,
            started=lambda: probe.append(crew.go(site.provider.check_kernel, node)),
        )
        crew.all(probe)
        site.tell(stage, node, "engines that answer", "up")
        up.set_result(None)
        token.set_result(swarm.begin(api, site.addresses[node]))
    except BaseException as error:
        _fail(token, error)
        _fail(up, error)
        raise
    swarm.settle(api, site.names, check=crew.check)
    api.close()


def _join(
    site: Site,
    node: str,
    keyring: Future[keys.Keys],
    token: Future[swarm.Token],
    up: Future[None],
    crew: Crew,
    stage: Stage,
) -> None:
    """Another node's chain: it joins as soon as it answers and the swarm is there."""
    try:
        api = site.boot(node, keyring.result, crew=crew)
        site.tell(stage, node, "engines that answer", "up")
        up.set_result(None)
    except BaseException as error:
        _fail(up, error)
        raise
    secret = token.result()
    crew.check()
    swarm.join(api, site.addresses[node], [site.addresses[site.names[0]]], secret)
    swarm.agree(api, node, site.names, check=crew.check)
    api.close()


def _fail(future: Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _nodes(count: int) -> str:
    return "one node" if count == 1 else f"{count} nodes"


def _short(error: BaseException) -> str:
    text = str(error).lower()
    if "refused" in text:
        return "nothing listens yet"
    if "no route" in text or "timed out" in text:
        return "its address does not answer"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
