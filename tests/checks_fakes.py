"""A lab made of values: a swarm as engines tell of it, and real HTTP servers on 127.0.0.1.

The answers have the form of the engine API, version 1.45, cut down to what checks read.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import requests
from docker import DockerClient
from docker.errors import APIError, NotFound

from swarmlab import labels
from swarmlab.errors import EnvironmentProblem
from swarmlab.lookout import Lookout
from tests.exec_fakes import Execs

Raw = dict[str, Any]
NODES = ("swarm-1", "swarm-2", "swarm-3")
PROXY_NET, DEMO_NET = "net-proxy", "net-go-demo"


def api_error(status: int, text: str) -> APIError:
    """An engine's refusal with that status."""
    response = SimpleNamespace(status_code=status, reason=text, url="https://node/")
    kind = NotFound if status == 404 else APIError
    return kind(text, response=cast(requests.Response, response), explanation=text)


def node(name: str, *, leader: bool = False, **changes: Any) -> Raw:
    raw: Raw = {
        "ID": f"id-{name}",
        "Spec": {"Availability": "active", "Labels": {}},
        "Description": {"Hostname": name, "Engine": {"Labels": {"env": "prod"}}},
        "Status": {"State": "ready"},
        "ManagerStatus": {"Reachability": "reachable"},
    }
    if leader:
        raw["ManagerStatus"]["Leader"] = True
    return {**raw, **changes}


def service(
    name: str,
    replicas: int | None,
    *,
    image: str = "swarmlab/thing:1.0",
    ports: tuple[int, ...] = (),
    env: tuple[str, ...] = (),
    vips: Mapping[str, str] | None = None,
) -> Raw:
    """`replicas` None: a global one."""
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 10},
        "Spec": {
            "Name": name,
            "Mode": {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {"ContainerSpec": {"Image": f"{image}@sha256:0", "Env": list(env)}},
        },
        "Endpoint": {
            "Ports": [{"PublishedPort": port, "TargetPort": port} for port in ports],
            "VirtualIPs": [
                {"NetworkID": net, "Addr": f"{addr}/24"} for net, addr in (vips or {}).items()
            ],
        },
    }


_serial = count(1)


def task(
    name: str,
    slot: int,
    on: str,
    *,
    state: str = "running",
    desired: str = "running",
    image: str = "swarmlab/thing:1.0",
    networks: Mapping[str, str] | None = None,
    created: str = "2025-01-01T10:00:00.000000001Z",
    at: str = "2025-01-01T10:00:01.5Z",
    err: str = "",
    container: str | None = None,
) -> Raw:
    """`networks`: network id (`net-NAME`) to the task's address there."""
    number = next(_serial)
    return {
        "ID": f"task{number:021d}",
        "ServiceID": f"id-{name}",
        "Slot": slot,
        "NodeID": f"id-{on}",
        "CreatedAt": created,
        "DesiredState": desired,
        "Spec": {"ContainerSpec": {"Image": image}},
        "Status": {
            "State": state,
            "Timestamp": at,
            "Err": err,
            "ContainerStatus": {
                "ContainerID": f"{name}-{slot}-{on}" if container is None else container
            },
        },
        "NetworksAttachments": [
            {"Network": {"ID": net, "Spec": {"Name": net[4:]}}, "Addresses": [f"{addr}/24"]}
            for net, addr in (networks or {}).items()
        ],
    }


@dataclass
class Container:
    """A container on one node: what inspecting, reading and running tools in it bring."""

    name: str = "/thing"
    state: Raw = field(default_factory=lambda: {"Running": True, "Status": "running"})
    labels: dict[str, str] = field(default_factory=dict)
    image: str = "swarmlab/thing:1.0"
    files: dict[str, str] = field(default_factory=dict)
    runs: Callable[[list[str]], tuple[int, str, str]] = lambda command: (127, "", "no such tool")


@dataclass
class Engine(Execs):
    """One node's engine, in the words of docker's low-level client."""

    name: str
    swarm: Swarm
    manager: bool = True
    state: str = "active"
    refusal: APIError | None = None
    boxes: dict[str, Container] = field(default_factory=dict)
    volume_names: list[str] = field(default_factory=list)
    services_here: list[Raw] | None = None
    alive: bool = True
    frozen: bool = False
    waits: int = 0
    executions: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    @property
    def api(self) -> Engine:
        return self

    def _answer(self, swarm: bool = True) -> None:
        if not self.alive:
            raise requests.ConnectionError("no route to host")
        if self.frozen:
            self.waits += 1
            raise requests.ReadTimeout("read timed out")
        if swarm and self.refusal is not None:
            raise self.refusal
        if swarm and not self.manager:
            raise api_error(503, "This node is not a swarm manager. Worker nodes can't be used.")

    def ping(self) -> bool:
        self._answer(swarm=False)
        return True

    def info(self) -> Raw:
        self._answer(swarm=False)
        return {"Swarm": {"LocalNodeState": self.state}}

    def nodes(self) -> list[Raw]:
        self._answer()
        return self.swarm.nodes

    def services(self, filters: Mapping[str, str] | None = None) -> list[Raw]:
        self._answer()
        wanted = (filters or {}).get("name", "")
        found = self.swarm.services if self.services_here is None else self.services_here
        return [one for one in found if one["Spec"]["Name"].startswith(wanted)]

    def tasks(self, filters: Mapping[str, str] | None = None) -> list[Raw]:
        self._answer()
        wanted = (filters or {}).get("service")
        return [one for one in self.swarm.tasks if wanted in (None, one["ServiceID"])]

    def networks(
        self, names: list[str] | None = None, filters: Mapping[str, str] | None = None
    ) -> list[Raw]:
        self._answer(swarm=False)
        found = self.swarm.networks
        return [one for one in found if not names or any(part in one["Name"] for part in names)]

    def containers(self, all: bool = False, filters: Mapping[str, str] | None = None) -> list[Raw]:
        self._answer(swarm=False)
        key, _, value = (filters or {}).get("label", "").partition("=")
        part = (filters or {}).get("name", "")
        return [
            {
                "Names": [box.name],
                "Image": box.image,
                "State": box.state["Status"],
                "Labels": box.labels,
            }
            for box in self.boxes.values()
            if (all or box.state["Running"])
            and part in box.name
            and (not key or (key in box.labels and value in ("", box.labels[key])))
        ]

    def volumes(self, filters: Mapping[str, str]) -> Raw:
        self._answer(swarm=False)
        part = filters.get("name", "")
        return {"Volumes": [{"Name": name} for name in self.volume_names if part in name] or None}

    def inspect_container(self, container: str) -> Raw:
        return {
            "State": self._box(container).state,
            "ResolvConfPath": f"/var/lib/docker/containers/{container}/resolv.conf",
            "NetworkSettings": {"SandboxKey": f"/var/run/docker/netns/{container}"},
        }

    def exec_create(self, container: str, command: list[str]) -> Raw:
        identity = f"exec{next(_serial)}"
        self.executions[identity] = self._box(container).runs(command)
        return {"Id": identity}

    def words(self, identity: str) -> tuple[bytes, bytes]:
        _, output, errors = self.executions[identity]
        return output.encode(), errors.encode()

    def exec_inspect(self, identity: str) -> Raw:
        return {"ExitCode": self.executions[identity][0]}

    def get_archive(self, container: str, path: str) -> tuple[Iterator[bytes], Raw]:
        files = self._box(container).files
        if path not in files:
            raise api_error(404, f"Could not find the file {path} in container {container}")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size = len(files[path].encode())
            archive.addfile(member, io.BytesIO(files[path].encode()))
        return iter([packed.getvalue()]), {}

    def _box(self, container: str) -> Container:
        self._answer(swarm=False)
        if container not in self.boxes:
            raise api_error(404, f"No such container: {container}")
        return self.boxes[container]


@dataclass
class Swarm:
    """What the managers know."""

    nodes: list[Raw] = field(
        default_factory=lambda: [node(name, leader=name == "swarm-1") for name in NODES]
    )
    services: list[Raw] = field(default_factory=list)
    tasks: list[Raw] = field(default_factory=list)
    networks: list[Raw] = field(default_factory=list)


class Lab:
    """A `World` of fakes. `ports` maps node and port to a port of 127.0.0.1.

    So it is a lab whose ports are published; `direct` makes it one whose nodes are reached by
    their own addresses.
    """

    def __init__(self) -> None:
        self.name = "unit"
        self.nodes = NODES
        self.managers: tuple[str, ...] = NODES
        self.silent: set[str] = set()
        self.swarm = Swarm()
        self.engines = {name: Engine(name, self.swarm) for name in NODES}
        self.host = Engine("host", Swarm(nodes=[]))
        self.machines: tuple[str, ...] = ()
        self.ports: dict[tuple[str, int], int] = {}
        self.direct = False

    def address(self, node: str) -> str:
        if self.direct:
            return "127.0.0.1"
        return f"172.31.0.1{node[-1]}"

    def endpoint(self, node: str, port: int) -> tuple[str, int]:
        # Port 1 of loopback refuses: nobody listens there without being root.
        return "127.0.0.1", self.ports.get((node, port), 1)

    def engine(self, node: str) -> DockerClient:
        return cast(DockerClient, self.engines[node])

    def image(self, name: str) -> str:
        return f"example/{name}:2"

    def host_engine(self) -> DockerClient:
        if not self.host.alive:
            raise EnvironmentProblem("The engine is gone.")
        return cast(DockerClient, self.host)

    def lookout(self, node: str) -> Lookout:
        return Lookout(self.host_engine().api, labels.container(self.name, node))

    def elsewhere(self) -> tuple[str, ...]:
        return self.machines

    def add(self, raw: Raw, tasks: list[Raw], **box: Any) -> None:
        """A service with its tasks, and a container for each that runs."""
        self.swarm.services.append(raw)
        self.swarm.tasks += tasks
        name = raw["Spec"]["Name"]
        for one in tasks:
            if one["Status"]["State"] == "running":
                on = one["NodeID"].removeprefix("id-")
                identity = one["Status"]["ContainerStatus"]["ContainerID"]
                labels = {"com.docker.swarm.service.name": name}
                self.engines[on].boxes[identity] = Container(f"/{identity}", labels=labels, **box)


@dataclass
class Asked:
    """A request as the server saw it."""

    node: str
    path: str
    peer: tuple[str, int]


Reply = tuple[int, bytes]


@contextmanager
def http_servers(
    lab: Lab, port: int, reply: Callable[[Asked], Reply | None], nodes: tuple[str, ...] = NODES
) -> Iterator[list[Asked]]:
    """A real server for each node on that port; `reply` None hangs up without an answer."""
    seen: list[Asked] = []
    servers: list[ThreadingHTTPServer] = []
    for name in nodes:
        server = _server(name, reply, seen)
        lab.ports[(name, port)] = server.server_address[1]
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
    try:
        yield seen
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for name in nodes:
            lab.ports.pop((name, port), None)


def _server(
    node_name: str, reply: Callable[[Asked], Reply | None], seen: list[Asked]
) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = Asked(node_name, self.path, self.client_address)
            seen.append(asked)
            answer = reply(asked)
            if answer is None:
                return
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, format: str, *args: object) -> None:
            return

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
