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

from swarmlab.cluster.cluster import Cluster
from swarmlab.progress import Stage
from swarmlab.wait import Observation, until

if TYPE_CHECKING:
    from docker import DockerClient

_END = "=== heard to the end ==="
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

        until("the moment to interrupt", look, within=90, every=0.02)
        process.send_signal(how)
        return process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()


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
    """Exit code and output of a bash script in the lab's workstation.

    An engine under load loses the words of a command that ends at once. So the end of the output
    is marked, and a script that was not heard to its end is typed again: it must bear that.
    """
    command = ["bash", "-c", 'bash -c "$1"; code=$?; printf %s "$2"; exit $code', "-", script, _END]

    def look() -> Observation[tuple[int, str]]:
        code, output = cluster.workstation.exec_run(command)
        assert isinstance(output, bytes)
        assert code is not None
        said = output.decode()
        return Observation(_END in said, said[-300:], (code, said.replace(_END, "")))

    heard = until("the whole output of a script", look, within=30).last.value
    assert heard is not None
    return heard
