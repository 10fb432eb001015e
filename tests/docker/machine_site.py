"""A second machine for tests: a container with a Docker engine and an SSH server of its own.

It has its own address, network namespace, engine and disk, so what is reached there is really not
on this machine. Nothing but its own network leads to it; with `network="none"` nothing at all
leads from it.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab import archive, labels
from swarmlab.cluster import tls
from swarmlab.images import builder, internet, recipe
from swarmlab.providers.dind import CAPABILITIES, SECURITY
from swarmlab.wait import Observation, until
from tests.docker import testhosts

INSTALL = (
    "apt-get -o Acquire::Retries=3 update -qq && apt-get -o Acquire::Retries=3 install -y -qq "
    "--no-install-recommends openssh-server && "
    "rm -rf /etc/ssh/ssh_host_* /var/lib/apt/lists/*"
)

# The node's own way of preparing a container for an engine, then an engine without a swarm.
START = """
prepare='/^prepare_mounts()/,/^}/p;/^prepare_cgroup2()/,/^}/p'
eval "$(sed -n "$prepare" /usr/local/sbin/swarmlab-node)"
prepare_mounts; prepare_cgroup2
if [ -x /usr/sbin/sshd ]; then
    mkdir -p /run/sshd; ssh-keygen -A; /usr/sbin/sshd
fi
chmod 700 /srv/engine
exec dockerd --storage-driver overlay2 --host unix:///srv/engine/docker.sock \
    --host unix:///var/run/docker.sock $MORE
"""
_TLS = (
    "--host tcp://0.0.0.0:2376 --tlsverify --tlscacert /etc/machine/ca.pem"
    " --tlscert /etc/machine/cert.pem --tlskey /etc/machine/key.pem"
)


@dataclass(frozen=True)
class Machine:
    """Where it is, and what lets one in; `socket` is its engine's, by way of the file system."""

    address: str
    socket: str
    folder: Path

    def by_tls(self) -> dict[str, str]:
        """The environment that points docker clients at it over TLS."""
        return {
            "DOCKER_HOST": f"tcp://{self.address}:2376",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.folder / "certs"),
        }

    def by_ssh(self) -> dict[str, str]:
        """The environment that points docker clients at it over SSH."""
        return {"DOCKER_HOST": f"ssh://root@{self.address}", **self.ssh_on_path()}

    def ssh_on_path(self) -> dict[str, str]:
        """The environment in which `ssh` has the throw-away key and knows no other."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def client(self) -> DockerClient:
        """A client of its engine that takes no way of swarmlab's."""
        return DockerClient(base_url=self.socket, version="auto", timeout=120)


@contextmanager
def machine(
    folder: Path, name: str, *, lonely: bool = False, flags: str = "", disk: str = ""
) -> Iterator[Machine]:
    """A second machine for the time of the block; `lonely`: without any network.

    `flags` are more of its engine's; `disk` is how much that engine's data may take (`300m`), all
    in memory.
    """
    here = docker.from_env(version="auto")
    image = _node(here) if lonely else with_ssh(here)
    told = {labels.LAB: name, labels.ROLE: labels.ROLE_BUILD}
    api: Any = here.api
    try:
        address = "" if lonely else _network(api, name, told)
        _keys(folder, address)
        (folder / "engine").mkdir(mode=0o700)
        config: dict[str, Any] = {
            "Image": image,
            "Entrypoint": ["bash", "-ec", START],
            "Cmd": [],
            "Env": [f"MORE={flags}{'' if lonely else _TLS}"],
            "Labels": told,
            "HostConfig": {
                "CapAdd": list(CAPABILITIES),
                "SecurityOpt": list(SECURITY),
                "MaskedPaths": [],
                "ReadonlyPaths": [],
                "NetworkMode": "none" if lonely else labels.network(name),
                "Binds": [f"{folder / 'engine'}:/srv/engine"],
                "Mounts": [] if disk else [{"Type": "volume", "Target": "/var/lib/docker"}],
                "Tmpfs": {"/var/lib/docker": f"size={disk},exec"} if disk else {},
                "CgroupnsMode": "private" if api.info().get("CgroupVersion") == "2" else "",
            },
        }
        if not lonely:
            config["NetworkingConfig"] = {
                "EndpointsConfig": {labels.network(name): {"IPAMConfig": {"IPv4Address": address}}}
            }
        container = api.create_container_from_config(config, labels.container(name, "machine"))
        if not lonely:
            _put(api, container["Id"], folder)
        api.start(container)
        there = Machine(address, f"unix://{folder / 'engine' / 'docker.sock'}", folder)
        _answers(there, api, container["Id"])
        yield there
    finally:
        of = {"label": f"{labels.LAB}={name}"}
        for one in api.containers(all=True, filters=of):
            api.remove_container(one["Id"], v=True, force=True)
        for net in api.networks(filters=of):
            api.remove_network(net["Id"])
        here.close()


def give(there: Machine, *names: str) -> None:
    """Copy images of this engine to that machine's."""
    here = docker.from_env(version="auto")
    references = [one.reference for one in builder.ensure(names, engine=here) if one.name in names]
    client = there.client()
    with io.BytesIO() as whole:
        api: Any = here.api
        url = api._url("/images/get")
        for block in api._stream_raw_result(
            api._get(url, params={"names": references}, stream=True), 1 << 20, False
        ):
            whole.write(block)
        whole.seek(0)
        client.images.load(whole)
    client.close()
    here.close()


def _answers(there: Machine, api: Any, container: str) -> None:
    def look() -> Observation[None]:
        try:
            client = there.client()
            client.ping()
            client.close()
        except (DockerException, RequestException) as error:
            return Observation(False, f"{error} {api.logs(container, tail=3)!r}"[-300:])
        return Observation(True, "it answers")

    until("the machine's engine", look, within=120)


def _network(api: Any, name: str, told: dict[str, str]) -> str:
    def make(subnet: str) -> None:
        ipam = {"Driver": "default", "Config": [{"Subnet": subnet}]}
        api.create_network(labels.network(name), ipam=ipam, labels=told)

    return str(IPv4Network(testhosts.made(lambda free: str(free[0]), make))[20])


def _keys(folder: Path, address: str) -> None:
    authority = tls.make_authority("machine")
    server = tls.issue_server(authority, "machine", [address] if address else [])
    client = tls.issue_client(authority, "tests")
    (folder / "certs").mkdir(mode=0o700)
    (folder / "server").mkdir(mode=0o700)
    for where, pair in (("certs", client), ("server", server)):
        (folder / where / "ca.pem").write_bytes(authority.cert)
        (folder / where / "cert.pem").write_bytes(pair.cert)
        (folder / where / "key.pem").write_bytes(pair.key)
    (folder / "bin").mkdir()
    if address:
        key = folder / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        (folder / "config").write_text(
            f"IdentityFile {key}\nIdentitiesOnly yes\nStrictHostKeyChecking no\n"
            f"UserKnownHostsFile {folder / 'known'}\nLogLevel ERROR\n"
        )
        program = folder / "bin" / "ssh"
        program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder / "config"} "$@"\n')
        program.chmod(0o755)


def _put(api: Any, container: str, folder: Path) -> None:
    files = {
        f"/etc/machine/{path.name}": path.read_bytes() for path in (folder / "server").iterdir()
    }
    keys = "/root/.ssh/authorized_keys"
    files[keys] = folder.joinpath("id.pub").read_bytes()
    packed = archive.pack(files, modes=dict.fromkeys(files, archive.PRIVATE))
    api.put_archive(container, "/", packed)


def _node(here: DockerClient) -> str:
    built = builder.ensure(["node"], engine=here)
    return next(one.reference for one in built if one.name == "node")


def with_ssh(here: DockerClient) -> str:
    """The node's image with an SSH server; made once, and kept as build cache is."""
    target = f"swarmlab/test-machine:{recipe.reference('node').rpartition(':')[2]}"
    if not here.images.list(name=target):
        # Not by a build: that would ask for the engine's own bridge, which it need not have.
        container = here.containers.create(
            _node(here),
            entrypoint=["sh", "-ec", INSTALL],
            command=[],
            network_mode="host",
            environment={**internet.proxies(), "DEBIAN_FRONTEND": "noninteractive"},
            labels={labels.ROLE: labels.ROLE_BUILD},
        )
        try:
            container.start()
            code = container.wait(timeout=300)["StatusCode"]
            assert code == 0, container.logs(tail=20).decode()
            name, _, tag = target.rpartition(":")
            container.commit(repository=name, tag=tag, changes="ENV http_proxy= https_proxy=")
        finally:
            container.remove(force=True, v=True)
    return target
