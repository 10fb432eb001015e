"""The parts of a support bundle: where each comes from."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from swarmlab import __version__, labels, process, state
from swarmlab import engine as engines
from swarmlab.checks.tasks import list_services
from swarmlab.errors import LabAbsent, SwarmlabError
from swarmlab.lookout import heard
from swarmlab.process import HIDDEN
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.cluster.cluster import Cluster

LINES = 300
"""The last lines of each log that are kept."""
_VERIFY_SECONDS = 90.0
_ENGINE_LOG = "/var/log/dockerd.log"
# Where a machine's engine writes depends on the machine's system.
_MACHINE_LOG = f"""
for log in {_ENGINE_LOG} /var/log/docker.log /var/lib/boot2docker/docker.log; do
    [ ! -f $log ] || exec tail -n {LINES} $log
done
journalctl --no-pager -u docker -n {LINES}
"""

SECRET = re.compile(
    r"pass|_pwd|secret|token|credential|auth(?!or)|(?:api|private|access|grade)_?key|_key$", re.I
)
# Of the environment, only what swarmlab and its engine read; values of the rest are nobody's.
_READ = re.compile(
    r"SWARMLAB_|DOCKER_|XDG_STATE_HOME|LANG$|LC_|TERM$|NO_COLOR|.*_PROXY$"
    r"|SSL_CERT|REQUESTS_CA|CURL_CA|PIP_CERT",
    re.I,
)


@dataclass(frozen=True)
class Wanted:
    """One file to be: what is in it, and how it is made; making it may raise anything."""

    name: str
    about: str
    make: Callable[[], str]


def wanted(name: str, learn: Callable[[str], None]) -> Iterator[Wanted]:
    """All files for the lab of that name, logs last. Each is to be made before the next is asked
    for: connections are closed behind them.

    `learn` is told each secret that a service was given: it may stand in any log.
    """
    yield Wanted("versions.json", say("versions of swarmlab, Python and the engine"), _versions)
    yield Wanted("environment.txt", say("variables that swarmlab reads"), _environment)
    yield Wanted("doctor.json", say("what this machine can do"), _doctor)
    yield Wanted("status.json", say("how the lab is"), partial(_status, name))
    yield Wanted("topology.txt", say("what runs on which node"), partial(_topology, name))
    yield Wanted("verify.json", say("which steps hold now"), partial(_verify, name))
    yield Wanted("services.json", say("services and their tasks"), partial(_services, name, learn))
    folder = state.lab_folder(name)
    for path in sorted(folder.glob("*.json")):
        yield Wanted(path.name, say("a file of this lab: progress"), path.read_text)
    yield from _logs(name)


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for package in ("docker", "python-on-whales", "requests", "rich", "typer", "cryptography"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = say("not found")
    told: dict[str, Any] = {
        "swarmlab": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "packages": packages,
    }
    try:
        engine = engines.connect()
        try:
            told["engine"] = {"target": engine.target.url, **engine.client.api.version()}
        finally:
            engine.client.close()
    except SwarmlabError as error:
        told["engine"] = error.message
    return _json(told)


def _environment() -> str:
    """Names of all that is read; values of those that are no secret by their name."""
    found = [f"{name}={value}" for name, value in sorted(os.environ.items()) if _READ.match(name)]
    return "\n".join(map(variable, found)) + "\n"


def _doctor() -> str:
    from swarmlab import doctor

    return _json(doctor.examine().to_dict())


def _status(name: str) -> str:
    from swarmlab.cluster import lifecycle

    return _json(lifecycle.status(name).to_dict())


def _topology(name: str) -> str:
    from contextlib import closing

    from swarmlab.handout.diagrams.current import text
    from swarmlab.handout.diagrams.look import look
    from swarmlab.handout.diagrams.seen import PROXY
    from swarmlab.watching.eye import Eyes

    with _cluster(name) as cluster, closing(Eyes(cluster, PROXY)) as eyes:
        return text(look(cluster, eyes)) + "\n"


def _verify(name: str) -> str:
    command = [sys.executable, "-m", "swarmlab", "verify", "--json", "--name", name]
    done = process.run(command, timeout=_VERIFY_SECONDS)
    if not done.stdout.strip():
        # The error is the first line; what to do next comes after it.
        raise SwarmlabError((done.stderr.strip().splitlines() or [done.tail(1)])[0])
    return done.stdout


def _services(name: str, learn: Callable[[str], None]) -> str:
    """Services with their tasks, as the first manager that answers tells them."""
    with _cluster(name) as cluster:
        api = _speaker(cluster)
        nodes = {node["ID"]: node["Description"]["Hostname"] for node in api.nodes()}
        tasks = api.tasks()
        services = list_services(api)
        for raw in services:
            for one in (raw["Spec"]["TaskTemplate"].get("ContainerSpec") or {}).get("Env") or ():
                if variable(one) != one:
                    learn(one.partition("=")[2])
        return _json([_service(raw, tasks, nodes) for raw in services])


def _speaker(cluster: Cluster) -> Any:
    """The engine of the first manager that answers for the swarm; the last error of none."""
    last: Exception = SwarmlabError(say("No manager of the lab answers for the swarm."))
    for node in cluster.nodes:
        try:
            api = cluster.engine(node).api
            list_services(api)
        except Exception as error:
            # Stopped, cut off, without a quorum: another one may do better.
            last = error
        else:
            return api
    raise last


def _service(
    raw: dict[str, Any], tasks: list[dict[str, Any]], nodes: Mapping[str, str]
) -> dict[str, Any]:
    spec = raw["Spec"]
    container = spec["TaskTemplate"].get("ContainerSpec") or {}
    own = [task for task in tasks if task["ServiceID"] == raw["ID"]]
    return {
        "name": spec["Name"],
        "mode": spec.get("Mode"),
        "image": container.get("Image"),
        "command": [*(container.get("Command") or ()), *(container.get("Args") or ())],
        "environment": [variable(one) for one in container.get("Env") or ()],
        "ports": (raw.get("Endpoint") or {}).get("Ports") or [],
        "tasks": [
            {
                "id": task["ID"],
                "slot": task.get("Slot"),
                "node": nodes.get(task.get("NodeID", "")),
                "desired": task.get("DesiredState"),
                "state": task["Status"].get("State"),
                "since": task["Status"].get("Timestamp"),
                "error": task["Status"].get("Err", ""),
            }
            for task in sorted(own, key=lambda task: str(task["Status"].get("Timestamp")))
        ],
    }


def _logs(name: str) -> Iterator[Wanted]:
    """The containers' logs, the nodes' engines' and the services'."""
    try:
        cluster = _cluster(name)
    except SwarmlabError as error:
        yield Wanted("logs", say("logs of containers, engines and services"), _raising(error))
        return
    with cluster:
        api: Any = cluster.host_engine().api
        boxes = cluster.nodes if cluster.provider.contained else ()
        for what in (*boxes, "workstation"):
            box = labels.container(name, what)
            about = say("what the container said")
            yield Wanted(f"logs/{what}.log", about, partial(_log, api, box))
        for node in cluster.nodes:
            box = labels.container(name, node)
            about = say("what the node's engine said")
            log = partial(_engine_log, api, box)
            if not cluster.provider.contained:
                log = partial(_machine_log, cluster, node)
            yield Wanted(f"logs/{node}-engine.log", about, log)
        try:
            speaker = _speaker(cluster)
            services = [str(raw["Spec"]["Name"]) for raw in list_services(speaker)]
        except Exception as error:
            yield Wanted("logs/services", say("what the service's tasks said"), _raising(error))
            return
        for service in services:
            about = say("what the service's tasks said")
            make = partial(_service_log, speaker, service)
            yield Wanted(f"logs/service-{service}.log", about, make)


def _raising(error: Exception) -> Callable[[], str]:
    def make() -> str:
        raise error

    return make


def _log(api: Any, box: str) -> str:
    return str(api.logs(box, tail=LINES, timestamps=True).decode("utf-8", "replace"))


def _engine_log(api: Any, box: str) -> str:
    from docker.errors import APIError

    try:
        return heard(api, box, ["tail", "-n", str(LINES), _ENGINE_LOG]).output
    except APIError:
        # A node that is stopped or paused runs nothing, but still has its files.
        stream, _ = api.get_archive(box, _ENGINE_LOG)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            text = file.read().decode("utf-8", "replace") if file else ""
        return "\n".join(text.splitlines()[-LINES:])


def _machine_log(cluster: Cluster, node: str) -> str:
    ran = cluster.lookout(node).heard_on_node(_MACHINE_LOG)
    return ran.output or ran.errors


def _service_log(api: Any, service: str) -> str:
    lines = api.service_logs(service, stdout=True, stderr=True, tail=LINES, timestamps=True)
    data = lines if isinstance(lines, bytes) else b"".join(lines)
    return data.decode("utf-8", "replace")


def _cluster(name: str) -> Cluster:
    from swarmlab.cluster import lifecycle

    cluster = lifecycle.find(name, patience=10)
    if cluster is None:
        raise LabAbsent(
            say("There is no lab {name!r} on this machine.", name=name),
            hint=say("`swarmlab up` makes one."),
        )
    return cluster


def variable(text: str) -> str:
    """`NAME=value` of a container's environment; the value hidden where the name tells of one."""
    name, equals, _ = text.partition("=")
    return f"{name}={HIDDEN}" if equals and SECRET.search(name) else text


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
