"""Services to try the routing mesh with, and eyes on what it does to their callers."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.models.containers import Container
from docker.models.services import Service
from docker.types import EndpointSpec, RestartPolicy, ServiceMode

from swarmlab import lookout
from swarmlab.wait import Observation, until
from tests.docker import heard

IMAGE = "swarmlab/go-demo:1.0"  # any image of the nodes that has Python would do
HTTP, ECHO = 8000, 8001  # the ports a task listens on: tcp, and udp
# Without one, swarm calls a task running, and leads callers to it, before its program listens.
HEALTH = {
    "test": ["CMD", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{HTTP}"],
    "interval": 10**9,
}
SERVER = f"""
import http.server, os, signal, socket, threading, time
NAME = socket.gethostname()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(self.path[1:] or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(NAME)))
        self.end_headers()
        self.wfile.write(NAME.encode())
    def log_message(self, *args): pass
def echo():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", {ECHO}))
    while True:
        udp.sendto(NAME.encode(), udp.recvfrom(99)[1])
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
threading.Thread(target=echo, daemon=True).start()
http.server.ThreadingHTTPServer(("", {HTTP}), Answer).serve_forever()
"""
CALLER = """
import collections, json, sys, urllib.request
url, times = sys.argv[1], int(sys.argv[2])
get = lambda: urllib.request.urlopen(url, timeout=3).read().decode()
print(json.dumps(collections.Counter(get() for _ in range(times))))
"""
EVERYTHING_OF_OURS = """
for space in node /var/run/docker/netns/lb_* /var/run/docker/netns/ingress_sbox; do
    enter= ; [ $space = node ] || enter="nsenter --net=$space"
    [ $space = node ] || stat -f -c %T $space 2>/dev/null | grep -q nsfs || continue
    $enter nft list table ip swarmlab_mesh 2>/dev/null
    [ $space = node ] || $enter ip -4 -o address | grep -F /32 || true
done
iptables -S DOCKER-USER 2>/dev/null | grep swarmlab_mesh || true
"""


def look_until(what: str, look: Callable[[], Any], within: float = 90.0) -> float:
    """Look until it is truthy; an OSError is one more look.

    Returns after how many seconds the last look began that was not: so late it surely was not yet
    so. What looking itself takes, which is long on a busy machine, is not counted.
    """
    start = time.monotonic()
    late = 0.0

    def observe() -> Observation[None]:
        nonlocal late
        began = time.monotonic() - start
        try:
            found = look()
        except OSError as problem:
            late = began
            return Observation(False, str(problem))
        if not found:
            late = began
        return Observation(bool(found), repr(found))

    until(what, observe, within=within, every=0.05)
    return late


def http_answer(address: str, port: int, path: str = "/", timeout: float = 1.0) -> str:
    """The name of the task that answered, over a connection of its own. Raises OSError."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", path)
        try:
            return connection.getresponse().read().decode()
        except http.client.HTTPException as error:
            raise OSError(f"half an answer: {error!r}") from error


@dataclass
class Caller:
    """A udp caller that keeps its port: to the kernel all it sends is one connection."""

    address: str
    port: int
    socket: socket.socket = field(
        default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    )

    def ask(self, within: float = 0.3) -> str:
        """The name of the task that answered within so many seconds. Raises OSError."""
        self.socket.settimeout(within)
        self.socket.sendto(b"?", (self.address, self.port))
        return self.socket.recv(99).decode()


class Site:
    """The lab's swarm, with services that go when the test is over."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.nodes = [node.name for node in lab.nodes]
        self.addresses = [node.address for node in lab.nodes]
        self.manager: docker.DockerClient = lab.engine(self.nodes[0])
        self.left: contextlib.ExitStack = contextlib.ExitStack()

    def network(self, name: str) -> str:
        """An overlay network; its name."""
        made = self.manager.networks.create(name, driver="overlay")
        self.left.callback(self.remove_network, str(made.id))
        return name

    def remove_network(self, network: str) -> None:
        """Remove it, as soon as no task uses it any more."""

        def gone() -> bool:
            try:
                self.manager.networks.get(network).remove()
            except docker.errors.NotFound:
                return True
            except docker.errors.APIError:
                return False
            return True

        look_until(f"network {network} removed", gone)

    def serve(
        self, name: str, replicas: int | None = 1, *, healthy: bool = False, **options: Any
    ) -> Service:
        """A service of `replicas` tasks, or one on every node for None; waits until they run.

        `healthy`: a task counts as running once it listens, and gets no call before.
        """
        mode = ServiceMode("replicated", replicas) if replicas else ServiceMode("global")
        services: Any = self.manager.services  # docker's own types say too little here
        service: Service = services.create(
            IMAGE,
            ["python3", "-u", "-c", SERVER],
            name=name,
            mode=mode,
            healthcheck=HEALTH if healthy else {"test": ["NONE"]},
            stop_grace_period=10**9,
            restart_policy=RestartPolicy("any", delay=10**8),
            **options,
        )
        self.left.callback(self.remove, str(service.id))
        self.wait_running(name, replicas or len(self.nodes))
        return service

    def remove(self, service: str) -> None:
        """Remove it; that it is gone already is fine."""
        services: Any = self.manager.services
        with contextlib.suppress(docker.errors.NotFound):
            services.get(service).remove()

    def scale(self, service: Service, replicas: int) -> None:
        """Change the number of tasks and nothing else.

        The library's own `scale` rewrites the specification, so that swarm takes it for a
        new version and replaces the tasks that run.
        """
        api: Any = self.manager.api
        now = api.inspect_service(service.id)
        api.update_service(
            service.id,
            now["Version"]["Index"],
            task_template=now["Spec"]["TaskTemplate"],
            name=now["Spec"]["Name"],
            mode=ServiceMode("replicated", replicas),
            endpoint_spec=now["Spec"]["EndpointSpec"],
        )

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """The tasks of a service that run and shall run."""
        asked = {"service": name, "desired-state": "running"}
        api: Any = self.manager.api
        found = api.tasks(filters=asked)
        return [task for task in found if task["Status"]["State"] == "running"]

    def running(self, name: str) -> set[str]:
        """Their host names: the first twelve digits of the container's id."""
        return {t["Status"]["ContainerStatus"]["ContainerID"][:12] for t in self.tasks(name)}

    def containers(self, name: str) -> list[Container]:
        """All running containers of a service, also of tasks that are to stop."""
        label = f"com.docker.swarm.service.name={name}"
        found = []
        for engine in (self.lab.engine(node) for node in self.nodes):
            # One that ends between the engine's list and the look at it is passed over.
            found += engine.containers.list(filters={"label": label}, ignore_removed=True)
        return found

    def container(self, name: str) -> Container:
        """The container of one task that runs and shall run. Raises OSError for none."""
        wanted = self.running(name)
        found = [c for c in self.containers(name) if str(c.id)[:12] in wanted]
        if not found:
            raise OSError(f"no task of {name} runs just now")
        return found[0]

    def calls_from(self, name: str, url: str, times: int) -> Counter[str]:
        """Who answered `times` calls that a task of `name` made to `url`.

        Raises OSError when a call was not answered, as by a task that does not listen yet.
        """
        asking = ("python3", "-c", CALLER, url, str(times))
        code, said = heard.within(self.container(name), *asking)
        if code != 0:
            raise OSError(f"a call to {url}: {said[-200:]}")
        return Counter(json.loads(said))

    def calls(self, address: str, port: int, times: int) -> Counter[str]:
        """Who answered `times` calls from outside."""
        return Counter(http_answer(address, port) for _ in range(times))

    def reached(self, port: int, times: int = 6) -> list[set[str]]:
        """Per node, the tasks that answered at its address. Raises OSError."""
        return [set(self.calls(address, port, times)) for address in self.addresses]

    def all_reached(self, port: int, name: str) -> bool:
        """Whether exactly the running tasks of `name` answer at every node. Raises OSError."""
        return self.reached(port) == [self.running(name)] * len(self.addresses)

    def wait_reached(self, port: int, name: str, within: float = 90.0) -> float:
        """Wait until they do; how late it surely was not yet so, as `look_until` tells it."""
        return look_until(
            f"exactly the tasks of {name} at every node",
            lambda: self.all_reached(port, name),
            within,
        )

    def wait_running(self, name: str, wanted: int) -> None:
        """Wait until a service runs so many tasks."""
        look_until(f"{wanted} tasks of {name}", lambda: len(self.running(name)) == wanted)

    def outer(self, node: str) -> Container:
        """The container, on the outer engine, that is this node: found by its address."""
        address = self.addresses[self.nodes.index(node)]
        # Those of other tests come and go meanwhile.
        for found in docker.from_env().containers.list(ignore_removed=True):
            networks = found.attrs["NetworkSettings"]["Networks"].values()
            if address in [network["IPAddress"] for network in networks]:
                return found
        raise AssertionError(f"no container of the outer engine has {address}")

    def ours(self, node: str) -> str:
        """Everything that the fallback has put on a node, as text."""
        return run(self.outer(node), "bash", "-c", EVERYTHING_OF_OURS)

    def data_plane(self, node: str) -> str:
        """What the node says is in force."""
        return run(self.outer(node), "cat", "/run/swarmlab/data-plane").strip()

    def vips(self, service: Service) -> list[str]:
        """The virtual addresses that swarm gave the service."""
        service.reload()
        found = service.attrs["Endpoint"]["VirtualIPs"]
        return [str(vip["Addr"]).partition("/")[0] for vip in found]


@contextlib.contextmanager
def site(lab: Any) -> Iterator[Site]:
    """A Site whose services and networks are removed in the end."""
    made = Site(lab)
    with made.left:
        yield made


def run(container: Container, *command: str) -> str:
    """Run a command in a container; what it printed. Fails when the command does."""
    assert container.client is not None
    code, output = lookout.run(container.client.api, str(container.id), command)
    assert code == 0, f"{command[0]}: exit code {code}: {output}"
    return output


def published(*ports: tuple[int, int, str], mode: str = "ingress") -> EndpointSpec:
    """An endpoint with these ports: (published, target, protocol)."""
    endpoint = EndpointSpec()
    endpoint["Ports"] = [
        {"PublishedPort": public, "TargetPort": target, "Protocol": protocol, "PublishMode": mode}
        for public, target, protocol in ports
    ]
    return endpoint
