"""The engine that the nodes run on: which one, how to reach it, and why it cannot be reached.

The order is that of the docker client: DOCKER_HOST, then the chosen context, then the default
socket. Every client made here ignores proxy variables, which are meant for the Internet and
would send the lab's own traffic astray.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from swarmlab import state, unconnected, verbose
from swarmlab.errors import EngineUnreachable, EnvironmentProblem
from swarmlab.wait import patient
from swarmlab.words import later, say

if TYPE_CHECKING:
    from docker import APIClient, DockerClient
    from docker.tls import TLSConfig

OLDEST_API = (1, 41)
"""Engine 20.10: the first that swarmlab is tested with."""
NEWEST_API = (1, 44)
"""What swarmlab speaks where it can: engines from 29 on know nothing older."""

DEFAULT_SOURCE = later("the default socket")
"""The source of a target that nobody chose."""

_PROBE_TIMEOUT = 5


@dataclass(frozen=True)
class Target:
    """Where the engine is: its URL, who said so, and client certificates if it wants them."""

    url: str
    source: str
    certs: Path | None = None
    verify: bool = True

    @property
    def local(self) -> bool:
        """Whether the engine is reached without leaving this machine."""
        parts = urlsplit(self.url)
        if parts.scheme in ("unix", "npipe"):
            return True
        return parts.hostname in ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Engine:
    """What the engine says about itself. `api` is the version spoken with it.

    `brought` is the socket on this machine that leads to an engine reached by SSH.
    """

    client: DockerClient
    target: Target
    version: str
    api: str
    kernel: str
    brought: Target | None = None

    @property
    def wire(self) -> Target:
        """Where its API is spoken to: not at `target` when SSH has brought it here."""
        return self.brought or self.target


def target(environment: Mapping[str, str] | None = None) -> Target:
    """Which engine to use. Raises EngineUnreachable when the chosen context cannot be read."""
    env = os.environ if environment is None else environment
    host = env.get("DOCKER_HOST", "")
    if host and not _is_a_node(env):
        return Target(host, "DOCKER_HOST", _certs(env) if host.startswith("tcp://") else None)
    context = env.get("DOCKER_CONTEXT", "") or _current_context(env)
    if context and context != "default":
        return of_context(context)
    return Target(_default_socket(env), say(DEFAULT_SOURCE))


def _certs(env: Mapping[str, str]) -> Path | None:
    """Where the certificates are, if TLS was asked for: as docker has it, also where none says so.

    They lie beside docker's own configuration then.
    """
    if not env.get("DOCKER_TLS_VERIFY"):
        return None
    named = env.get("DOCKER_CERT_PATH") or env.get("DOCKER_CONFIG")
    return Path(named) if named else Path.home() / ".docker"


def connect(where: Target | None = None, *, timeout: int = 60) -> Engine:
    """Connect to the engine and agree on an API version, in one round trip.

    `timeout` bounds each later call, in seconds. Raises EngineUnreachable, or EnvironmentProblem
    for an engine that answers but cannot carry a lab.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    wire = where = where or target()
    if where.url.startswith("ssh://"):
        from swarmlab.relay import ssh

        wire = ssh.brought(where)
    version = _dotted(OLDEST_API)
    try:
        probe = docker.APIClient(
            base_url=wire.url,
            version=version,
            timeout=math.ceil(patient(_PROBE_TIMEOUT)),
            tls=_tls(wire),
        )
        _prepare(probe)
        told = probe.version(api_version=False)
        probe.close()
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise unconnected.explain(where, error) from error
    version = _agree(where, told)
    client = docker.DockerClient(
        base_url=wire.url, version=version, timeout=math.ceil(patient(timeout)), tls=_tls(wire)
    )
    _prepare(client.api)
    verbose.listen(client.api)
    return Engine(
        client=client,
        target=where,
        version=str(told.get("Version", "")),
        api=version,
        kernel=str(told.get("KernelVersion", "")),
        brought=None if wire is where else wire,
    )


def _prepare(api: APIClient) -> None:
    from swarmlab.engine_tls import Adapter

    api.trust_env = False
    if api.base_url.startswith("https://"):
        api.mount("https://", Adapter())


def _agree(where: Target, told: Mapping[str, object]) -> str:
    """The API version to speak, or the reason why this engine will not do."""
    try:
        newest = _parts(str(told["ApiVersion"]))
        oldest = _parts(str(told.get("MinAPIVersion") or _dotted(OLDEST_API)))
    except (KeyError, ValueError):
        raise EngineUnreachable(
            say(
                "What answers at {url} (from {source}) is not a Docker engine.",
                url=where.url,
                source=where.source,
            ),
            hint=say("Check DOCKER_HOST, or unset it."),
        ) from None
    version = told.get("Version", "unknown")
    if newest < OLDEST_API:
        raise EnvironmentProblem(
            say(
                "Too old: the Docker engine {version} speaks API {newest}, and "
                "swarmlab needs {oldest} (engine 20.10) or newer.",
                version=version,
                newest=_dotted(newest),
                oldest=_dotted(OLDEST_API),
            ),
            hint=say("Upgrade the engine, for example from your distribution's current release."),
        )
    if str(told.get("Os", "linux")).lower() != "linux":
        raise EnvironmentProblem(
            say(
                "Not Linux: the Docker engine {version} runs {system} containers.",
                version=version,
                system=told.get("Os"),
            ),
            hint=say("Switch Docker Desktop to Linux containers and try again."),
        )
    return _dotted(max(min(newest, NEWEST_API), oldest))


def _is_a_node(env: Mapping[str, str]) -> bool:
    """Whether DOCKER_HOST is one of our own nodes, set by `eval $(swarmlab env swarm-1)`.

    The nodes' own engine cannot be the one that carries the nodes.
    """
    certs = env.get("DOCKER_CERT_PATH", "")
    return bool(certs) and Path(certs).absolute().is_relative_to(state.folder())


def _current_context(env: Mapping[str, str]) -> str:
    path = Path(env.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    if "currentContext" not in text:
        return ""
    try:
        return str(json.loads(text).get("currentContext", ""))
    except (ValueError, AttributeError):
        return ""


def of_context(name: str) -> Target:
    """Where the docker context of that name leads. Raises EngineUnreachable."""
    source = say("the docker context {name}", name=name)
    cli = shutil.which("docker")
    if cli is None:
        raise EngineUnreachable(
            say(
                "The docker context {name!r} is chosen, but there is no docker client to read it.",
                name=name,
            ),
            hint=say("Install the docker client, or set DOCKER_HOST, or unset DOCKER_CONTEXT."),
        )
    from python_on_whales import DockerClient as Whales
    from python_on_whales.exceptions import DockerException as WhalesException

    try:
        context = Whales(client_call=[cli]).context.inspect(name)
        endpoint = (context.endpoints or {}).get("docker")
        storage = context.storage
    except (WhalesException, ValueError) as error:
        # Only the client's own words: the exception quotes the whole command.
        said = getattr(error, "stderr", None) or ""
        raise EngineUnreachable(
            say("The docker context {name!r} cannot be read.", name=name),
            evidence=unconnected.last_line(str(said)),
            hint=say("Look with `docker context ls`; `docker context use default` goes back."),
        ) from None
    if endpoint is None or not endpoint.host:
        raise EngineUnreachable(
            say("The docker context {name!r} names no engine.", name=name),
            hint=say("Look with `docker context ls`; `docker context use default` goes back."),
        )
    certs = None
    if storage is not None and storage.tls_path:
        folder = Path(storage.tls_path) / "docker"
        certs = folder if (folder / "cert.pem").is_file() else None
    return Target(endpoint.host, source, certs, verify=not endpoint.skip_tls_verify)


def _default_socket(env: Mapping[str, str]) -> str:
    if sys.platform == "win32":
        return "npipe:////./pipe/docker_engine"
    system = Path("/var/run/docker.sock")
    others = [
        Path(env.get("XDG_RUNTIME_DIR", "/nonexistent")) / "docker.sock",
        Path.home() / ".docker" / "run" / "docker.sock",
    ]
    for candidate in (system, *others):
        if candidate.exists():
            return f"unix://{candidate}"
    return f"unix://{system}"


def _tls(where: Target) -> TLSConfig | bool:
    if where.certs is None:
        return False
    from docker.tls import TLSConfig

    return TLSConfig(
        client_cert=(str(where.certs / "cert.pem"), str(where.certs / "key.pem")),
        ca_cert=str(where.certs / "ca.pem"),
        verify=where.verify,
    )


def _parts(version: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", version)
    if match is None:
        raise ValueError(version)
    return int(match[1]), int(match[2])


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def close_stream(stream: Any) -> None:
    """Close a connection that docker-py gave for `socket=True`; what fails is past mending.

    docker-py hides the HTTP answer in it that it was taken out of. That is closed first: from
    Python 3.13 on it would complain on the terminal of a stream that was closed before it.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream._response.close()
    with contextlib.suppress(OSError, AttributeError):
        stream.close()
