"""Faults on purpose of what runs on the nodes: a task that is killed, Consul without its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from swarmlab.checks.looking import listed
from swarmlab.cluster import lifecycle
from swarmlab.cluster.cluster import Cluster
from swarmlab.errors import ClusterProblem, LabAbsent, UsageError
from swarmlab.handout.diagrams.look import look
from swarmlab.handout.diagrams.seen import MANAGING, PROXY, Task, Topology
from swarmlab.providers.problems import explained
from swarmlab.words import say

_CONSUL = "consul"  # the container's name in docker-compose-proxy.yml
_AGAIN = "registry"  # and in the step that throws it away again


def asking(node: str, command: str) -> str:
    """A docker command as typed in the workstation, asking that node's engine and changing none
    of the shell's own settings.
    """
    return f"(eval $(docker-machine env {node}); {command})"


@dataclass(frozen=True)
class Fault:
    """What was done, what comes of it, and the commands that show it; in words."""

    done: str
    happens: str
    look: tuple[str, ...] = ()
    undo: str = ""


def kill(name: str, task: str) -> Fault:
    """Kill the main process of a task (`proxy.2`, or `util.swarm-2` of a global service)."""
    with _cluster(name) as cluster:
        seen = look(cluster)
        node, found = _task(seen, task)
        with explained(say("killing {task}", task=task)):
            cluster.engine(node).api.kill(found.container)
    box = found.container[:12]
    return Fault(
        say("{task} on {node} is killed (container {id}).", task=task, node=node, id=box),
        say("Swarm notices within a second, and starts another task in its place."),
        (
            asking(_manager(seen), f"docker service ps {found.service}"),
            "swarmlab status --watch",
        ),
    )


def consul_server(name: str) -> Fault:
    """Stop the Consul server, which alone holds the keys."""
    with _cluster(name) as cluster:
        seen = look(cluster)
        node, box = _server(cluster, seen)
        with explained(say("stopping the Consul server")):
            cluster.engine(node).api.stop(box["Id"], timeout=5)
    agent = next((other for other in cluster.nodes if other != node), node)
    shows = [f"curl -i {agent}:8500/v1/kv/?keys"]
    if any(service == PROXY for service, _, _ in seen.services):
        shows.append(asking(_manager(seen), f"docker service scale {PROXY}=4"))
    return Fault(
        say("The Consul server on {node} is stopped.", node=node),
        say(
            "The agents stay, and can neither read nor write a key without their server. The"
            " proxies serve on with what they have; a new one cannot learn it."
        ),
        (*shows, "swarmlab status --watch --probe /demo/hello"),
        "swarmlab fault heal --all",
    )


@contextmanager
def _cluster(name: str) -> Iterator[Cluster]:
    with lifecycle.lock(name):
        cluster = lifecycle.find(name)
        if cluster is None:
            raise LabAbsent(
                say("There is no lab {name!r} on this machine.", name=name),
                hint=say("`swarmlab up` makes one."),
            )
        with cluster:
            yield cluster


def _manager(seen: Topology) -> str:
    """A manager that orders can be given to; where none is well, the first node there is."""
    well = [
        node.name
        for node in seen.nodes
        if node.answers and node.role in MANAGING and node.role != "manager-lost"
    ]
    return well[0] if well else seen.nodes[0].name


def _task(seen: Topology, wanted: str) -> tuple[str, Task]:
    """The node and the running task of that name. Raises UsageError for none."""
    there: dict[str, tuple[str, Task]] = {}
    if not seen.swarm:
        # Just now, or for good: which tasks there are is known to nobody.
        raise ClusterProblem(
            say("No manager of the lab answers for the swarm."),
            hint=say("`swarmlab fault heal --all` brings everything back."),
        )
    for node in seen.nodes:
        for task in node.tasks:
            if task.running:
                # Of a global service each node has one, without a slot.
                alone = task.name == task.service
                name = f"{task.service}.{node.name}" if alone else task.name
                there[name] = (node.name, task)
    if wanted in there:
        return there[wanted]
    if not there:
        hint = say("No task runs; `swarmlab goto 13` brings the lab to where some do.")
    else:
        hint = say("There run: {tasks}.", tasks=listed(sorted(there)))
    raise UsageError(say("There is no running task {task}.", task=wanted), hint=hint)


def _server(cluster: Cluster, seen: Topology) -> tuple[str, dict[str, Any]]:
    """The node and container of the Consul server that runs. Raises UsageError for none."""
    answering = [node for node in seen.nodes if node.answers]
    for node in answering:
        if node.consul and node.consul.role == "server":
            for box in _consuls(cluster, node.name, everything=False):
                return node.name, box
    for node in answering:
        with explained(say("looking for Consul on {node}", node=node.name)):
            stopped = _consuls(cluster, node.name, everything=True)
        if any("-server" in box["Command"] and box["State"] != "running" for box in stopped):
            raise UsageError(
                say("The Consul server on {node} is stopped already.", node=node.name),
                hint=say("`swarmlab fault heal --all` brings everything back."),
            )
    if len(answering) < len(seen.nodes):
        # It may be on one of those: step 4 would throw away what comes back with the node.
        raise UsageError(
            say("No Consul server runs in the lab {name!r}.", name=cluster.name),
            hint=say("`swarmlab fault heal --all` brings everything back."),
        )
    raise UsageError(
        say("No Consul server runs in the lab {name!r}.", name=cluster.name),
        hint=say("Step 4 starts it: `swarmlab step 4`."),
    )


def _consuls(cluster: Cluster, node: str, *, everything: bool) -> list[dict[str, Any]]:
    listed_ = cluster.engine(node).api.containers(all=everything)
    names = (f"/{_CONSUL}", f"/{_AGAIN}")
    return [box for box in listed_ if any(name in names for name in box["Names"])]


def consul_again(name: str, *nodes: str) -> list[str]:
    """Start every Consul of those nodes that is stopped; what was done, in words."""
    done = []
    with _cluster(name) as cluster:
        for node in nodes:
            with explained(say("looking for Consul on {node}", node=node)):
                for box in _consuls(cluster, node, everything=True):
                    if box["State"] != "running":
                        cluster.engine(node).api.start(box["Id"])
                        done.append(say("Consul on {node} runs again.", node=node))
    return done
