"""The ways into a running lab: a shell in the workstation, one in a node, a service's logs."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from docker.errors import NotFound

from swarmlab import engine as engines
from swarmlab import labels, naming, terminal
from swarmlab.cluster import history, lifecycle
from swarmlab.cluster.cluster import Cluster
from swarmlab.cluster.workstation import WORKDIR
from swarmlab.errors import EnvironmentProblem, LabAbsent, UsageError
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers.problems import explained
from swarmlab.words import say

if TYPE_CHECKING:
    from docker.models.containers import Container


def workstation(lab: str, command: str | None = None) -> int:
    """A shell in the lab's workstation, or one command in it; its exit code.

    What was typed is kept afterwards. Raises LabAbsent, EnvironmentProblem.
    """
    with _found(lab) as cluster:
        argv = ["bash"] if command is None else ["bash", "-c", command]
        try:
            return terminal.attach(
                engines.target(),
                _workstation(cluster),
                argv,
                workdir=WORKDIR,
                environment=_names_lab(lab),
            )
        finally:
            if command is None:
                history.keep(cluster.host_engine(), lab, SilentProgress())


def node(lab: str, name: str, words: list[str]) -> int:
    """A login shell in a node, or one command, its words joined as ssh joins them."""
    with _found(lab) as cluster:
        if name not in cluster.nodes:
            raise UsageError(
                say("The lab {lab!r} has no node {node!r}.", lab=lab, node=name),
                hint=say("Name one of its nodes: {nodes}.", nodes=", ".join(cluster.nodes)),
            )
        if not cluster.provider.contained:
            return _machine(cluster, name, words)
        with explained(say("looking for the node")):
            try:
                container = cluster.host_engine().containers.get(labels.container(lab, name))
            except NotFound:
                container = None
        if container is None or container.status != "running":
            raise EnvironmentProblem(
                say("The node {node} does not run.", node=name),
                hint=say("`swarmlab up` mends the lab."),
            )
        words = words[1:] if words[:1] == ["--"] else words
        argv = ["bash", "-lc", " ".join(words)] if words else ["bash", "-l"]
        return terminal.attach(engines.target(), container, argv, workdir="/root")


def _machine(cluster: Cluster, name: str, words: list[str]) -> int:
    """The same where the node is a machine: by the workstation's docker-machine, which needs no
    key of that machine's but those of its engine."""
    cluster.engine(name)  # raises for a node that does not run
    argv = ["docker-machine", "ssh", name, *words]
    return terminal.attach(engines.target(), _workstation(cluster), argv, workdir=WORKDIR)


def logs(lab: str, service: str, told: Progress, *, follow: bool = False, since: str = "") -> int:
    """What the tasks of a service wrote, as `docker service logs` prints it; its exit code."""
    with _found(lab) as cluster:
        cluster.told = told
        manager = cluster.speaker
        with explained(say("looking for the swarm's services")):
            services = sorted(one.name for one in cluster.engine(manager).services.list())
        if service not in services:
            raise UsageError(
                say("There is no service {service!r} in the swarm.", service=service),
                hint=_meant(service, services),
            )
        words = ["docker", "service", "logs"]
        words += ["--follow"] if follow else []
        words += [f"--since={since}"] if since else []
        words += ["--", service]
        script = f"eval $(docker-machine env {manager})\nexec {shlex.join(words)}"
        return terminal.attach(
            engines.target(), _workstation(cluster), ["bash", "-c", script], keyboard=False
        )


def _found(lab: str) -> Cluster:
    cluster = lifecycle.find(lab)
    if cluster is None:
        raise LabAbsent(
            say("There is no running lab named {name!r}.", name=lab),
            hint=say("`swarmlab up` makes one; `swarmlab run` makes one and runs the chapter."),
        )
    return cluster


def _workstation(cluster: Cluster) -> Container:
    found = cluster.workstation
    if found.status != "running":
        raise LabAbsent(
            say("The lab's workstation does not run."), hint=say("`swarmlab up` mends the lab.")
        )
    return found


def _names_lab(lab: str) -> dict[str, str]:
    """For programs in the workstation that advise what to type on the student's machine."""
    return {} if lab == naming.DEFAULT else {"SWARMLAB_NAME": lab}


def _meant(service: str, services: Iterable[str]) -> str:
    known = list(services)
    if service == "consul":
        return say(
            "Consul runs as a container of its own on each node: `swarmlab ssh swarm-1 docker "
            "logs consul`."
        )
    if not known:
        return say("There are no services yet; `swarmlab steps` shows what is done.")
    near = difflib.get_close_matches(service, known, n=1)
    there = say("There are: {services}.", services=", ".join(known))
    return say("Did you mean {name}?", name=near[0]) + " " + there if near else there
