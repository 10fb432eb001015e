"""What an attacker finds: with an account on this machine, in a container elsewhere, in the lab.

What `docs/security.md` says, and the commands it gives, tried for real.
"""

from __future__ import annotations

import os
import socket
import stat
import uuid
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.types import IPAMConfig, IPAMPool

from swarmlab import labels
from swarmlab.images import recipe
from swarmlab.wait import Observation, until
from tests.docker import testhosts
from tests.docker.heard import once, within
from tests.docker.lifecycle_site import RealLab, typed

pytestmark = pytest.mark.docker

PORTS = (2375, 2376, 4243, 8500, 80, 8080)
OPEN = 8500
"""Where something listens without asking who comes: Consul, in the chapter."""

ASK = """
for where in "$@"; do
    timeout 3 bash -c "exec 3<>/dev/tcp/${where%:*}/${where#*:}" 2>/dev/null && echo "$where" &
done
wait
"""


@pytest.fixture(scope="module")
def engine(lab: RealLab) -> DockerClient:
    return lab.cluster.host_engine()


@pytest.fixture(scope="module")
def consul(lab: RealLab) -> Iterator[str]:
    """A node's address, at which something answers everybody on Consul's port."""
    host = lab.cluster.host_engine()
    container = host.containers.get(f"swarmlab-{lab.name}-swarm-1")
    container.exec_run(["python3", "-m", "http.server", str(OPEN)], detach=True)
    address = lab.nodes[0].address

    def answers() -> Observation[None]:
        try:
            socket.create_connection((address, OPEN), timeout=1).close()
        except OSError as error:
            return Observation(False, str(error))
        return Observation(True, "it answers")

    until("the open port of the node", answers, within=20)
    yield address
    container.exec_run(["pkill", "-f", f"http.server {OPEN}"])


def reached(engine: DockerClient, network: str, targets: list[str], **options: Any) -> list[str]:
    """Those of the targets (`host:port`) that a container of that network connects to."""
    return once(
        engine,
        recipe.reference("workstation"),
        targets,
        entrypoint=["bash", "-c", ASK, "ask"],
        network=network,
        **options,
    ).split()


def run_as_nobody(engine: DockerClient, script: str) -> str:
    """What another user of this machine sees: its network, processes and files, and no rights."""
    return once(
        engine,
        recipe.reference("workstation"),
        [],
        entrypoint=["bash", "-c", f"exec 2>&1; {script}"],
        user="65534:65534",
        cap_drop=["ALL"],
        network_mode="host",
        pid_mode="host",
        volumes={"/": {"bind": "/host", "mode": "ro"}},
    )


# An account on the same machine.


def test_another_user_finds_no_engine_that_lets_him_in(lab: RealLab, engine: DockerClient) -> None:
    nodes = " ".join(node.address for node in lab.nodes)
    said = run_as_nobody(
        engine,
        "curl -sS -m 20 --unix-socket /host/var/run/docker.sock http://x/version || echo REFUSED\n"
        f"for node in {nodes}; do\n"
        "  curl -sS -m 20 -k https://$node:2376/version || echo REFUSED\n"
        "  curl -sS -m 20 http://$node:2375/version || echo REFUSED\n"
        "done",
    )
    assert said.count("REFUSED") == 1 + 2 * len(lab.nodes), said
    assert "ApiVersion" not in said
    # The engine itself refuses: it is there, and asks for a certificate.
    assert said.count("certificate required") + said.count("bad certificate") == len(lab.nodes)


def test_another_user_reads_no_key(lab: RealLab, engine: DockerClient) -> None:
    folder = lab.cluster.certificates
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
        assert path.stat().st_uid == os.getuid()
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    said = run_as_nobody(engine, f"cat /host{folder}/key.pem || echo REFUSED")
    assert "Permission denied" in said and "REFUSED" in said
    assert "PRIVATE KEY" not in said
    # Nor in what a process shows to everybody: command lines. Another test plants a token there,
    # which is shorter than a real one.
    token = "SWMTKN-[1]-[0-9a-z]\\{40\\}"
    look = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '{token}' || true"
    assert run_as_nobody(engine, look).strip() == "0"


def test_no_port_of_a_lab_is_open_off_this_machine(engine: DockerClient) -> None:
    """Of every lab that runs here now; only another test's may have been asked to be open."""
    found = engine.api.containers(filters={"label": "swarmlab.role=node"})
    assert found
    for container in found:
        opened = {port["IP"] for port in container["Ports"] if port.get("IP")}
        assert opened <= {container["Labels"].get(labels.PUBLISH, "127.0.0.1")}, container["Names"]


# A container on another network of the same engine.


@pytest.fixture
def elsewhere(engine: DockerClient) -> Iterator[tuple[str, str]]:
    """Another network: its name, and the address that this machine has in it."""
    name = f"elsewhere-{uuid.uuid4().hex[:8]}"

    def make(subnet: str) -> None:
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
        engine.networks.create(name, ipam=ipam, labels={"swarmlab.role": "build"})

    subnet = IPv4Network(testhosts.made(lambda free: str(free[0]), make))
    try:
        yield name, str(subnet[1])
    finally:
        engine.networks.get(name).remove()


def test_a_container_elsewhere_reaches_nothing(
    lab: RealLab, engine: DockerClient, consul: str, elsewhere: tuple[str, str]
) -> None:
    network, here = elsewhere
    gateway = f"{consul.rpartition('.')[0]}.1"
    hosts = [*(node.address for node in lab.nodes), here, gateway]
    targets = [f"{host}:{port}" for host in hosts for port in PORTS]
    assert reached(engine, network, targets) == []
    # The same container on the lab's own network does: what is tried above is really open.
    assert f"{consul}:{OPEN}" in reached(engine, f"swarmlab-{lab.name}", [f"{consul}:{OPEN}"])


# A container of the lab.


def test_the_workstation_has_no_rights_and_no_way_to_the_host(
    lab: RealLab, engine: DockerClient, consul: str
) -> None:
    gateway = f"{consul.rpartition('.')[0]}.1"
    script = "exec 2>&1; ls /var/run/docker.sock /run/docker.sock; ls /dev"
    said = heard("zero", lambda: typed(lab.cluster, script)[1])
    assert "sda" not in said and "vda" not in said and "nvme" not in said
    assert said.count("No such file") == 2
    code, said = typed(lab.cluster, "mount -t tmpfs x /mnt; mount --bind / /mnt")
    assert code != 0
    targets = " ".join(f"{gateway}:{port}" for port in (2375, 2376, 4243))
    assert typed(lab.cluster, f"set -- {targets}\n{ASK}")[1] == ""
    container = lab.cluster.workstation
    told = container.attrs["HostConfig"]
    assert not told["Privileged"] and not told["CapAdd"] and not told["Binds"]


def test_a_container_on_a_node_opens_no_disk_of_the_host(lab: RealLab) -> None:
    """Not as the chapter's services run, and not as root in the node itself."""
    script = (
        "set -- $(awk '$4 ~ /^([sv]d[a-z]|nvme[0-9]+n[0-9]+)$/ { print $1, $2; exit }'"
        " /proc/partitions)\n"
        'mknod /tmp/disk b "$1" "$2" && head -c 1 /tmp/disk && echo READ; rm -f /tmp/disk\n'
    )
    container = lab.engine("swarm-1").containers.create(
        "swarmlab/util:1.0", ["sh", "-c", f"exec 2>&1; {script}"]
    )
    try:
        container.start()
        container.wait(timeout=30)
        inner = heard("not permitted", lambda: container.logs().decode())
    finally:
        container.remove(force=True, v=True)
    outer = heard("not permitted", lambda: on_node(lab, script)[1])
    assert "READ" not in inner + outer


def test_root_in_a_node_finds_no_way_out_through_cgroups(lab: RealLab) -> None:
    """The root of a cgroup v1 hierarchy has a file that names a program to run outside."""
    for node in lab.nodes:
        _, said = on_node(
            lab,
            "mkdir -p /tmp/cg; for of in devices memory cpu pids rdma misc; do\n"
            "mount -t cgroup -o $of cg /tmp/cg 2>/dev/null || continue\n"
            "[ ! -e /tmp/cg/release_agent ] || echo FOUND $of; umount /tmp/cg; done",
            node.name,
        )
        assert "FOUND" not in said
    sockets = "ls /run/docker.sock; cat /proc/1/comm; find / -xdev -type s -name 'docker*.sock'"
    _, said = on_node(lab, f"docker info --format '{{{{.Name}}}}'; {sockets}")
    # The only engine in a node is its own.
    assert said.splitlines()[0] == "swarm-1"


def heard(sign: str, look: Callable[[], str]) -> str:
    """What was said, once it holds the sign: an engine may lose the words of a short exec."""

    def listen() -> Observation[str]:
        said = look()
        return Observation(sign in said or "READ" in said, said[-300:], said)

    said = until(f"the words {sign!r}", listen, within=20).last.value
    assert said is not None
    return said


def on_node(lab: RealLab, script: str, node: str = "swarm-1") -> tuple[int, str]:
    container = lab.cluster.host_engine().containers.get(f"swarmlab-{lab.name}-{node}")
    return within(container, "bash", "-c", f"exec 2>&1; {script}")


def test_the_page_names_this_file() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    assert "tests/docker/test_security.py" in (root / "docs" / "security.md").read_text()
