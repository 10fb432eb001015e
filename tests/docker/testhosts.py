"""Machines of their own, as far as containers can be: each with an engine, on a network that the
lab's own engine does not put anything else on.

They are made from the nodes' image without its images, unprivileged as nodes are. Docker keeps
its bridges apart; two rules in its chain for users let the lab's network through to this one,
which carry a comment, by which they are found and taken away again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from swarmlab import archive
from swarmlab import engine as engines
from swarmlab.images import builder
from swarmlab.providers import subnets
from swarmlab.providers.dind import CAPABILITIES, SECURITY
from swarmlab.wait import Observation, until
from tests.docker.heard import once
from tests.docker.lifecycle_site import host

LABEL = "swarmlab.testhost"
"""On all that is made here; its value is the bridge's name."""
CERTS = "/etc/docker/certs"


@dataclass(frozen=True)
class Bridge:
    """A network for such machines; `name` is the network's and the device's."""

    name: str
    subnet: str

    def address(self, number: int) -> str:
        """The address of a machine, by a number of its own from 2 to 254."""
        return self.subnet.rpartition(".")[0] + f".{number}"


@contextmanager
def bridge() -> Iterator[Bridge]:
    """A network of its own that containers of other networks can reach; gone at the end, with
    all machines that are still on it."""
    name = f"slt{secrets.token_hex(4)}"
    api = host()
    try:
        # From the end of what labs take, so that no lab that is just being made takes the same.
        subnet = made(
            lambda free: str(free[-1]),
            lambda subnet: api.create_network(
                name,
                driver="bridge",
                options={"com.docker.network.bridge.name": name},
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
                labels={LABEL: name},
            ),
        )
        for way in ("-i", "-o"):
            _filter("-I", name, way)
        yield Bridge(name, subnet)
    finally:
        try:
            for way in ("-i", "-o"):
                _filter("-D", name, way)
        finally:
            until(f"all on {name} to be gone", lambda: _emptied(api, name), within=120)


def _emptied(api: Any, name: str) -> Observation[None]:
    """Remove what is there; one that was ended may have left the engine some of it to remove."""
    of = {"label": f"{LABEL}={name}"}
    boxes = [
        partial(api.remove_container, one["Id"], force=True, v=True)
        for one in api.containers(all=True, filters=of)
    ]
    volumes = [
        partial(api.remove_volume, one["Name"], force=True)
        for one in api.volumes(filters=of).get("Volumes") or []
    ]
    networks = [partial(api.remove_network, one["Id"]) for one in api.networks(filters=of)]
    for remove in (*boxes, *volumes, *networks):
        try:
            remove()
        except NotFound:
            continue
        except APIError as error:
            return Observation(False, str(error.explanation))
    return Observation(not boxes and not volumes and not networks, "removed just now")


def made(choose: Callable[[list[IPv4Network]], str], make: Callable[[str], object]) -> str:
    """The subnet that `choose` takes from those that are free, once a network is made with it.

    Whoever else makes one may have taken it since the engine was asked: then the next is chosen.
    """
    lost: list[IPv4Network] = []

    def attempt() -> Observation[str]:
        taken = [*subnets.of_engine(host().networks()), *subnets.routes(), *lost]
        taken = [network for network in taken if network.prefixlen >= 5]
        free = [one for one in subnets.candidates() if not any(one.overlaps(t) for t in taken)]
        subnet = choose(free)
        try:
            make(subnet)
        except APIError as error:
            if "overlap" not in str(error.explanation).lower():
                raise
            lost.append(IPv4Network(subnet))
            return Observation(False, str(error.explanation))
        return Observation(True, subnet, subnet)

    found = until("a subnet that nobody else takes", attempt, within=60).last.value
    assert found is not None
    return found


def image() -> str:
    """The nodes' image without what nodes hold."""
    built = builder.ensure(["node"], engine=engines.connect().client)
    return next(one.reference for one in built if one.name == "node")


def make(on: Bridge, machine: str, address: str) -> str:
    """The container of a machine of that host name, not started; its name."""
    api: Any = host()
    name = f"{on.name}-{machine}"
    marks = {LABEL: on.name}
    api.create_volume(name, labels=marks)
    api.create_container_from_config(
        {
            "Image": image(),
            "Hostname": machine,
            "Labels": marks,
            "HostConfig": {
                "CapAdd": list(CAPABILITIES),
                "SecurityOpt": list(SECURITY),
                "MaskedPaths": [],
                "ReadonlyPaths": [],
                "NetworkMode": on.name,
                "CgroupnsMode": "private",
                "Mounts": [{"Type": "volume", "Source": name, "Target": "/var/lib/docker"}],
            },
            "NetworkingConfig": {
                "EndpointsConfig": {on.name: {"IPAMConfig": {"IPv4Address": address}}}
            },
        },
        name,
    )
    return name


def give(container: str, certs: Mapping[str, bytes]) -> None:
    """Put the engine's ca.pem, cert.pem and key.pem in place; without them it opens no port."""
    files = {f"{CERTS}/{name}": content for name, content in certs.items()}
    modes = dict.fromkeys(files, archive.PRIVATE)
    host().put_archive(container, "/", archive.pack(files, modes=modes))


def rules(name: str) -> list[str]:
    """The packet filter's rules for that bridge, as iptables lists them."""
    return [line for line in _iptables("-S", "DOCKER-USER") if name in line]


def _filter(what: str, name: str, way: str) -> None:
    comment = ["-m", "comment", "--comment", f"{LABEL}={name}"]
    _iptables(what, "DOCKER-USER", way, name, *comment, "-j", "ACCEPT")


def _iptables(*words: str) -> list[str]:
    """iptables of the lab's engine's machine, by a container, so that no test needs to be root."""
    said = once(
        engines.connect().client,
        image(),
        list(words),
        entrypoint=["iptables", "-w"],
        network_mode="host",
        cap_add=["NET_ADMIN"],
    )
    return said.splitlines()
