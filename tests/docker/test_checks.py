"""Checks against a real swarm: each seen true, and seen false for the reason it exists."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.models.containers import Container
from docker.types import EndpointSpec, ServiceMode

from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.base import Finding
from swarmlab.cluster import lifecycle
from swarmlab.wait import Observation, until
from tests.docker.lifecycle_site import RealLab

pytestmark = pytest.mark.docker

IMAGE = {"proxy": "swarmlab/flow-proxy:1.0", "util": "swarmlab/util:1.0"}
PORTS: Any = {80: 80, 443: 443, 8080: 8080}
HELLO = {"path": "/demo/hello", "body": "hello, world!"}


class Site:
    """A lab with checks to look at it, and what a student would have made in it."""

    def __init__(self, lab: RealLab) -> None:
        self.lab = lab
        self.world = lab.cluster
        self.manager: Any = lab.engine("swarm-1")

    def look(self, which: str, /, **params: Any) -> Finding:
        return CHECKS[which](self.world, **params)

    def becomes(self, which: str, /, **params: Any) -> Finding:
        """The finding once it passes."""

        def at() -> Observation[Finding]:
            found = self.look(which, **params)
            return Observation(found.passed, found.actual, found)

        found = until(f"{which} {params}", at, within=240).last.value
        assert found is not None
        return found

    def fails(self, which: str, words: str, /, **params: Any) -> None:
        found = self.look(which, **params)
        assert not found.passed, found
        assert words in found.actual, found

    def reconfigure(self, query: str = "") -> None:
        address, port = self.world.endpoint("swarm-1", 8080)
        connection = http.client.HTTPConnection(address, port, timeout=60)
        what = f"serviceName=go-demo&servicePath=/demo&port=8080{query}"
        connection.request("GET", f"/v1/docker-flow-proxy/reconfigure?{what}")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()


def _consul(lab: RealLab) -> Container:
    return lab.engine("swarm-1").containers.run(
        "swarmlab/consul:1.8.7",
        ["agent", "-dev", "-client=0.0.0.0", f"-bind={lab.cluster.address('swarm-1')}"],
        name="check-consul",
        network_mode="host",
        detach=True,
    )


@pytest.fixture(scope="module")
def made(lab: RealLab) -> Iterator[Site]:
    """A Consul on swarm-1; proxy, go-demo (a stand-in) and util on one network."""
    site = Site(lab)
    consul = _consul(lab)
    network = site.manager.networks.create("check-proxy", driver="overlay", scope="swarm")
    services = []
    try:
        site.becomes("consul.leader")
        services.append(
            site.manager.services.create(
                IMAGE["proxy"],
                name="proxy",
                mode=ServiceMode("replicated", 3),
                networks=[network.id],
                env=["MODE=swarm", f"CONSUL_ADDRESS={lab.cluster.address('swarm-1')}:8500"],
                endpoint_spec=EndpointSpec(ports=PORTS),
            )
        )
        services.append(
            site.manager.services.create(
                "swarmlab/go-demo:1.0",
                ["python3", "-c", _STAND_IN],
                name="go-demo",
                networks=[network.id],
            )
        )
        services.append(
            site.manager.services.create(
                IMAGE["util"],
                ["sleep", "infinity"],
                name="util",
                init=True,
                mode=ServiceMode("global"),
                networks=[network.id],
            )
        )
        site.becomes("swarm.service", name="proxy", replicas=3, healthy=True)
        site.becomes("swarm.service", name="go-demo", replicas=1)
        site.becomes("swarm.service", name="util", mode="global")
        yield site
    finally:
        for service in services:
            service.remove()
        names = ["proxy", "go-demo", "util"]
        try:
            site.becomes("swarm.absent", services=names)
        finally:
            network.remove()
            consul.remove(force=True, v=True)
        site.becomes("swarm.absent", services=names, networks=["check-proxy"])
        site.becomes("consul.unreachable")


# What go-demo answers, without its database, under a user that is not root.
_STAND_IN = """
import http.server
class Caller(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = self.path == "/demo/person"
        body = b"viktor\\nsara\\n" if names else b"hello, world!\\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8080), Caller).serve_forever()
"""


def test_the_swarm(made: Site) -> None:
    assert made.look("swarm.nodes").passed
    assert made.look("swarm.quorum").passed
    assert made.look("swarm.label", name="env", value="prod").passed
    made.fails("swarm.label", "env=prod", name="env", value="test")
    assert made.look("swarm.same_view").passed
    assert made.look("swarm.network", name="check-proxy").passed
    made.fails("swarm.network", "0 networks", name="check")


def test_a_paused_node_is_seen_from_every_manager(made: Site) -> None:
    node = made.manager.nodes.list()[0]
    spec = node.attrs["Spec"]
    try:
        node.update({**spec, "Availability": "pause"})
        made.fails("swarm.nodes", "is pause")
    finally:
        node.reload()
        node.update({**spec, "Availability": "active"})
    made.becomes("swarm.nodes")


def test_services(made: Site) -> None:
    ports = [80, 443, 8080]
    image = IMAGE["proxy"]
    assert made.look("swarm.service", name="proxy", replicas=3, image=image, ports=ports).passed
    made.fails("swarm.service", "3 wanted", name="proxy", replicas=2)
    made.fails("swarm.service", "published ports", name="proxy", ports=[80])
    made.fails("swarm.service", "without a HEALTHCHECK", name="util", mode="global", healthy=True)
    assert made.look("swarm.attached", service="proxy", networks=["check-proxy"]).passed
    made.fails("swarm.attached", "is on check-proxy", service="proxy", networks=["proxy"])
    mode = {"service": "proxy", "name": "MODE"}
    assert made.look("swarm.environment", **mode, value_pattern="swarm").passed
    made.fails("swarm.environment", "MODE='swarm'", **mode, value_pattern="default")
    made.fails("swarm.absent", "service util is there", services=["util"])
    label = "com.docker.swarm.service.name=util"
    each = {"swarm-1": 1, "swarm-2": 1, "swarm-3": 1}
    assert made.look("engines.containers", count=3, label=label, per_node=each).passed
    made.fails("engines.containers", "3 containers", count=2, label=label)
    made.fails("host.clean", "swarm-1")


def test_names(made: Site) -> None:
    vip = made.becomes("dns.lookup", name="proxy", expect="vip", of="proxy", count=1)
    tasks = {"name": "tasks.proxy", "expect": "tasks", "of": "proxy"}
    assert made.becomes("dns.lookup", **tasks, count=3).actual != vip.actual
    made.fails("dns.lookup", "3 A records", **tasks, count=6)
    made.fails("dns.lookup", "where Swarm reports", name="tasks.proxy", expect="vip", of="proxy")
    made.fails("dns.lookup", "TTL 600", name="proxy", expect="vip", of="proxy", ttl=60)
    made.fails("dns.lookup", "nobody", name="nobody", expect="vip", of="proxy")


def test_inside_a_network_of_a_service_that_is_not_root(made: Site) -> None:
    url = "http://go-demo:8080/demo/hello"
    assert made.becomes("http.inside", service="go-demo", url=url, body="hello, world!").passed
    made.fails("http.inside", "gets 200", service="go-demo", url=url, body="other")
    refused = {"service": "go-demo", "url": "http://go-demo:8081/"}
    made.fails("http.inside", "connection refused", **refused)
    unknown = {"service": "go-demo", "url": "http://nobody:8080/"}
    made.fails("http.inside", "nobody does not resolve", **unknown)
    people = {"service": "go-demo", "url": "http://go-demo:8080/demo/person"}
    assert made.look("http.database", **people, contains=["viktor", "sara"]).passed
    made.fails("http.database", "'viktor' and 'sara'", **people, contains=["vik"])


def test_consul(made: Site) -> None:
    address, port = made.world.endpoint("swarm-1", 8500)
    url = f"http://{address}:{port}/v1/kv/check/msg"
    here = {"key": "check/msg", "nodes": ["swarm-1"]}
    assert requests.put(f"{url}?flags=1234", data=b"a test", timeout=30).ok
    assert made.look("consul.key", **here, value="a test", flags=1234).passed
    made.fails("consul.key", "flags 1234", **here, value="a test", flags=0)
    made.fails("consul.key", "connection refused", key="check/msg", value="a test")
    made.fails("consul.absent", "check/msg", keys=["check/msg"], nodes=["swarm-1"])
    assert requests.put(url, data=b"a test\n", timeout=30).ok
    made.fails("consul.key", "'a test\\n'", **here, value="a test")
    assert requests.delete(url, timeout=30).ok
    assert made.look("consul.absent", prefix="check/", nodes=["swarm-1"]).passed
    assert made.look("consul.members", alive=1, servers=1, nodes=["swarm-1"]).passed
    made.fails("consul.members", "1 member alive (swarm-1), 1 server", nodes=["swarm-1"])
    made.fails("consul.unreachable", "200", nodes=["swarm-1"])
    assert made.look("consul.unreachable", nodes=["swarm-2", "swarm-3"]).passed


def test_routes_from_none_over_one_to_all_and_back_from_the_dead(made: Site) -> None:
    """The chapter in small: nothing known, one instance knows, all know, one dies and heals."""
    made.becomes("http.ports_open", ports=[80, 443, 8080])
    made.fails("http.ports_open", "connection refused", ports=[81])
    assert made.look("http.unreachable", path="/demo/hello").passed
    assert made.look("proxy.identical", instances=3).passed
    made.fails("proxy.routes", "0 of 3", service="go-demo", have=1, of=3)

    made.reconfigure()
    made.becomes("proxy.routes", service="go-demo", have=1, of=3)
    made.becomes("http.split", path="/demo/hello", share=[1, 3])
    assert made.look("proxy.differ").passed
    made.fails("proxy.identical", "different", instances=3)
    made.fails("http.all", "503", **HELLO)
    made.fails("consul.matches_proxies", "no such route", service="go-demo")

    made.reconfigure("&distribute=true")
    made.becomes("http.all", **HELLO)
    assert made.look("http.answers", **HELLO).passed
    line = "server go-demo go-demo:8080"
    assert made.look("proxy.identical", instances=3, contains=[line]).passed
    made.fails("proxy.identical", "3 instances", instances=6)
    made.fails("proxy.differ", "proxy.1")
    made.fails("http.split", "60 × 200", path="/demo/hello", share=[1, 3])
    made.fails("http.unreachable", "200", path="/demo/hello")
    assert made.look("consul.matches_proxies", service="go-demo").passed

    made.fails("swarm.healed", "still its first task", service="proxy", slot=3)
    one = next(c for n in made.world.nodes for c in _containers(made, n, "proxy.3."))
    one.remove(force=True, v=True)
    assert " s after task" in made.becomes("swarm.healed", service="proxy", slot=3).actual
    made.becomes("proxy.instance", slot=3, contains=[line])
    made.becomes("http.all", **HELLO)


def _containers(made: Site, node: str, name: str) -> list[Any]:
    return made.world.engine(node).containers.list(filters={"name": name})


def test_steady_sees_what_goes_by(made: Site) -> None:
    made.reconfigure("&distribute=true")
    made.becomes("http.all", **HELLO)
    watching = OBSERVERS["http.steady"](made.world, **HELLO)
    watching.start()
    made.manager.services.get("proxy").scale(4)
    try:
        made.becomes("swarm.service", name="proxy", replicas=4, healthy=True)
        found = watching.finish()
        assert found.passed, found
        assert "longest pause" in found.actual
    finally:
        made.manager.services.get("proxy").scale(3)
    made.becomes("swarm.service", name="proxy", replicas=3, healthy=True)

    watching = OBSERVERS["http.steady"](made.world, path="/nothing", at_least=6)
    watching.start()
    found = watching.finish()
    assert not found.passed
    assert "503" in found.actual


def test_broken_tls_is_ours_and_never_a_finding(made: Site, tmp_path: Path) -> None:
    """A client whose certificate another lab's authority signed."""
    stranger = lifecycle.find(made.lab.name)
    assert stranger is not None
    for name in ("cert.pem", "key.pem"):
        shutil.copy(stranger.certificates / name, tmp_path / name)
    # The certificate of a client is no authority: nodes cannot be verified with it.
    shutil.copy(stranger.certificates / "cert.pem", tmp_path / "ca.pem")
    stranger.certificates = tmp_path
    with stranger:
        with pytest.raises(requests.exceptions.SSLError):
            stranger.engine("swarm-1").ping()
        needing: dict[str, dict[str, Any]] = {
            "swarm.nodes": {},
            "swarm.service": {"name": "proxy"},
            "engines.containers": {"count": 0},
            "proxy.identical": {"instances": 3},
        }
        for which, params in needing.items():
            with pytest.raises(requests.exceptions.SSLError):
                CHECKS[which](stranger, **params)
        assert CHECKS["http.answers"](stranger, path="/nothing", status=503).passed
