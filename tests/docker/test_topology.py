"""The drawing of the live cluster against a real one: what stands in it is what there is."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from docker.types import EndpointSpec, ServiceMode

from swarmlab.checks import CHECKS, proxies
from swarmlab.handout import diagrams
from swarmlab.handout.diagrams.look import look
from swarmlab.handout.diagrams.seen import Consul
from swarmlab.wait import Observation, until
from tests.docker.lifecycle_site import RealLab

pytestmark = pytest.mark.docker

PORTS: Any = {8080: 8080}


def becomes(lab: RealLab, which: str, **params: Any) -> None:
    def at() -> Observation[None]:
        found = CHECKS[which](lab.cluster, **params)
        return Observation(found.passed, found.actual, None)

    until(f"{which} {params}", at, within=180)


@pytest.fixture
def site(lab: RealLab) -> Iterator[RealLab]:
    """A Consul server and an agent, and two instances of the proxy; all of it removed again."""
    server = lab.cluster.address("swarm-1")
    consuls = []
    for node, role in (("swarm-1", ["-dev"]), ("swarm-2", [f"-retry-join={server}"])):
        data = [] if "-dev" in role else ["-data-dir=/tmp"]
        command = ["agent", *role, *data, "-client=0.0.0.0"]
        consuls.append(
            lab.engine(node).containers.run(
                "swarmlab/consul:1.8.7",
                [*command, f"-bind={lab.cluster.address(node)}"],
                name="consul",
                network_mode="host",
                detach=True,
            )
        )
    manager: Any = lab.engine("swarm-1")
    network = manager.networks.create("topology", driver="overlay", scope="swarm")
    service = None
    try:
        becomes(lab, "consul.members", alive=2, servers=1, nodes=["swarm-1", "swarm-2"])
        service = manager.services.create(
            "swarmlab/flow-proxy:1.0",
            name="proxy",
            mode=ServiceMode("replicated", 2),
            networks=[network.id],
            env=["MODE=swarm", f"CONSUL_ADDRESS={server}:8500"],
            endpoint_spec=EndpointSpec(ports=PORTS),
        )
        becomes(lab, "swarm.service", name="proxy", replicas=2, healthy=True)
        yield lab
    finally:
        if service is not None:
            service.remove()
        try:
            becomes(lab, "swarm.absent", services=["proxy"])
        finally:
            network.remove()
            for consul in consuls:
                consul.remove(force=True, v=True)
        becomes(lab, "consul.unreachable")


def topology(lab: RealLab, *words: str) -> str:
    """What the command prints, run as its users run it."""
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", "topology", "--name", lab.name, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_drawn_is_what_there_is(site: RealLab, tmp_path: Path) -> None:
    seen = look(site.cluster)
    members = {one["Description"]["Hostname"]: one for one in site.engine("swarm-1").api.nodes()}
    for node in seen.nodes:
        leads = bool(members[node.name]["ManagerStatus"].get("Leader"))
        assert (node.role, node.answers) == ("leader" if leads else "manager", True)
        assert node.address == site.cluster.address(node.name)
    assert [one.consul for one in seen.nodes] == [Consul("server"), Consul("agent"), None]
    assert seen.services == (("proxy", 2, 2),)
    found = proxies.read_all(site.cluster, "proxy")
    for instance, text in found.items():
        drawn = next(one for one in seen.nodes if one.name == instance.node)
        task = next(one for one in drawn.tasks if one.name == instance.name)
        assert task.configuration == proxies.fingerprint(text)
    assert len(seen.proxies()) == 2

    file = tmp_path / "lab.svg"
    assert topology(site, "--out", str(file)) == ""
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    written = [str(one.text) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert written.count("manager, leader") == 1
    assert written.count("manager") == 2
    assert written.count("Consul server") == written.count("Consul agent") == 1
    assert {"proxy.1", "proxy.2", "proxy 2/2"} <= {word.split(": ")[-1] for word in written}
    assert all(f"same configuration {mark}" in written for mark in seen.hashes())

    lines = topology(site, "--text", "--lang", "zh").splitlines()
    assert any("管理节点（领导者）" in line for line in lines)
    assert any(line.startswith("  proxy.1; 配置 ") for line in lines)
    assert lines[-2] == "服务（运行数/期望数）：proxy 2/2"
    assert lines[-1].startswith("管理节点：3 个") and lines[-1].endswith("现在可达 3 个")


def test_an_instance_that_missed_an_order_stands_out(site: RealLab) -> None:
    """The diagram shows what step 8 shows: one has the route, the other has not."""
    becomes(site, "http.ports_open", ports=[8080])
    address, port = site.cluster.endpoint("swarm-1", 8080)
    connection = http.client.HTTPConnection(address, port, timeout=10)
    query = "serviceName=go-demo&servicePath=/demo&port=8080"
    connection.request("GET", f"/v1/docker-flow-proxy/reconfigure?{query}")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()
    seen = look(site.cluster)
    assert len(seen.hashes()) == 2
    drawn = diagrams.live(site.cluster)
    letters = [one.text for one in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert letters.count("A") == letters.count("B") == 2  # one instance each, and in the key
