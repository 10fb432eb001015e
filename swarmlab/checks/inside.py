"""Looking from inside a service's container: reading a file, running a tool that only reads."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarmlab.checks.base import World
from swarmlab.checks.looking import Unfit
from swarmlab.checks.tasks import Instance

if TYPE_CHECKING:
    from docker.errors import APIError

_LARGEST_FILE = 1 << 20  # bytes; a haproxy.cfg has some thousand

# The student's tool first; images that serve HTTP from Python have no curl. Both print the body
# and then the status on a line of its own, and neither follows a redirect or uses a proxy.
_GET = r"""
if command -v curl >/dev/null; then
  exec curl -sS -m 3 --noproxy '*' -w '\n%{http_code}' -- "$1"
fi
exec python3 -c '
import http.client, sys
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
try:
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=3)
    target = (url.path or "/") + ("?" + url.query if url.query else "")
    connection.request("GET", target, headers={"Connection": "close"})
    answer = connection.getresponse()
    body = answer.read()
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"{type(error).__name__}: {error}")
sys.stdout.buffer.write(body + b"\n%d" % answer.status)
' "$1"
"""


@dataclass(frozen=True)
class Ran:
    """How a tool ended in a container, and what it printed."""

    exit_code: int
    output: str
    errors: str


def run(world: World, instance: Instance, command: list[str]) -> Ran:
    """Run a tool in the instance's container. Raises Unfit when the container does not run."""
    from docker.errors import APIError

    api = world.engine(instance.node).api
    try:
        identity = api.exec_create(instance.container, command)["Id"]
        output, errors = api.exec_start(identity, demux=True)
        exit_code = api.exec_inspect(identity)["ExitCode"]
    except APIError as error:
        raise _gone(instance, error) from error
    return Ran(
        -1 if exit_code is None else int(exit_code),
        (output or b"").decode(errors="replace"),
        (errors or b"").decode(errors="replace").strip(),
    )


def get(world: World, instance: Instance, url: str) -> tuple[int, str]:
    """Status and body of a GET made in the instance's container.

    Raises Unfit when no answer came: a name that does not resolve, a refused connection, no
    answer in three seconds, a container without curl and Python.
    """
    ran = run(world, instance, ["sh", "-c", _GET, "sh", url])
    if ran.exit_code in (126, 127):
        raise Unfit(f"the container of {instance.name} has neither curl nor python3 to ask with")
    body, _, status = ran.output.rpartition("\n")
    if ran.exit_code or not status.isdecimal():
        why = ran.errors.splitlines()[-1] if ran.errors else f"exit code {ran.exit_code}"
        raise Unfit(f"no answer to {instance.name} from {url}: {why}")
    return int(status), body


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
            raise Unfit(f"{path} in {instance.name} is not a file")
        return content.read(_LARGEST_FILE)


def _gone(instance: Instance, error: APIError, path: str = "") -> Exception:
    """404 and 409 say that the container (or the file) is not there now; the rest is ours."""
    if error.status_code not in (404, 409):
        return error
    what = f"{path} of {instance.place}" if path else f"the container of {instance.place}"
    return Unfit(f"{what} is not there: {error.explanation}")
