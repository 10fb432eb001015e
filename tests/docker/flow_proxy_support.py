"""A place for proxies: a network with a real Consul, a backend, and servers that misbehave."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container

from swarmlab.images.builder import reference
from swarmlab.lookout import heard
from swarmlab.wait import Observation, until

LABELS = {"swarmlab.lab": "test-flow-proxy", "swarmlab.role": "build"}
API = "/v1/docker-flow-proxy"
NOBODY = "127.0.0.1:9"
"""An address that refuses every connection at once."""

# A server for everything around the proxy. Port 8080: the service behind it; `delay=` seconds.
# Port 8500: as a Consul agent whose server is gone. Port 8501: no key known, no write accepted.
# Port 8502: a black hole. Its queue is full, so the kernel drops every further request to connect.
_SERVERS = """
import http.server, socket, threading, time, urllib.parse

class Caller(http.server.BaseHTTPRequestHandler):
    def answer(self):
        port = self.server.server_address[1]
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(float(query.get("delay", 0)))
        code = {8080: 200, 8500: 500}.get(port, 404 if self.command == "GET" else 500)
        self.send_response(code)
        self.send_header("Content-Length", "14")
        self.end_headers()
        self.wfile.write(b"hello, world!\\n")
    do_GET = do_PUT = answer
    def log_message(self, *words): pass

hole = socket.create_server(("", 8502), backlog=0)
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False)
    filler.connect_ex(("127.0.0.1", 8502))

for port in (8500, 8501, 8080):
    server = http.server.ThreadingHTTPServer(("", port), Caller)
    threading.Thread(target=server.serve_forever).start()
"""


@dataclass(frozen=True)
class Answer:
    """Status, body and content type of an HTTP answer."""

    status: int
    text: str
    kind: str = ""

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.text)
        assert isinstance(value, dict)
        return value


def ask(
    address: str, port: int, path: str, method: str = "GET", seconds: float = 30, body: str = ""
) -> Answer:
    """One request on a connection of its own; raises OSError or HTTPException."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request(method, path, body=body or None)
        response = connection.getresponse()
        text = response.read().decode()
        return Answer(response.status, text, response.getheader("Content-Type") or "")
    finally:
        connection.close()


@dataclass
class Place:
    """The network and what runs on it; `close` removes all of it."""

    engine: DockerClient
    consul: str = ""
    servers: str = ""
    nowhere: str = ""
    mine: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def open(self) -> None:
        """Create the network, Consul and the servers, and wait until they answer."""
        self.engine.networks.create(self.name, labels=self.labels)
        network = self.engine.networks.get(self.name)
        # The last address of the network: nobody is there, and nobody says so.
        subnet = ipaddress.ip_network(network.attrs["IPAM"]["Config"][0]["Subnet"])
        self.nowhere = str(subnet[-2])
        consul = self.run("consul", aliases=["consul"])
        servers = self.run_servers("go-demo", "go-demo-db")
        self.consul, self.servers = self.address(consul), self.address(servers)
        until("the servers", lambda: _answers(self.servers, 8080, "/"), within=90, every=0.1)
        until("Consul's leader", self._writable, within=90, every=0.1)

    def close(self) -> None:
        """Remove everything with this place's label."""
        mine: dict[str, Any] = {"label": f"swarmlab.test={self.mine}"}
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(_remove, self.engine.containers.list(all=True, filters=mine)))
        for network in self.engine.networks.list(filters=mine):
            network.remove()

    @property
    def name(self) -> str:
        return f"swarmlab-test-flow-proxy-{self.mine}"

    @property
    def labels(self) -> dict[str, str]:
        return {**LABELS, "swarmlab.test": self.mine}

    def run(
        self,
        image: str,
        command: list[str] | None = None,
        aliases: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Container:
        """Start one of swarmlab's images on the network."""
        container = self.engine.containers.create(
            reference(image), command, labels=self.labels, environment=environment or {}
        )
        self.engine.networks.get("bridge").disconnect(container)
        self.engine.networks.get(self.name).connect(container, aliases=aliases or [])
        container.start()
        container.reload()
        return container

    def run_servers(self, *aliases: str) -> Container:
        """Start the servers around the proxy under these names."""
        return self.run("flow-proxy", ["python3", "-c", _SERVERS], aliases=list(aliases))

    def address(self, container: Container) -> str:
        return str(container.attrs["NetworkSettings"]["Networks"][self.name]["IPAddress"])

    def group(self, **environment: str) -> Group:
        """Proxies that belong together, with names and keys that no other group uses."""
        return Group(self, f"proxy-{uuid.uuid4().hex[:8]}", environment)

    def values(self, prefix: str) -> dict[str, str]:
        """Keys and values in Consul below a prefix."""
        return {
            row["Key"]: base64.b64decode(row["Value"] or "").decode() for row in self.rows(prefix)
        }

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        """The same with all that Consul knows of them, counters of changes included."""
        answer = ask(self.consul, 8500, f"/v1/kv/{prefix}?recurse")
        return json.loads(answer.text) if answer.status == 200 else []

    def put(self, key: str, value: str) -> None:
        assert ask(self.consul, 8500, f"/v1/kv/{key}", "PUT", body=value).text.strip() == "true"

    def _writable(self) -> Observation[None]:
        try:
            answer = ask(self.consul, 8500, "/v1/kv/test", "PUT", body="x")
        except OSError as error:
            return Observation(False, str(error))
        return Observation(answer.status == 200, answer.text)


@dataclass
class Group:
    """Replicas of one proxy: one name in DNS, one prefix in Consul."""

    place: Place
    name: str
    environment: dict[str, str]

    def start(self, **environment: str) -> Replica:
        """Start one more replica; does not wait for it."""
        settings = {
            "MODE": "swarm",
            "CONSUL_ADDRESS": "consul:8500",
            "SERVICE_NAME": self.name,
            "PROXY_INSTANCE_NAME": self.name,
            **self.environment,
            **environment,
        }
        container = self.place.run(
            "flow-proxy", aliases=[f"tasks.{self.name}"], environment=settings
        )
        return Replica(container, self.place.address(container))

    def ready(self, count: int = 1, **environment: str) -> list[Replica]:
        """Start replicas and wait until all of them are healthy."""
        replicas = [self.start(**environment) for _ in range(count)]
        for replica in replicas:
            replica.wait_healthy()
        return replicas

    def values(self) -> dict[str, str]:
        return {
            key.removeprefix(self.name): value
            for key, value in self.place.values(f"{self.name}/").items()
        }


@dataclass
class Replica:
    """One proxy."""

    container: Container
    address: str

    def call(self, command: str, **query: str) -> Answer:
        return ask(self.address, 8080, f"{API}/{command}?{urlencode(query)}")

    def demo(self, **query: str) -> Answer:
        """Reconfigure for the chapter's service; `query` adds to it."""
        wanted = {"serviceName": "go-demo", "servicePath": "/demo", "port": "8080", **query}
        return self.call("reconfigure", **wanted)

    def get(self, path: str) -> int:
        return ask(self.address, 80, path).status

    def config(self) -> str:
        return self.call("config").text

    def wait_healthy(self, within: float = 120) -> None:
        until("a healthy replica", self._healthy, within=within, every=0.1)

    def wait_ended(self, within: float = 60) -> int:
        """Wait for the end of the container; returns its exit code."""
        until("the end of the container", self._ended, within=within, every=0.1)
        return int(self.container.attrs["State"]["ExitCode"])

    def log(self) -> str:
        return bytes(self.container.logs()).decode()

    def says(self, words: str, times: int = 1) -> None:
        """Wait for words in the log: the engine hands a line on a moment after it was written."""

        def look() -> Observation[None]:
            log = self.log()
            return Observation(log.count(words) >= times, log[-1500:])

        until(f"{words!r} in the log", look, within=90, every=0.1)

    def health(self) -> str:
        self.container.reload()
        return str(self.container.attrs["State"]["Health"]["Status"])

    def processes(self) -> list[str]:
        """The name and the state letter of every process, such as `haproxy S`."""
        script = "for p in /proc/[0-9]*; do sed 's/.*(\\(.*\\)) \\(.\\).*/\\1 \\2/' $p/stat; done"
        return self.inside("bash", "-c", script).splitlines()

    def inside(self, *command: str) -> str:
        """What a command prints on its output inside the container."""
        assert self.container.client is not None
        return heard(self.container.client.api, str(self.container.id), command).output

    def _healthy(self) -> Observation[None]:
        health = self.health()
        running = self.container.status == "running"
        assert running, f"the replica ended:\n{self.log()}"
        return Observation(health == "healthy", health)

    def _ended(self) -> Observation[None]:
        self.container.reload()
        return Observation(self.container.status == "exited", self.container.status)


def _remove(container: Container) -> None:
    with contextlib.suppress(NotFound):
        container.remove(force=True, v=True)


def _answers(address: str, port: int, path: str) -> Observation[None]:
    try:
        return Observation(True, str(ask(address, port, path).status))
    except OSError as error:
        return Observation(False, str(error))


@contextlib.contextmanager
def place(engine: DockerClient) -> Iterator[Place]:
    """A place that is removed whatever happens."""
    here = Place(engine)
    try:
        here.open()
        yield here
    finally:
        here.close()
