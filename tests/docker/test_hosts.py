"""A lab on machines that exist already: the chapter, and engines left as they were found."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.types import ServiceMode

from swarmlab.wait import Observation, until
from tests.docker.hosts_site import Room, all_held, done, room, status, swarmlab
from tests.docker.lifecycle_site import left
from tests.docker.mesh_site import HTTP, IMAGE, SERVER, http_answer, look_until, published

pytestmark = pytest.mark.docker

NAME = f"hosts-{os.getpid()}"
PORT = 18091
NAMES = ("swarm-1", "swarm-2", "swarm-3")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Three machines, one of which has something of its own."""
    with room(tmp_path_factory.mktemp("there"), NAME, NAMES) as made:
        client = made.machines[1].client()
        client.volumes.create("data")
        client.networks.create("own")
        client.close()
        yield made
    assert left(NAME) == []


def test_the_chapter_on_machines_of_ones_own(there: Room) -> None:
    before = all_held(there)
    try:
        done(there, "up", "--hosts", str(there.file(over=("ssh", "tcp", "context"))))
        assert "already up" in swarmlab(there, "up").stderr
        left_open(there)
        found = json.loads(done(there, "run", "--json", timeout=1200))
    finally:
        ended = swarmlab(there, "down")
    assert ended.returncode == 0, ended.stderr
    wrong = [
        (step["id"], check["id"], check["verdict"], check["actual"])
        for step in found["steps"]
        for check in step["checks"]
        if check["verdict"] != "passed"
    ]
    assert wrong == []
    assert len(found["steps"]) == 14
    assert all_held(there) == before
    assert "nothing to remove" in done(there, "down")


def left_open(there: Room) -> None:
    """A shell on the second machine that a student has opened in the workstation and forgotten."""
    api: Any = docker.from_env(version="auto").api
    argv = ["docker-machine", "ssh", "swarm-2", "sleep", "900"]
    api.exec_start(api.exec_create(f"swarmlab-{NAME}-workstation", argv)["Id"], detach=True)
    api.close()
    client = there.machines[1].client()
    role: Any = {"label": "swarmlab.role=shell"}
    look_until("the shell to open", lambda: len(client.containers.list(filters=role)) == 1, 60)
    client.close()


@pytest.mark.long
def test_machines_of_ones_own_may_be_workers(there: Room) -> None:
    before = all_held(there)
    with contextlib.ExitStack() as ends:
        ends.callback(swarmlab, there, "down")
        done(there, "up", "--hosts", str(there.file()), "--managers", "1", "--workers", "2")
        found = status(there)
        roles = {node["name"]: node["role"] for node in found["nodes"]}
        assert roles == dict(zip(NAMES, ("manager", "worker", "worker"), strict=True))
        assert found["healthy"] and found["quorum"]["managers"] == 1
        client: Any = ends.enter_context(contextlib.closing(there.machines[0].client()))
        client.services.create(
            IMAGE,
            ["python3", "-u", "-c", SERVER],
            name="web",
            mode=ServiceMode("replicated", 2),
            constraints=["node.role==worker"],
            healthcheck={"test": ["NONE"]},
            endpoint_spec=published((PORT, HTTP, "tcp")),
        )

        def tasks() -> dict[str, str]:
            """The node of each task that runs."""
            listed = client.api.tasks(filters={"service": "web", "desired-state": "running"})
            return {
                one["Status"]["ContainerStatus"]["ContainerID"][:12]: one["NodeID"]
                for one in listed
                if one["Status"]["State"] == "running"
            }

        look_until("two tasks on the workers", lambda: len(set(tasks().values())) == 2, within=180)
        for machine in there.machines:
            answered: set[str] = set()

            def both(address: str = machine.address, seen: set[str] = answered) -> bool:
                seen.add(http_answer(address, PORT))
                return seen == set(tasks())

            look_until(f"{machine.hostname} to lead to both", both, within=180)
        client.services.get("web").remove()
        ended = swarmlab(there, "down")
        assert ended.returncode == 0, ended.stderr
    assert all_held(there) == before


def test_machines_that_will_not_do_are_told_together_and_not_touched(there: Room) -> None:
    """A swarm, a container, a listener and another name, on three machines."""
    one, two, three = there.machines
    clients = [machine.client() for machine in there.machines]
    file = str(there.file())
    try:
        clients[0].swarm.init(advertise_addr=one.address)
        three.run("sh", "-c", "tar -C /etc -c hostname | docker import - foreign:1")
        clients[2].containers.create("foreign:1", ["web"], name="web")
        two.run("hostname", "pc-02")
        until_there(clients[0], "docker_gwbridge")
        before = all_held(there)
        refused = swarmlab(there, "up", "--hosts", file)
        assert refused.returncode == 3
        assert "3 things speak against" in refused.stderr
        assert "swarm-1: it is in a swarm already (active, manager of 1 node)" in refused.stderr
        assert "swarm-2: its machine is called pc-02" in refused.stderr
        assert "swarm-3: its engine has a container of others (web)" in refused.stderr
        assert all_held(there) == before
        assert left(NAME) == []
    finally:
        two.run("hostname", "swarm-2")
        clients[0].swarm.leave(force=True)
        until_gone(clients[0], "ingress", "docker_gwbridge")
        for box in clients[2].containers.list(all=True):
            box.remove(force=True, v=True)
        clients[2].images.remove("foreign:1")
        for client in clients:
            client.close()


def test_a_firewall_is_told_with_its_ports_before_a_swarm_is_begun(there: Room) -> None:
    """One machine that lets nothing in but its engine, and drops the rest without a word."""
    third = there.machines[2]
    third.run(
        "sh",
        "-ec",
        """
        iptables -N firewall
        iptables -A firewall -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
        iptables -A firewall -p tcp --dport 2376 -j RETURN
        iptables -A firewall -j DROP
        iptables -I INPUT ! -i lo -j firewall""",
    )
    before = all_held(there)
    try:
        refused = swarmlab(there, "up", "--hosts", str(there.file()))
        after = all_held(there), left(NAME)
    finally:
        third.run(
            "sh",
            "-c",
            "iptables -D INPUT ! -i lo -j firewall; iptables -F firewall; iptables -X firewall",
        )
    said = " ".join(refused.stderr.split())
    assert refused.returncode == 3
    assert "2 things speak against a lab on these machines." in said
    assert (
        "swarm-3: it cannot be reached from this computer at "
        "TCP 80, TCP 443, TCP 8080, TCP 8500, TCP 12376."
    ) in said
    assert (
        "swarm-3: it cannot be reached from swarm-1, swarm-2 at TCP 2377, TCP 7946, TCP 8300, "
        "TCP 8301, UDP 4789, UDP 7946, UDP 8301."
    ) in said
    assert after == (before, [])


def until_there(client: docker.DockerClient, network: str) -> None:
    """A network that an engine makes a moment after it has said that its swarm is there."""

    def look() -> Observation[None]:
        names = sorted(str(net.name) for net in client.networks.list())
        return Observation(network in names, ", ".join(names))

    until(f"{network} to be made", look, within=120)


def until_gone(client: docker.DockerClient, *networks: str) -> None:
    """Remove networks that an engine is just letting go of."""

    def look() -> Observation[None]:
        left = client.networks.list(names=list(networks))
        for net in left:
            try:
                net.remove()
            except docker.errors.APIError as error:
                return Observation(False, str(error))
        return Observation(not left, "removed just now")

    until(f"{' and '.join(networks)} to go", look, within=120)
