"""A running lab, as checks and commands use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from swarmlab import labels, unreached
from swarmlab.cluster import access, lookouts
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem, EnvironmentProblem, LabAbsent, UsageError
from swarmlab.images.sources import USUAL, Sources
from swarmlab.lookout import Lookout
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers.base import Info, Node, NodeState, Provider, Reach
from swarmlab.size import majority
from swarmlab.words import say

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from swarmlab.cluster.speaker import Speaker

_CALL_SECONDS = 30
_AWAKE_SECONDS = 8  # an engine under load answers this within one or two


class Cluster:
    """The nodes of one lab and the ways to them; implements `swarmlab.checks.base.World`.

    It is a look taken once: what changes later (a node that is stopped) shows as errors of the
    calls. To be closed, or used as a context manager.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        provider: Provider,
        info: Info,
        certificates: Path,
        *,
        complete: bool = True,
        patience: int = _CALL_SECONDS,
        sources: Sources = USUAL,
    ) -> None:
        """`certificates` is the folder with the client's ca.pem, cert.pem and key.pem, for nodes
        with the lab's own;
        `complete` says that every container of the lab was there and ran; `patience` bounds
        each call to a node's engine, in seconds; `sources` is where the images come from.
        """
        self.name = name
        self.complete = complete
        self.sources = sources
        self.silent: set[str] = set()
        self.told: Progress = SilentProgress()
        """Where it is shown that the managers are waited for."""
        self.provider = provider
        self.certificates = certificates
        self._lookouts: dict[str, Lookout] = {}
        self._engine = engine
        self._info = info
        self._patience = patience
        self._clients: dict[str, DockerClient] = {}
        self._guard = threading.Lock()
        self._looking = threading.Lock()
        self._answered = ""

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes that the lab was made with, in order, lost ones included."""
        return self._info.size.names or self._info.names

    @property
    def managers(self) -> tuple[str, ...]:
        """Those of them that were made to be managers."""
        return self._info.size.manager_names or self._info.names

    def address(self, node: str) -> str:
        """The node's address on the lab's network. Raises UsageError for an unknown node."""
        return self._node(node).address

    def endpoint(self, node: str, port: int) -> tuple[str, int]:
        """Host and port by which this machine reaches that TCP port of the node."""
        return access.endpoint(self._node(node), port)

    def published(self, node: str) -> Mapping[int, tuple[str, int]]:
        """Host and port of this machine for each TCP port of the node that is published there."""
        found = self._node(node)
        return found.ports if found.reach is Reach.PUBLISHED else {}

    def lasting(self, node: str, port: int) -> tuple[str, int]:
        """The same, for use by other programs. Raises EnvironmentProblem when it goes with us."""
        if self._node(node).reach is Reach.RELAY:
            raise EnvironmentProblem(
                say(
                    "Nothing on this machine leads to {node}: the lab's engine is "
                    "reached through its API, and the ports to its nodes go with "
                    "each command of swarmlab.",
                    node=node,
                ),
                hint=say("`swarmlab shell` gives a prompt with a docker client for every node."),
            )
        return self.endpoint(node, port)

    def engine(self, node: str) -> DockerClient:
        """A client of the node's engine, kept open until `close`."""
        with self._guard:
            if node not in self._clients:
                found = self._node(node)
                if found.state is not NodeState.RUNNING:
                    raise EnvironmentProblem(
                        say(
                            "The node {node} does not run ({detail}).",
                            node=node,
                            detail=found.detail or found.state.value,
                        ),
                        hint=say("`swarmlab up` mends the lab."),
                    )
                self._clients[node] = access.client(found, self.certs(node), timeout=self._patience)
            return self._clients[node]

    def awake(self, node: str) -> None:
        """Raises EnvironmentProblem unless the node runs and its engine answers soon."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        self._running()
        self.engine(node)
        client = access.client(self._node(node), self.certs(node), timeout=_AWAKE_SECONDS)
        try:
            client.api.ping()
        except (DockerException, RequestException) as error:
            raise unreached.explained(error, self) from error
        finally:
            client.close()

    def certs(self, node: str) -> Path:
        """The folder with ca.pem, cert.pem and key.pem for a client of that node's engine."""
        return self.provider.certs(node) or self.certificates

    def lookout(self, node: str) -> Lookout:
        """From where the node is seen from inside; on a machine made again if it was removed."""
        if self.provider.contained:
            return lookouts.of_container(self._engine, self.name, node)
        api = self.engine(node).api
        with self._looking:
            if node not in self._lookouts:
                lookouts.place(api, self.name, node, self._info.instance)
                self._lookouts[node] = lookouts.of_machine(api)
            return self._lookouts[node]

    def elsewhere(self) -> tuple[str, ...]:
        """The nodes that the lab has now elsewhere than on its own engine."""
        return self.provider.left()

    def image(self, name: str) -> str:
        """What the nodes call the image of that name in the lab's catalog."""
        return self.sources.names()[name]

    def host_engine(self) -> DockerClient:
        """A client of the lab's own engine: its workstation's, and most often its nodes'."""
        return self._engine.client

    @property
    def workstation(self) -> Container:
        """The workstation's container. Raises LabAbsent when it is gone, EngineUnreachable."""
        from docker.errors import NotFound

        from swarmlab.providers.problems import explained

        with explained(say("looking for the workstation")):
            try:
                return self._engine.client.containers.get(
                    labels.container(self.name, "workstation")
                )
            except NotFound:
                raise LabAbsent(
                    say("The lab's workstation is missing."),
                    hint=say("`swarmlab up` makes it again."),
                ) from None

    @cached_property
    def cluster_id(self) -> str:
        """The swarm's own id. Raises EnvironmentProblem when no manager answers."""
        return str(self._any_swarm()["ID"])

    @property
    def speaker(self) -> str:
        """A manager that tells of the swarm; raises as `cluster_id` does."""
        self._any_swarm()
        return self._answered

    @cached_property
    def labelled(self) -> bool:
        """Whether any node has the labels that `up` gives last; raises as `cluster_id` does."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        from swarmlab.cluster import swarm

        speaker = self.speaker
        try:
            listed = swarm.members(self.engine(speaker).api)
        except (DockerException, RequestException):
            # Without a quorum nobody can tell; that is for the checks to say.
            return True
        return any(swarm.LABELS.items() <= member.labels.items() for member in listed)

    @cached_property
    def data_plane(self) -> str:
        """`ipvs` or `nftables`, as the nodes say; empty when none says so."""
        for node in self._info.nodes:
            if node.state is NodeState.RUNNING:
                certs = self.certificates
                at = lookouts.of(self.provider, self._engine, self.name, node, certs)
                told = lookouts.data_plane(at)
                if told:
                    return told
        return ""

    def close(self) -> None:
        """Let go of all connections."""
        with self._guard:
            for client in (*self._clients.values(), self._engine.client):
                client.close()
            self._clients.clear()

    def _any_swarm(self) -> dict[str, Any]:
        from swarmlab.cluster.speaker import Speaker

        running = self._running()
        down = {node: self._standing(node) for node in self.nodes if node not in running}
        speaker = Speaker(
            [node for node in self.nodes if node in running],
            lambda node: self.engine(node).api.inspect_swarm(),
            down=down,
            voting=len(running.intersection(self.managers)) >= majority(len(self.managers)),
            late=self.silent.add,
        )
        found = speaker.find(self.told)
        if found is None:
            raise EnvironmentProblem(
                say("No manager of the lab answers for the swarm."),
                evidence="\n".join(self._why(speaker, down)),
                hint=say("Look with `swarmlab status`; `swarmlab up` mends what can be mended."),
            )
        self._answered, answer = found
        return answer

    def _running(self) -> set[str]:
        """The nodes that run. Raises ClusterProblem when none does: the lab is stopped."""
        running = {node.name for node in self._info.nodes if node.state is NodeState.RUNNING}
        if not running:
            raise ClusterProblem(
                say("The lab {name!r} is stopped.", name=self.name),
                hint=say("`swarmlab start` starts it again."),
            )
        return running

    def _why(self, speaker: Speaker, down: Mapping[str, str]) -> Iterator[str]:
        """Why no node tells of the swarm; that a worker is no manager explains nothing."""
        for node in self.nodes:
            if node in down:
                yield say("{node} does not run: {detail}", node=node, detail=down[node])
            elif node in speaker.silent:
                yield say("{node}: no answer in time", node=node)
            elif node in speaker.failures and node in self.managers:
                yield str(unreached.explained(speaker.failures[node], self))[:300]

    def _standing(self, name: str) -> str:
        """How a node that does not run is, in the engine's words where it has any."""
        node = self._info.node(name)
        return (node.detail or node.state.value) if node else NodeState.MISSING.value

    def _node(self, name: str) -> Node:
        node = self._info.node(name)
        if node is None and name in self.nodes:
            raise EnvironmentProblem(
                say("The node {name} is missing.", name=name),
                hint=say("`swarmlab up` mends the lab."),
            )
        if node is None:
            raise UsageError(
                say("The lab {name!r} has no node {node!r}.", name=self.name, node=name),
                hint=say("Its nodes are {nodes}.", nodes=", ".join(self.nodes) or say("all gone")),
            )
        return node
