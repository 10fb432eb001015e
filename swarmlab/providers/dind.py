"""Nodes as containers: a Docker engine inside a container, on a bridge network of its own.

The containers are never privileged. What they get instead was tried by hand: three
capabilities, no seccomp and AppArmor profile, and the system paths unmasked, so that the engine
inside can mount, make namespaces and write to /proc/sys/net. They still cannot open the host's
disks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from swarmlab import archive, labels, lookout
from swarmlab.engine import Engine
from swarmlab.errors import UsageError
from swarmlab.providers import subnets, ways
from swarmlab.providers.base import LAB_PORTS, Info, Node, NodeState, Reach
from swarmlab.providers.network import LabNetwork
from swarmlab.providers.problems import explained, no_vxlan
from swarmlab.size import UNKNOWN, Size
from swarmlab.words import say

# SYS_PTRACE reaches no further than the node's own processes. Without it the inner engine cannot
# enter a container whose process is not root: `docker exec` there would end with "setns".
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
# SELinux keeps a labelled process from mounting; without SELinux the third says nothing.
SECURITY = ("seccomp=unconfined", "apparmor=unconfined", "label=disable")
# A link of a number and a port of its own, so that it meets no overlay network.
VXLAN = "ip link add name slprobe type vxlan id 16777000 dstport 4790 && ip link del dev slprobe"

_STATES = {"running": NodeState.RUNNING}


class Dind(LabNetwork):
    """Nodes as containers on one engine, for one lab."""

    name = "dind"
    contained = True

    def __init__(
        self,
        engine: Engine,
        lab: str,
        *,
        image: Callable[[], str] = lambda: "",
        size: Size = UNKNOWN,
    ) -> None:
        """`image` tells the nodes' image and `size` their number; only to make nodes."""
        super().__init__(engine, lab, size=size)
        self._image = image

    def address(self, node: str) -> str:
        """The fixed address of a node, known before it is made."""
        assert self.subnet is not None, "prepare or adopt comes first"
        return subnets.node(self.subnet, number(node))

    def place(self, node: str) -> Node:
        if self.reach is not Reach.DIRECT:
            found = self.info().node(node)
            if found is not None:
                return found
        return Node(node, self.address(node), NodeState.RUNNING)

    def certs(self, node: str) -> Path | None:
        """None: the nodes' engines have the lab's own certificates."""
        return None

    def create(self, node: str) -> None:
        with explained(say("making {node}", node=node)):
            self._api.create_container_from_config(
                self._configuration(node), labels.container(self._lab, node)
            )

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        name = labels.container(self._lab, node)
        with explained(say("starting {node}", node=node)):
            if self._api.inspect_container(name)["State"]["Paused"]:
                self._api.unpause(name)
                return
            if files:
                modes = dict.fromkeys(files, archive.PRIVATE)
                self._api.put_archive(name, "/", archive.pack(files, modes=modes))
            self._api.start(name)

    def stop(self, node: str) -> None:
        name = labels.container(self._lab, node)
        with explained(say("stopping {node}", node=node)):
            self._api.stop(name, timeout=10)
            let_go(self._api, name)

    def pause(self, node: str) -> None:
        """Freeze all processes of the node; `start` lets them go on."""
        with explained(say("pausing {node}", node=node)):
            self._api.pause(labels.container(self._lab, node))

    def remove(self, node: str) -> tuple[str, ...]:
        name = labels.container(self._lab, node)
        with explained(say("removing {node}", node=node)):
            with suppress(NotFound):
                self._api.remove_container(name, v=True, force=True)
            with suppress(NotFound):
                self._api.remove_volume(name, force=True)
        return ()

    def left(self) -> tuple[str, ...]:
        """None: what there is of its nodes is on the lab's own engine."""
        return ()

    def info(self) -> Info:
        with explained(say("looking for the lab's containers")):
            containers = self._api.containers(all=True, filters=labels.of(self._lab))
        return ways.reached(self._engine, self._lab, read(containers))

    def last_words(self, node: str) -> str | None:
        name = labels.container(self._lab, node)
        with explained(say("looking at {node}", node=node)):
            state = self._api.inspect_container(name)["State"]
            if state["Running"]:
                return None
            said = self._api.logs(name, tail=12).decode("utf-8", "replace").strip()
        if state.get("OOMKilled"):
            return f"killed for want of memory\n{said}".strip()
        ended = say("ended with exit code {code}", code=state.get("ExitCode"))
        return f"{ended}\n{said}".strip()

    def check_kernel(self, node: str) -> None:
        """Make a VXLAN link in the running node, and take it away again.

        Overlay networks need it, and Swarm itself would complain only much later. Raises
        EnvironmentProblem when the kernel has none.
        """
        with explained(say("trying the kernel in {node}", node=node)):
            box = labels.container(self._lab, node)
            code, said = lookout.run(self._api, box, ["sh", "-c", VXLAN])
        # That a node has ended meanwhile says nothing of its kernel.
        if code > 0:
            raise no_vxlan(said.strip())

    def _configuration(self, node: str) -> dict[str, Any]:
        address = self.address(node)
        published = self.reach is Reach.PUBLISHED
        ports = [f"{port}/tcp" for port in LAB_PORTS] if published else []
        own = {labels.NODE: node, labels.ADDRESS: address, labels.REACH: self.reach.value}
        own |= {labels.PUBLISH: self.publish} if self.publish else {}
        network = labels.network(self._lab)
        host: dict[str, Any] = {
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": list(SECURITY),
            # What `--security-opt systempaths=unconfined` stands for.
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "NetworkMode": network,
            # With cgroup v1, a node in the machine's own namespace could mount the hierarchy's
            # root, where `release_agent` has the kernel start a program outside of any container.
            "CgroupnsMode": "private",
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": labels.container(self._lab, node),
                    "Target": "/var/lib/docker",
                    "VolumeOptions": {
                        "NoCopy": True,
                        "Labels": self._labels(labels.ROLE_VOLUME, own),
                    },
                }
            ],
            # The engine chooses the ports, so that labs side by side never meet.
            "PortBindings": {
                port: [{"HostIp": self.publish or "127.0.0.1", "HostPort": ""}] for port in ports
            },
        }
        return {
            "Image": self._image(),
            "Hostname": node,
            "Labels": self._labels(labels.ROLE_NODE, own),
            "ExposedPorts": {port: {} for port in ports},
            "HostConfig": host,
            "NetworkingConfig": {
                "EndpointsConfig": {
                    network: {"IPAMConfig": {"IPv4Address": address}, "Aliases": [node]}
                }
            },
        }


def let_go(api: Any, container: str) -> None:
    """Wait until an engine is done with a container that has just ended.

    It answers `stop` and `kill` at the end of the process: until it has cleared up, its list says
    that the container runs, and its address is taken (moby, daemon/monitor.go). An inspection
    waits for its turn behind that.
    """
    api.inspect_container(container)


def read(containers: list[dict[str, Any]]) -> Info:
    """The nodes among an engine's list of containers, in the order of their numbers."""
    nodes = []
    instance, size = "", UNKNOWN
    for container in containers:
        told = container.get("Labels") or {}
        if told.get(labels.ROLE) != labels.ROLE_NODE:
            continue
        instance = instance or told.get(labels.INSTANCE, "")
        size = max(size, Size.told(told), key=lambda one: one.count)
        nodes.append(
            Node(
                name=told[labels.NODE],
                address=told.get(labels.ADDRESS, ""),
                state=_STATES.get(container.get("State", ""), NodeState.STOPPED),
                reach=Reach.told(told.get(labels.REACH, "direct")),
                ports=_ports(container.get("Ports") or []),
                detail=container.get("Status", ""),
            )
        )
    nodes.sort(key=lambda node: number(node.name))
    return Info(tuple(nodes), instance, size)


def number(node: str) -> int:
    """The number in a node's name: `swarm-2` is 2. Raises UsageError for another name."""
    head, _, tail = node.rpartition("-")
    if head != "swarm" or not tail.isdigit():
        raise UsageError(
            say("{node!r} is no node's name.", node=node),
            hint=say("Name one of the nodes: swarm-1, swarm-2 and so on."),
        )
    return int(tail)


def _ports(listed: list[dict[str, Any]]) -> dict[int, tuple[str, int]]:
    return {
        int(port["PrivatePort"]): (str(port["IP"]), int(port["PublicPort"]))
        for port in listed
        if port.get("PublicPort") and port.get("Type") == "tcp"
    }
