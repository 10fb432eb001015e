"""Clients of the nodes' engines, over TLS."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmlab import verbose
from swarmlab.errors import EnvironmentProblem
from swarmlab.providers.base import ENGINE_PORT, Node, NodeState, Reach
from swarmlab.wait import patient
from swarmlab.words import say

if TYPE_CHECKING:
    from docker import DockerClient
    from requests.adapters import HTTPAdapter

CONNECT_SECONDS = 5
"""For a connection to be made, which the kernel does at once, however busy the engine is."""

NODE_API = "1.44"
"""What every node's engine speaks if it says nothing else; a client so costs no question."""


def endpoint(node: Node, port: int) -> tuple[str, int]:
    """Host and port by which this machine reaches that port of the node.

    The engine's usual port stands for the one at which it is.

    Raises EnvironmentProblem for a port that does not lead anywhere from here.
    """
    if port in node.ports:
        return node.ports[port]
    if node.reach is not Reach.DIRECT:
        why = (
            say("it does not run")
            if node.state is not NodeState.RUNNING
            else say("it is not published")
        )
        raise EnvironmentProblem(
            say(
                "Port {port} of {name} cannot be reached from this machine: {why}.",
                port=port,
                name=node.name,
                why=why,
            ),
            hint=say("Look with `swarmlab status`; `swarmlab up` mends what is missing."),
        )
    return node.address, port


def client(node: Node, certs: Path, *, timeout: int) -> DockerClient:
    """A client of the node's engine; asks nothing yet. `timeout` bounds each call, in seconds."""
    import docker
    from docker.tls import TLSConfig

    host, port = endpoint(node, ENGINE_PORT)
    made = docker.DockerClient(
        base_url=f"https://{host}:{port}",
        version=node.api or NODE_API,
        timeout=math.ceil(patient(timeout)),
        tls=TLSConfig(
            client_cert=(str(certs / "cert.pem"), str(certs / "key.pem")),
            ca_cert=str(certs / "ca.pem"),
            verify=True,
        ),
    )
    # Proxies and authorities from the environment are for the Internet; requests would prefer
    # them to what is set here.
    made.api.trust_env = False
    made.api.mount("https://", _soon_connected())
    verbose.listen(made.api)
    return made


def _soon_connected() -> HTTPAdapter:
    """Waits for a node that is gone no longer than it takes one that is there to connect."""
    from swarmlab.engine_tls import Adapter

    class Soon(Adapter):
        def send(self, request: Any, *args: Any, **more: Any) -> Any:
            # docker-py has one number for both, and None for a stream that may last.
            whole = more.get("timeout")
            if isinstance(whole, tuple):
                whole = whole[1]
            most = patient(CONNECT_SECONDS)
            more["timeout"] = (most if whole is None else min(most, whole), whole)
            return super().send(request, *args, **more)

    return Soon()
