"""Machines for tests: containers with an engine and an SSH server each, on a network of their own.

Each has its own address, hostname, engine and disk. Their kernel's missing IPVS, if it is, is made
up for by the nodes' own fallback, as if it were theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.errors import DockerException
from docker.tls import TLSConfig
from requests.exceptions import RequestException

from swarmlab import archive, lookout
from swarmlab.providers.dind import CAPABILITIES, SECURITY
from swarmlab.wait import Observation, until
from tests import plain_certs
from tests.docker import testhosts
from tests.docker.machine_site import with_ssh

START = "mkdir -p /run/sshd; ssh-keygen -A >/dev/null; /usr/sbin/sshd; exec swarmlab-node"
API = "1.43"
_FIRST = 20  # in the subnet


@dataclass(frozen=True)
class Machine:
    """One of them; `box` is the container that it is on this engine."""

    hostname: str
    address: str
    box: str
    certs: Path

    def client(self) -> DockerClient:
        """A client of its engine that takes no way of swarmlab's."""
        made = DockerClient(
            base_url=f"https://{self.address}:2376",
            # Not found out: that would be asked before the environment is put out of its mind.
            version=API,
            timeout=60,
            tls=TLSConfig(
                client_cert=(str(self.certs / "cert.pem"), str(self.certs / "key.pem")),
                ca_cert=str(self.certs / "ca.pem"),
                verify=True,
            ),
        )
        made.api.trust_env = False
        return made

    def run(self, *words: str) -> str:
        """A command on it, as its root."""
        api: Any = docker.from_env(version="auto").api
        code, said = lookout.run(api, self.box, words)
        assert code == 0, said
        api.close()
        return said.strip()


@dataclass(frozen=True)
class Room:
    """Some machines, and what lets one in: certificates, and an `ssh` with a throw-away key.

    `name` is that of the lab to be made on them.
    """

    name: str
    folder: Path
    machines: tuple[Machine, ...]

    @property
    def environment(self) -> dict[str, str]:
        """In which `ssh` has the throw-away key and knows no other, and docker its contexts."""
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "DOCKER_CONFIG": str(self.folder / "docker"),
        }

    def by_tls(self, machine: Machine) -> dict[str, str]:
        """The environment in which that machine's engine is the one to use."""
        return {
            "DOCKER_HOST": f"tcp://{machine.address}:2376",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(machine.certs),
        }

    def file(self, *, over: Sequence[str] = (), name: str = "hosts.yaml", more: str = "") -> Path:
        """A hosts file; `over` says how each is reached: `tcp`, `ssh` or `context`."""
        lines = ["hosts:"]
        for machine, way in zip(self.machines, over or ["tcp"] * len(self.machines), strict=True):
            if way == "ssh":
                lines.append(f"  - engine: ssh://root@{machine.address}")
            elif way == "context":
                lines.append(f"  - context: {self._context(machine)}")
            else:
                lines.append(f"  - engine: tcp://{machine.address}:2376")
                lines.append(f"    certs: {machine.certs}")
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n" + more)
        return path

    def _context(self, machine: Machine) -> str:
        """The name of a docker context that leads to the machine's engine, made if need be."""
        name = f"at-{machine.hostname}"
        environment = {**os.environ, **self.environment}
        known = subprocess.run(
            ["docker", "context", "inspect", name], env=environment, capture_output=True
        )
        if known.returncode != 0:
            parts = ",".join(f"{part}={machine.certs / part}.pem" for part in ("ca", "cert", "key"))
            where = f"host=tcp://{machine.address}:2376,{parts}"
            subprocess.run(
                ["docker", "context", "create", name, "--docker", where],
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        return name


@contextmanager
def room(folder: Path, name: str, hostnames: Sequence[str]) -> Iterator[Room]:
    """Machines of those names for the time of the block."""
    here = docker.from_env(version="auto")
    api: Any = here.api
    with contextlib.closing(here), testhosts.bridge() as bridge:
        image = with_ssh(here)
        addresses = [bridge.address(_FIRST + number) for number in range(len(hostnames))]
        servers = _keys(folder, dict(zip(hostnames, addresses, strict=True)))
        machines = []
        for hostname, address in zip(hostnames, addresses, strict=True):
            box = f"{bridge.name}-{hostname}"
            api.create_container_from_config(
                _configuration(image, hostname, address, bridge.name), box
            )
            api.put_archive(box, "/", servers[hostname])
            api.start(box)
            machines.append(Machine(hostname, address, box, folder / "certs"))
        for machine in machines:
            _answers(machine, api)
        yield Room(name, folder, tuple(machines))


def swarmlab(
    there: Room, *words: str, timeout: float = 900, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """swarmlab with a name of its own for the lab, and the room's key for ssh."""
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words],
        env={
            **os.environ,
            "SWARMLAB_NAME": there.name,
            **there.environment,
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def done(
    there: Room, *words: str, timeout: float = 900, environment: Mapping[str, str] | None = None
) -> str:
    """The output of a command that must work."""
    ended = swarmlab(there, *words, timeout=timeout, environment=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def status(there: Room) -> dict[str, Any]:
    """The lab's status, once no engine is late: on a busy machine an answer may take longer than a
    look waits for it. What else is amiss is told as it is.
    """

    def look() -> Observation[dict[str, Any]]:
        told: dict[str, Any] = json.loads(swarmlab(there, "status", "--json").stdout)
        late = [one for one in told["problems"] if "does not answer within" in one]
        return Observation(not late, "; ".join(late), told)

    seen = until("the engines to answer in time", look, within=120).last.value
    assert seen is not None
    return seen


def held(machine: Machine) -> dict[str, Any]:
    """What the machine's engine holds, asked directly and not through swarmlab."""
    client = machine.client()
    api: Any = client.api
    info = api.info()
    try:
        return {
            "name": info["Name"],
            "swarm": info["Swarm"]["LocalNodeState"],
            "containers": {c["Id"]: c["State"] for c in api.containers(all=True)},
            "volumes": sorted(v["Name"] for v in api.volumes()["Volumes"] or []),
            "networks": sorted((n["Name"], n["Driver"]) for n in api.networks()),
            "images": {i["Id"]: sorted(i["RepoTags"] or []) for i in api.images()},
        }
    finally:
        client.close()


def all_held(there: Room) -> list[dict[str, Any]]:
    return [held(machine) for machine in there.machines]


def _configuration(image: str, hostname: str, address: str, network: str) -> dict[str, Any]:
    return {
        "Image": image,
        "Hostname": hostname,
        "Entrypoint": ["bash", "-ec", START],
        "Cmd": [],
        "Labels": {testhosts.LABEL: network},
        "HostConfig": {
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": list(SECURITY),
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "NetworkMode": network,
            "CgroupnsMode": "private",
            "Mounts": [{"Type": "volume", "Target": "/var/lib/docker"}],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": address}}}
        },
    }


def _keys(folder: Path, addresses: dict[str, str]) -> dict[str, bytes]:
    """Writes what lets one in; the files of each machine, packed."""
    authority = plain_certs.make_authority("elsewhere")
    client = plain_certs.issue_client(authority, "tests")
    certs = folder / "certs"
    certs.mkdir(mode=0o700)
    (certs / "ca.pem").write_bytes(authority.cert)
    (certs / "cert.pem").write_bytes(client.cert)
    (certs / "key.pem").write_bytes(client.key)
    key = folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (folder / "config").write_text(
        f"IdentityFile {key}\nIdentitiesOnly yes\nStrictHostKeyChecking no\n"
        f"UserKnownHostsFile {folder / 'known'}\nLogLevel ERROR\n"
    )
    (folder / "bin").mkdir()
    program = folder / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder / "config"} "$@"\n')
    program.chmod(0o755)
    packed = {}
    for hostname, address in addresses.items():
        server = plain_certs.issue_server(authority, hostname, [address])
        files = {
            "/etc/docker/certs/ca.pem": authority.cert,
            "/etc/docker/certs/cert.pem": server.cert,
            "/etc/docker/certs/key.pem": server.key,
            "/root/.ssh/authorized_keys": (folder / "id.pub").read_bytes(),
        }
        packed[hostname] = archive.pack(files, modes=dict.fromkeys(files, archive.PRIVATE))
    return packed


def _answers(machine: Machine, api: Any) -> None:
    def look() -> Observation[None]:
        try:
            client = machine.client()
            client.ping()
            client.close()
        except (DockerException, RequestException) as error:
            return Observation(False, f"{error} {api.logs(machine.box, tail=3)!r}"[-300:])
        return Observation(True, "it answers")

    until(f"the engine of {machine.hostname}", look, within=300)
