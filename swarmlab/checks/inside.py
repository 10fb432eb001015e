"""Looking from where a service's container is: its files, its network, its own tools."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from swarmlab.checks.base import World
from swarmlab.checks.looking import Unfit
from swarmlab.checks.tasks import Instance, Raw, inspect
from swarmlab.errors import EnvironmentProblem
from swarmlab.lookout import Ran, heard
from swarmlab.wait import patient
from swarmlab.words import later, say

if TYPE_CHECKING:
    from docker.errors import APIError

_NOT_BEGUN = "OCI runtime exec failed"
_NO_TOOL = ("executable file not found", "no such file or directory")
_SECONDS = 3.0  # for each wait of a request
_LARGEST_FILE = 1 << 20  # bytes; a haproxy.cfg has some thousand

# Run on the task's node: the name server of the container, seen by this process alone, then the
# container's network. So it needs no tool in the container's image, and no right over its
# processes: joining those of another user than root takes CAP_SYS_PTRACE.
_ENTER = 'mount --bind "$1" /etc/resolv.conf && exec nsenter --net="$2" python3 -ISc "$3" "$4" "$5"'
# The same from a container beside it: the file is in another namespace of mounts, so a copy of it.
_ENTER_BESIDE = f'cp "$1" /tmp/resolv.$$ && set -- /tmp/resolv.$$ "$2" "$3" "$4" "$5" && {_ENTER}'
_GET = """
import http.client, json, socket, sys
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
target = (url.path or "/") + ("?" + url.query if url.query else "")
connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=float(sys.argv[2]))
try:
    connection.request("GET", target, headers={"Connection": "close"})
    answer = connection.getresponse()
    told = {"status": answer.status, "body": answer.read(1 << 20).decode(errors="replace")}
except socket.gaierror:
    told = {"trouble": f"the name {url.hostname} does not resolve"}
except ConnectionRefusedError:
    told = {"trouble": "connection refused"}
except TimeoutError:
    told = {"trouble": f"no answer within {float(sys.argv[2]):g} s"}
except (OSError, http.client.HTTPException) as error:
    told = {"trouble": f"{type(error).__name__}: {error}"}
print(json.dumps(told))
"""


def run(world: World, instance: Instance, command: list[str]) -> Ran:
    """Run a tool in the instance's container. Raises Unfit when the container does not run.

    Exit code 126 or 127: the container has no such tool. Raises EnvironmentProblem when the
    engine cannot start any.
    """
    from docker.errors import APIError

    try:
        ran = heard(world.engine(instance.node).api, instance.container, command)
    except APIError as error:
        raise _gone(instance, error) from error
    if ran.output.startswith(_NOT_BEGUN) and not any(one in ran.output for one in _NO_TOOL):
        raise EnvironmentProblem(
            say(
                "The engine of {node} cannot run anything in the container of {name}.",
                node=instance.node,
                name=instance.name,
            ),
            evidence=ran.output.strip(),
            hint=say("`swarmlab doctor` tells whether this machine lets nodes do so."),
        )
    return ran


def get(world: World, instance: Instance, url: str) -> tuple[int, str]:
    """Status and body of a GET made on the container's network, with its name server.

    Raises Unfit when no answer came: a name that does not resolve, a refused connection, no
    answer in three seconds, a container that has ended. EnvironmentProblem: cannot be asked.
    """
    container = _running(world, instance)
    at = world.lookout(instance.node)
    if at.own:
        names, network = container["ResolvConfPath"], container["NetworkSettings"]["SandboxKey"]
        enter = _ENTER
    else:
        process = f"/proc/{container['State']['Pid']}"
        names, network = f"{process}/root/etc/resolv.conf", f"{process}/ns/net"
        enter = _ENTER_BESIDE
    command = ["unshare", "--mount", "sh", "-c", enter, "sh"]
    command += [str(names), str(network), _GET, url, f"{patient(_SECONDS):g}"]
    ran = heard(at.api, at.container, command)
    try:
        told = json.loads(ran.output)
    except ValueError as error:
        # The network goes with the container, which may have ended since it was looked at.
        _running(world, instance)
        raise EnvironmentProblem(
            say("The network of {place} cannot be entered.", place=instance.place),
            evidence=(
                ran.errors or ran.output.strip() or say("exit code {code}", code=ran.exit_code)
            )[-500:],
            hint=say(
                "`swarmlab status` tells whether the node is well, `swarmlab doctor` whether this"
                " machine lets nodes do so."
            ),
        ) from error
    if "trouble" in told:
        words = later("{place} gets no answer: {trouble}")
        raise Unfit(say(words, place=instance.place, trouble=told["trouble"]))
    return int(told["status"]), str(told["body"])


def read(world: World, instance: Instance, path: str) -> bytes:
    """A file of the instance's container. Raises Unfit when file or container is not there."""
    from docker.errors import APIError

    try:
        stream, _ = world.engine(instance.node).api.get_archive(instance.container, path)
        packed = io.BytesIO(b"".join(stream))
    except APIError as error:
        raise _gone(instance, error, path) from error
    with tarfile.open(fileobj=packed) as archive:
        member = archive.next()
        content = archive.extractfile(member) if member is not None and member.isfile() else None
        if content is None:
            raise Unfit(say("{path} in {name} is not a file", path=path, name=instance.name))
        return content.read(_LARGEST_FILE)


def _running(world: World, instance: Instance) -> Raw:
    """The instance's container. Raises Unfit when it does not run."""
    container = inspect(world, instance)
    if container is None or not container["State"].get("Running"):
        raise Unfit(say("the container of {place} does not run", place=instance.place))
    return container


def _gone(instance: Instance, error: APIError, path: str = "") -> Exception:
    """404 and 409 say that the container (or the file) is not there now; the rest is ours."""
    if error.status_code not in (404, 409):
        return error
    what = say("the container of {place}", place=instance.place)
    if path:
        what = say("{path} of {place}", path=path, place=instance.place)
    return Unfit(say("{what} is not there: {why}", what=what, why=error.explanation))
