"""How a lab is: put together from whatever still answers, each look with a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab.cluster import access, cutting, keys, lookouts, remains, swarm
from swarmlab.cluster.amiss import LOOK_SECONDS, OUTSIDE, amiss
from swarmlab.cluster.crew import Crew
from swarmlab.cluster.remains import Remains
from swarmlab.engine import Engine
from swarmlab.errors import SwarmlabError
from swarmlab.lookout import Lookout
from swarmlab.providers import registry
from swarmlab.providers.base import Node, NodeState, Provider
from swarmlab.providers.ways import reached
from swarmlab.size import UNKNOWN, Quorum, Size
from swarmlab.words import say

STATUS_VERSION = 1


@dataclass(frozen=True)
class NodeStatus:
    """One node: the container as the host's engine sees it, the member as the swarm does.

    What is not known is empty. `cut`: cut off from the other nodes on purpose. `ports` maps a
    port of the node to where this machine has it (`127.0.0.1:49160`), if it is published.
    """

    name: str
    address: str
    container: str
    answers: bool
    role: str = ""
    state: str = ""
    availability: str = ""
    reachability: str = ""
    leader: bool = False
    engine: str = ""
    data_plane: str = ""
    cut: bool = False
    ports: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class ServiceStatus:
    """One service: replicas that run and that are wanted, and the ports that it publishes."""

    name: str
    mode: str
    running: int
    desired: int
    image: str
    ports: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "ports": list(self.ports)}


@dataclass(frozen=True)
class ClusterStatus:
    """A lab as it is. `problems` are in words; `healthy` when it is there and has none.

    `stopped` when all of it is there and nothing of it runs: `start` brings it back. `size` is
    what it was made with, `quorum` what its managers can still decide; None without a node.
    `advice` is what to do next where that is not what mends any lab.
    """

    name: str
    present: bool
    nodes: tuple[NodeStatus, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    workstation: str = NodeState.MISSING.value
    cluster_id: str = ""
    data_plane: str = ""
    stopped: bool = False
    problems: tuple[str, ...] = ()
    size: Size = UNKNOWN
    quorum: Quorum | None = None
    advice: str = ""

    @property
    def healthy(self) -> bool:
        return self.present and not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": STATUS_VERSION,
            "kind": "swarmlab-status",
            "name": self.name,
            "present": self.present,
            "healthy": self.healthy,
            "stopped": self.stopped,
            "cluster": self.cluster_id,
            "data_plane": self.data_plane,
            "workstation": self.workstation,
            "managers": self.size.managers,
            "workers": self.size.workers,
            "quorum": self.quorum.to_dict() if self.quorum else None,
            "nodes": [node.to_dict() for node in self.nodes],
            "services": [service.to_dict() for service in self.services],
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class _View:
    """What one node's engine told."""

    standing: swarm.Standing
    members: tuple[swarm.Member, ...] = ()
    services: tuple[ServiceStatus, ...] = ()


def inspect(engine: Engine, lab: str) -> ClusterStatus:
    """Look at the lab. Raises EnvironmentProblem only when the host's engine fails."""
    there = remains.look(engine, lab)
    if there.nothing:
        return ClusterStatus(lab, present=False)
    provider = registry.make(there.choice, engine, lab)
    certs = _certs(engine, lab, there, provider)
    info = reached(engine, lab, there.info)
    running = [node for node in info.nodes if node.state is NodeState.RUNNING]

    def inside(node: Node) -> Lookout:
        own = certs or keys.cache_folder(lab)
        return lookouts.of(provider, engine, lab, node, own, timeout=LOOK_SECONDS)

    with Crew() as crew:
        views = {
            node.name: crew.go(_view, node, provider.certs(node.name) or certs) for node in running
        }
        cuts = {node.name: crew.go(lambda n: cutting.is_cut(inside(n)), node) for node in running}
        planes = {
            node.name: crew.go(lambda n: lookouts.data_plane(inside(n)), node) for node in running
        }
        seen = {name: future.result() for name, future in views.items()}
        apart = {name for name, future in cuts.items() if future.result()}
        told = {name: future.result() for name, future in planes.items()}
    best = _best([view for view in seen.values() if view is not None])
    nodes = tuple(
        replace(
            _node(node, seen.get(node.name), best, told.get(node.name, "")), cut=node.name in apart
        )
        for node in _with_missing(there)
    )
    quorum = _quorum(nodes, there.info.size) if there.info.nodes else None
    planes_there = sorted({plane for plane in told.values() if plane})
    return ClusterStatus(
        name=lab,
        present=bool(there.info.nodes),
        size=there.info.size,
        quorum=quorum,
        nodes=nodes,
        services=best.services if best else (),
        workstation=there.workstation.value,
        cluster_id=best.standing.cluster if best else "",
        data_plane=" and ".join(planes_there),
        stopped=there.at_rest,
        advice=next((error.hint for error in there.unknown.values()), ""),
        problems=tuple(
            amiss(there, certs is not None, nodes, best.members if best else (), quorum)
        ),
    )


def _certs(engine: Engine, lab: str, there: Remains, provider: Provider) -> Path | None:
    found = keys.cached(lab, there.info.instance)
    if found is not None:
        return found
    if there.info.nodes and not keys.needed(provider, there.info.names):
        return keys.cache_folder(lab)
    try:
        fetched = keys.of_lab(engine.client.api, lab, there.holders)
    except SwarmlabError:
        return None
    return keys.cache(lab, there.info.instance, fetched)


def _view(node: Node, certs: Path | None) -> _View | None:
    """What the node tells; None when it does not answer in time."""
    if certs is None:
        return None
    try:
        client = access.client(node, certs, timeout=LOOK_SECONDS)
    except SwarmlabError:
        return None
    try:
        client.api.ping()
    except (DockerException, RequestException):
        client.close()
        return None
    try:
        standing = swarm.standing(client.api)
        if not standing.manager:
            return _View(standing)
        try:
            members = tuple(swarm.members(client.api))
            services = tuple(_services(client.api))
        except (DockerException, RequestException):
            # A manager of a swarm without quorum answers for itself, and for nothing else.
            return _View(standing)
        return _View(standing, members, services)
    except (DockerException, RequestException):
        # Of its place in a swarm that has just lost its quorum an engine may not tell in time.
        return _View(swarm.Standing("", "", manager=False, cluster=""))
    finally:
        client.close()


def _services(api: Any) -> list[ServiceStatus]:
    found = []
    for service in api.services(status=True):
        spec = service["Spec"]
        counts = service.get("ServiceStatus") or {}
        image = str(spec["TaskTemplate"].get("ContainerSpec", {}).get("Image", ""))
        ports = (service.get("Endpoint") or {}).get("Ports") or []
        found.append(
            ServiceStatus(
                name=str(spec["Name"]),
                mode=next(iter(spec.get("Mode") or {"Replicated": None})).lower(),
                running=int(counts.get("RunningTasks", 0)),
                desired=int(counts.get("DesiredTasks", 0)),
                image=image.partition("@")[0],
                ports=tuple(sorted(p["PublishedPort"] for p in ports if p.get("PublishedPort"))),
            )
        )
    return sorted(found, key=lambda service: service.name)


def _best(views: Sequence[_View]) -> _View | None:
    """The view that knows most: a manager's that lists members, else any."""
    return max(views, key=lambda view: (len(view.members) > 0, view.standing.manager), default=None)


def _with_missing(there: Remains) -> list[Node]:
    def missing(name: str) -> Node:
        unknown = say("not known") if name in there.unknown else ""
        return Node(name, "", NodeState.MISSING, detail=unknown)

    return [there.info.node(name) or missing(name) for name in there.info.size.names]


def _node(node: Node, view: _View | None, best: _View | None, plane: str) -> NodeStatus:
    members = [m for m in (best.members if best else ()) if m.name == node.name]
    # A node that came back after a loss is listed twice: the entry that it knows as its own.
    own = view.standing.node_id if view else ""
    member = next((m for m in members if m.id == own), members[0] if members else None)
    # The others notice a node that has left only when it has been silent for a while.
    outside = view is not None and view.standing.state == OUTSIDE
    return NodeStatus(
        name=node.name,
        address=node.address or (member.address if member else ""),
        container=node.detail or node.state.value,
        answers=view is not None,
        role=member.role if member else "",
        state=OUTSIDE if outside else member.state if member else "",
        availability=member.availability if member else "",
        reachability=member.reachability if member else "",
        leader=bool(member and member.leader),
        engine=member.engine if member else "",
        data_plane=plane,
        ports={str(port): f"{host}:{at}" for port, (host, at) in sorted(node.ports.items())},
    )


def _quorum(nodes: Sequence[NodeStatus], size: Size) -> Quorum:
    """Managers are those that the swarm has as such, whoever was promoted or demoted by hand.

    Where nobody can tell, they are those that the lab was made with. Reachable is one that answers
    from here and is not known to have left, to be lost or cut off.
    """
    told = any(node.role for node in nodes)
    managers = [n for n in nodes if (n.role if told else size.role(n.name)) == "manager"]
    there = [n for n in managers if n.answers and not n.cut and n.state != OUTSIDE]
    reachable = [n for n in there if n.reachability in ("reachable", "")]
    return Quorum(len(managers), len(reachable))
