"""Nodes as containers: a Docker engine inside a container, on a bridge network of its own.

The containers are never privileged. What they get instead was tried by hand: three
capabilities, no seccomp and AppArmor profile, and the system paths unmasked, so that the engine
inside can mount, make namespaces and write to /proc/sys/net. They still cannot open the host's
disks.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from swarmlab import archive, labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.providers import subnets, ways
from swarmlab.providers.base import LAB_PORTS, Info, Node, NodeState, Reach
from swarmlab.providers.problems import explain, explained, no_vxlan, said
from swarmlab.size import UNKNOWN, Size

# SYS_PTRACE reaches no further than the node's own processes. Without it the inner engine cannot
# enter a container whose process is not root: `docker exec` there would end with "setns".
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
# SELinux keeps a labelled process from mounting; without SELinux the third says nothing.
SECURITY = ("seccomp=unconfined", "apparmor=unconfined", "label=disable")
# A link of a number and a port of its own, so that it meets no overlay network.
VXLAN = "ip link add name slprobe type vxlan id 16777000 dstport 4790 && ip link del dev slprobe"

_SUBNET_TRIES = 8
_BRIDGES = Path("/sys/class/net")
_STATES = {"running": NodeState.RUNNING}


class Dind:
    """Nodes as containers on one engine, for one lab."""

    name = "dind"

    def __init__(
        self,
        engine: Engine,
        lab: str,
        *,
        image: Callable[[], str] = lambda: "",
        size: Size = UNKNOWN,
    ) -> None:
        """`image` tells the nodes' image and `size` their number; only to make nodes."""
        self._engine = engine
        self._api: Any = engine.client.api
        self._lab = lab
        self._image = image
        self._size = size
        self.subnet: IPv4Network | None = None
        self.reach = Reach.DIRECT
        self.publish = ""
        self.instance = ""

    # -- the network -----------------------------------------------------------------------

    def prepare(self, reach: str = "auto", publish: str = "") -> None:
        """Make the lab's network and decide how the nodes will be reached.

        `reach` is `auto`, `direct`, `published` or `relay`; `publish` is the address to open
        published ports at, 127.0.0.1 when empty. Raises EnvironmentProblem when no subnet is
        free.
        """
        self.publish = publish
        self.instance = secrets.token_hex(8)
        with explained("making the lab's network"):
            taken = subnets.of_engine(self._api.networks())
        if self._here:
            taken += subnets.routes()
        for _ in range(_SUBNET_TRIES):
            subnet = subnets.choose(taken)
            try:
                network = self._make_network(subnet, reach)
            except APIError as error:
                text = said(error)
                # Someone else took the subnet between our look and our request.
                if "overlap" not in text.lower():
                    raise explain("making the lab's network", text) from error
                taken.append(subnet)
                continue
            self.subnet = subnet
            self.reach = self._choose_reach(reach, str(network["Id"]))
            return
        raise EnvironmentProblem(
            "No subnet for the lab: each one tried was taken at the same moment.",
            hint="Run the command again.",
        )

    def adopt(self) -> None:
        """Take subnet, reach and instance from the network that is there.

        Raises EnvironmentProblem when it is gone.
        """
        with explained("looking at the lab's network"):
            found = self._api.networks(names=[labels.network(self._lab)])
        exact = [net for net in found if net["Name"] == labels.network(self._lab)]
        if not exact:
            raise EnvironmentProblem("The lab's network is gone.", hint="Run `swarmlab up`.")
        told = exact[0]["Labels"] or {}
        self.subnet = subnets.of_engine(exact)[0]
        self.instance = told.get(labels.INSTANCE, "")
        found_size = Size.told(told)
        self._size = found_size if found_size.count else self._size
        self.publish = told.get(labels.PUBLISH, "")
        reach = told.get(labels.REACH, "auto")
        self.reach = self._choose_reach(reach, str(exact[0]["Id"]))

    def _make_network(self, subnet: IPv4Network, reach: str) -> dict[str, Any]:
        ipam: Any = {"Driver": "default", "Config": [{"Subnet": str(subnet)}]}
        made: dict[str, Any] = self._api.create_network(
            labels.network(self._lab),
            driver="bridge",
            check_duplicate=True,
            ipam=ipam,
            labels=self._labels(
                labels.ROLE_NETWORK, {labels.REACH: reach, labels.PUBLISH: self.publish}
            ),
        )
        return made

    @cached_property
    def _here(self) -> bool:
        """Whether the engine shares this machine's kernel, so that its routes are ours."""
        import platform

        return self._engine.target.local and self._engine.kernel == platform.release()

    def _choose_reach(self, wanted: str, network_id: str) -> Reach:
        """The way to the nodes: tried by looking for the network's bridge on this machine.

        It is there exactly where this machine can route to it: not with Docker Desktop, whose
        engine is in a virtual machine, nor with a rootless engine or one elsewhere.
        """
        if wanted != "auto":
            return Reach(wanted)
        if self._here and (_BRIDGES / f"br-{network_id[:12]}").exists():
            return Reach.DIRECT
        if not self._engine.target.local:
            # Its nodes open no port to the network: what reaches the engine reaches them, too.
            return Reach.RELAY
        return Reach.PUBLISHED

    # -- nodes -----------------------------------------------------------------------------

    def address(self, node: str) -> str:
        """The fixed address of a node, known before it is made."""
        assert self.subnet is not None, "prepare or adopt comes first"
        return subnets.node(self.subnet, number(node))

    def create(self, node: str) -> None:
        with explained(f"making {node}"):
            self._api.create_container_from_config(
                self._configuration(node), labels.container(self._lab, node)
            )

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        name = labels.container(self._lab, node)
        with explained(f"starting {node}"):
            if self._api.inspect_container(name)["State"]["Paused"]:
                self._api.unpause(name)
                return
            if files:
                modes = dict.fromkeys(files, archive.PRIVATE)
                self._api.put_archive(name, "/", archive.pack(files, modes=modes))
            self._api.start(name)

    def stop(self, node: str) -> None:
        with explained(f"stopping {node}"):
            self._api.stop(labels.container(self._lab, node), timeout=10)

    def pause(self, node: str) -> None:
        """Freeze all processes of the node; `start` lets them go on."""
        with explained(f"pausing {node}"):
            self._api.pause(labels.container(self._lab, node))

    def remove(self, node: str) -> None:
        name = labels.container(self._lab, node)
        with explained(f"removing {node}"):
            with suppress(NotFound):
                self._api.remove_container(name, v=True, force=True)
            with suppress(NotFound):
                self._api.remove_volume(name, force=True)

    def info(self) -> Info:
        with explained("looking for the lab's containers"):
            containers = self._api.containers(all=True, filters=labels.of(self._lab))
        return ways.reached(self._engine, self._lab, read(containers))

    def last_words(self, node: str) -> str | None:
        name = labels.container(self._lab, node)
        with explained(f"looking at {node}"):
            state = self._api.inspect_container(name)["State"]
            if state["Running"]:
                return None
            said = self._api.logs(name, tail=12).decode("utf-8", "replace").strip()
        if state.get("OOMKilled"):
            return f"killed for want of memory\n{said}".strip()
        return f"ended with exit code {state.get('ExitCode')}\n{said}".strip()

    def check_kernel(self, node: str) -> None:
        """Make a VXLAN link in the running node, and take it away again.

        Overlay networks need it, and Swarm itself would complain only much later. Raises
        EnvironmentProblem when the kernel has none.
        """
        with explained(f"trying the kernel in {node}"):
            run = self._api.exec_create(labels.container(self._lab, node), ["sh", "-c", VXLAN])
            said = self._api.exec_start(run["Id"]).decode("utf-8", "replace").strip()
            code = self._api.exec_inspect(run["Id"])["ExitCode"]
        if code != 0:
            raise no_vxlan(said)

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

    def _labels(self, role: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            labels.LAB: self._lab,
            labels.ROLE: role,
            labels.INSTANCE: self.instance,
            **self._size.marks,
            **(more or {}),
        }


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
        raise UsageError(f"{node!r} is no node's name.", hint="Nodes are swarm-1, swarm-2, ...")
    return int(tail)


def _ports(listed: list[dict[str, Any]]) -> dict[int, tuple[str, int]]:
    return {
        int(port["PrivatePort"]): (str(port["IP"]), int(port["PublicPort"]))
        for port in listed
        if port.get("PublicPort") and port.get("Type") == "tcp"
    }
