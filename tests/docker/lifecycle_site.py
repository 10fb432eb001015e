"""Helpers of the tests of a lab's life: what is said, what is left, runs that are cut short."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker

from swarmlab.cluster import lifecycle
from swarmlab.cluster.cluster import Cluster
from swarmlab.progress import Stage
from swarmlab.providers import dind
from swarmlab.wait import Observation, until
from tests.docker import heard

if TYPE_CHECKING:
    from docker import DockerClient

UP = (
    "import sys; from swarmlab.cluster import lifecycle\n"
    "try: lifecycle.up(sys.argv[1]).close()\n"
    "except KeyboardInterrupt: sys.exit(130)\n"
)


@dataclass(frozen=True)
class LabNode:
    """One node of the test lab."""

    name: str
    address: str


@dataclass(frozen=True)
class RealLab:
    """A three-manager lab on the real engine, under a name of its own."""

    cluster: Cluster
    nodes: tuple[LabNode, ...]

    @property
    def name(self) -> str:
        return self.cluster.name

    def engine(self, node: str) -> DockerClient:
        """A client of the node's engine."""
        return self.cluster.engine(node)


class Heard:
    """Progress that remembers everything that was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.stages: list[str] = []
        self.said: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        self.stages.append(title)
        yield self

    def say(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def all(self) -> str:
        return "\n".join([*self.stages, *self.said, *self.notes])


def host() -> Any:
    """The host engine's API, asked directly and not through swarmlab."""
    return docker.from_env(version="auto").api


def stop(box: str) -> None:
    """Stop a container; returns when the engine is done with it, and its list says so."""
    host().stop(box, timeout=10)
    dind.let_go(host(), box)


def kill(box: str) -> None:
    """The same without a word to the container."""
    host().kill(box)
    dind.let_go(host(), box)


def left(name: str) -> list[str]:
    """Everything on the host's engine that belongs to the lab, by label or by name."""
    api = host()
    label = {"label": f"swarmlab.lab={name}"}
    named = {"name": f"swarmlab-{name}"}
    found: list[str] = []
    for filters in (label, named):
        found += [c["Names"][0] for c in api.containers(all=True, filters=filters)]
        found += [v["Name"] for v in api.volumes(filters=filters).get("Volumes") or []]
        found += [n["Name"] for n in api.networks(filters=filters)]
    return sorted(set(found))


def cut_short(name: str, seen: Callable[[], bool], how: signal.Signals) -> int:
    """Run `up` in a process of its own and send it a signal once `seen`; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", UP, name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:

        def look() -> Observation[None]:
            assert process.poll() is None, "`up` ended before it could be interrupted"
            return Observation(seen(), "not that far yet")

        until("the moment to interrupt", look, within=300, every=0.02)
        process.send_signal(how)
        return process.wait(timeout=300)
    finally:
        process.kill()
        process.wait()


def looked(name: str) -> lifecycle.ClusterStatus:
    """The lab's status, once no engine is late: on a busy machine an answer may take longer than a
    look waits for it. What else is amiss is told as it is.
    """

    def look() -> Observation[lifecycle.ClusterStatus]:
        now = lifecycle.status(name)
        late = [one for one in now.problems if "does not answer within" in one]
        return Observation(not late, "; ".join(late), now)

    seen = until("the engines to answer in time", look, within=120).last.value
    assert seen is not None
    return seen


def containers(name: str, state: str | None = None) -> int:
    """How many containers of the lab there are, in that state."""
    filters: dict[str, Any] = {"label": f"swarmlab.lab={name}"}
    if state:
        filters["status"] = state
    return len(host().containers(all=True, filters=filters))


def networks(name: str) -> int:
    """How many networks of the lab there are."""
    return len(host().networks(filters={"label": f"swarmlab.lab={name}"}))


def typed(cluster: Cluster, script: str) -> tuple[int, str]:
    """Exit code and output of a bash script in the lab's workstation; see `heard.within`."""
    return heard.within(cluster.workstation, "bash", "-c", script)
