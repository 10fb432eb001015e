"""A lab made from nothing: network, certificates, nodes, workstation, swarm.

Everything that can goes on side by side: each node runs its own chain (made, certificates put
in, started, waited for, joined) and meets the others only where it must.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster import access, apart, keys, lookouts, swarm, workstation
from swarmlab.cluster.crew import Crew
from swarmlab.cluster.stock import Images
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem, TimedOut
from swarmlab.images import carrying, trust
from swarmlab.lookout import Lookout
from swarmlab.progress import Progress, Stage
from swarmlab.providers import subnets
from swarmlab.providers.base import ENGINE_PORT, Provider
from swarmlab.size import Size
from swarmlab.wait import Observation, until
from swarmlab.words import say

_BOOT_SECONDS = 120.0
_CALL_SECONDS = 60
_PING_SECONDS = 5
_LOOKS_BETWEEN_STATES = 20


class Site:
    """One lab's place on the engine, and the work that is done there.

    `certs` is there once the keys are.
    """

    def __init__(
        self, name: str, engine: Engine, provider: Provider, images: Images, size: Size
    ) -> None:
        self.name = name
        self.engine = engine
        self.provider = provider
        self.images = images
        self.size = size
        self.names = size.names

    @property
    def addresses(self) -> dict[str, str]:
        """The nodes' addresses by name; of machines elsewhere not before they are made."""
        return {node: self.provider.address(node) for node in self.names}

    def make_keys(self) -> keys.Keys:
        """New certificates, the client's part of them written to this machine."""
        from swarmlab.cluster import tls

        publish = self.provider.publish
        own = [node for node in self.names if self.provider.certs(node) is None]
        addresses = {node: self.provider.address(node) for node in own}
        result = tls.make_set(self.name, addresses, [publish] if publish else [])
        keys.cache(self.name, self.provider.instance, result)
        return result

    def certs(self, node: str) -> Path:
        """The folder with what a client of that node's engine needs."""
        return self.provider.certs(node) or keys.cache_folder(self.name)

    def lookout(self, node: str) -> Lookout:
        """From where a running node is seen from inside."""
        place, certs = self.provider.place(node), self.certs(node)
        return lookouts.of(self.provider, self.engine, self.name, place, certs)

    def boot(
        self,
        node: str,
        keyring: Callable[[], keys.Keys],
        *,
        crew: Crew,
        started: Callable[[], None] = lambda: None,
    ) -> APIClient:
        """Make and start a node; the client of its engine, once that answers."""
        believed = trust.files(self.images.sources) if self.provider.contained else {}
        self.provider.create(node)
        files = {**keyring().on_node(node), **believed}
        crew.check()
        self.provider.start(node, files)
        started()
        api = self.answering(node, crew=crew)
        self.furnish(node, api, crew=crew)
        if not self.provider.contained:
            lookouts.check_kernel(api, self.name, node, self.provider.instance)
        return api

    def furnish(self, node: str, api: APIClient, *, crew: Crew) -> None:
        """Have on a node that is no container what the others come with: images, the lookout."""
        if self.provider.contained:
            return
        images = self.images.carried()
        carrying.carry(self.engine, api, node, images, tell=self.provider.report, check=crew.check)
        lookouts.place(api, self.name, node, self.provider.instance)

    def answering(self, node: str, *, crew: Crew, within: float = _BOOT_SECONDS) -> APIClient:
        """Wait for the node's engine. Raises ClusterProblem when the node ends instead."""
        place = self.provider.place(node)
        api = access.client(place, self.certs(node), timeout=_PING_SECONDS).api
        where = access.endpoint(place, ENGINE_PORT)
        looks = 0

        def look() -> Observation[None]:
            nonlocal looks
            crew.check()
            looks += 1
            try:
                # Many looks find nothing yet: a bare connection costs a tenth of a TLS client's.
                socket.create_connection(where, timeout=_PING_SECONDS).close()
                api.ping()
                return Observation(True, say("it answers"))
            except (DockerException, RequestException, OSError) as error:
                if looks % _LOOKS_BETWEEN_STATES == 0:
                    self._alive(node)
                return Observation(False, _short(error))

        with apart.ways(self.provider, where[0], [("TCP", where[1])], TimedOut):
            until(
                say("the engine of {node}", node=node),
                look,
                within=within,
                every=swarm.EVERY,
                hint=say(
                    "Look with `swarmlab doctor`; `swarmlab down` and `swarmlab up` begin anew."
                ),
            )
        api.timeout = _CALL_SECONDS
        return api

    def _alive(self, node: str) -> None:
        words = self.provider.last_words(node)
        if words is not None:
            first, _, rest = words.partition("\n")
            raise ClusterProblem(
                say("The node {node} {first}.", node=node, first=first),
                evidence=rest,
                hint=say(
                    "Look with `swarmlab doctor`; `swarmlab down` and `swarmlab up` begin anew."
                ),
            )

    def make_workstation(self, keyring: Callable[[], keys.Keys]) -> None:
        """Make and start the workstation."""
        assert self.provider.subnet is not None
        if not self.provider.contained:
            keyring()  # only then are all nodes there, and their addresses known
        addresses = self.addresses
        workstation.create(
            self.engine,
            self.name,
            image=self.images.workstation(),
            address=subnets.workstation(self.provider.subnet),
            nodes=addresses,
            managers=self.size.manager_names,
            instance=self.provider.instance,
            marks=self.provider.marks,
            sources=self.images.sources,
        )
        workstation.start(self.engine, self.name, self.machines(), keyring())

    def machines(self) -> dict[str, workstation.Machine]:
        """The nodes as the workstation's docker client is to reach them."""
        return {
            node: workstation.Machine(
                self.provider.address(node),
                ENGINE_PORT if self.provider.contained else self.provider.place(node).engine_port,
                self.provider.certs(node),
            )
            for node in self.names
        }


def create(site: Site, progress: Progress) -> None:
    """Make a whole lab; the network is there already. Returns when the swarm is proven ready.

    Raises EnvironmentProblem. What was made until then stays: the caller removes it.
    """
    # A thread for each node's chain, which waits for others; the workstation, keys, kernel's probe.
    with Crew(len(site.names) + 4) as crew:
        with progress.stage(say("Starting {nodes}", nodes=_nodes(len(site.names)))) as booting:
            site.provider.report, site.provider.check = booting.say, crew.check
            work = _Work(site, crew, booting)
            first, *others = site.names
            chains = [crew.go(work.begin, first), *(crew.go(work.join, node) for node in others)]
            shell = crew.go(work.workstation)
            crew.all(work.up.values())
        with progress.stage(say("Forming the swarm")) as forming:
            forming.say(say("nodes join"))
            apis = crew.all(chains)
            # Labels are put on only now, because each is news that the leader spreads at once:
            # a manager that has just joined would hear of its leader up to a second later.
            forming.say(say("managers agree"))
            swarm.settle(apis, site.size, check=crew.check)
            views = zip(apis, site.size.manager_names, strict=False)
            crew.all(
                [crew.go(swarm.agree, api, n, site.size, check=crew.check) for api, n in views]
            )
            shell.result()
            for api in apis:
                api.close()


class _Work:
    """The chains of a first `up`, and the points where they meet."""

    def __init__(self, site: Site, crew: Crew, stage: Stage) -> None:
        self._site = site
        self._crew = crew
        self._stage = stage
        self._keyring = crew.go(site.make_keys)
        self._tokens: Future[swarm.Tokens] = Future()
        self._started: dict[str, Future[None]] = {node: Future() for node in site.names}
        self.up: dict[str, Future[None]] = {node: Future() for node in site.names}

    def begin(self, node: str) -> APIClient:
        """The first node's chain: it begins the swarm."""
        probe: list[Future[None]] = []

        def started() -> None:
            probe.append(self._crew.go(self._site.provider.check_kernel, node))

        try:
            api = self._boot(node, started)
            self._crew.all(probe)
            self._answers(node)
            provider = self._site.provider
            begun = swarm.begin(api, provider.address(node), provider.overlays)
            self._tokens.set_result(begun)
            return api
        except BaseException as error:
            _fail(error, self._tokens, self.up[node], self._started[node])
            raise

    def join(self, node: str) -> APIClient:
        """Another node's chain: it joins as soon as it answers and the swarm is there."""
        try:
            api = self._boot(node)
            self._answers(node)
        except BaseException as error:
            _fail(error, self.up[node], self._started[node])
            raise
        token = self._tokens.result().of(self._site.size.role(node))
        self._crew.check()
        provider = self._site.provider
        first = provider.address(self._site.names[0])
        with apart.ways(provider, first, apart.SWARM):
            swarm.join(api, provider.address(node), [first], token)
        return api

    def workstation(self) -> None:
        """Make the workstation; the nodes, for which everything waits, start before it."""

        def keyring() -> keys.Keys:
            for started in self._started.values():
                started.result()
            return self._keyring.result()

        self._site.make_workstation(keyring)

    def _boot(self, node: str, then: Callable[[], None] = lambda: None) -> APIClient:
        def started() -> None:
            self._started[node].set_result(None)
            then()

        return self._site.boot(node, self._keyring.result, crew=self._crew, started=started)

    def _answers(self, node: str) -> None:
        self.up[node].set_result(None)
        there = [name for name, future in self.up.items() if future.done()]
        self._stage.say(say("engines that answer: {names}", names=", ".join(there)))


def _fail(error: BaseException, *futures: Future[Any]) -> None:
    """Let everyone who waits for these know that they will not come."""
    for future in futures:
        if not future.done():
            future.set_exception(error)


def _nodes(count: int) -> str:
    return say("one node") if count == 1 else say("{count} nodes", count=count)


def _short(error: BaseException) -> str:
    text = str(error).lower()
    if "refused" in text:
        return say("nothing listens yet")
    if "no route" in text or "timed out" in text:
        return say("its address does not answer")
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
