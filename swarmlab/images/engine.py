"""The few engine calls that stream for minutes, with a connection that can be cut.

The Docker SDK's own `build` hides its response, so it cannot be ended early; here every stream
is a context manager, and leaving it cuts the connection, at which the engine stops the work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast

import requests
from docker import DockerClient
from docker.errors import APIError
from urllib3.exceptions import HTTPError as Urllib3Error

from swarmlab.errors import EngineUnreachable, ImageProblem, SwarmlabError
from swarmlab.process import redact
from swarmlab.words import say

_CONNECT_SECONDS = 10.0


class Refused(ImageProblem):
    """The engine answered a call with an error status; `words` is what it said."""

    def __init__(self, words: str) -> None:
        super().__init__(
            say("The Docker engine refused: {words}", words=words),
            hint=say("Look with `swarmlab doctor`, then run the command again."),
        )
        self.words = words


def _url(engine: DockerClient, path: str) -> str:
    return f"{engine.api.base_url}/v{engine.api.api_version}{path}"


@contextmanager
def request(
    engine: DockerClient,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any],
    data: bytes | Iterable[bytes] | None = None,
    content: str = "application/x-tar",
    headers: Mapping[str, str] | None = None,
    silence: float | None = None,
) -> Iterator[requests.Response]:
    """A streaming call with `data`, of the type `content`, as its body.

    `silence` is the longest quiet time in seconds, None for no limit. Raises Refused with the
    engine's own words for an error status, EngineUnreachable when no engine answers.
    """
    session = cast(requests.Session, engine.api)
    try:
        response = session.request(
            method,
            _url(engine, path),
            params=dict(params),
            data=cast(Any, data),
            headers={**({"Content-Type": content} if data is not None else {}), **(headers or {})},
            stream=True,
            timeout=(_CONNECT_SECONDS, silence),
        )
    except requests.RequestException as error:
        raise lost(error) from None
    try:
        if response.status_code >= 400:
            raise Refused(_words(response))
        yield response
    except (requests.RequestException, Urllib3Error) as error:
        raise lost(error) from None
    finally:
        response.close()


def lost(error: Exception) -> EngineUnreachable:
    """The error of a call that the engine did not answer, or not in time.

    To be raised `from None`: the error that it is made of holds the whole address.
    """
    return EngineUnreachable(
        say("The connection to the Docker engine broke, or it was silent for too long."),
        hint=say("Look with `swarmlab doctor`, then run the command again."),
        # The address holds what the call was given, a proxy's password among it.
        evidence=re.sub(r"\?[^\s'\"]+", "", redact(str(error)))[:300],
    )


def _words(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return say("it answered {status}.", status=response.status_code)


def messages(response: requests.Response) -> Iterator[dict[str, Any]]:
    """The JSON messages of a build, pull or import, one at a time, as they come."""
    for line in response.iter_lines(chunk_size=1024):
        if line:
            yield json.loads(line)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """A file as request body, a mebibyte at a time."""
    while block := file.read(1 << 20):
        yield block


def words(error: Exception) -> str:
    """What the engine itself said, without the address that the SDK puts around it."""
    if isinstance(error, SwarmlabError):
        return error.message
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    return str(error)


def architecture(engine: DockerClient) -> str:
    """The engine's architecture in Debian's words, `amd64` or `arm64`.

    Raises ImageProblem for one that swarmlab has no images for.
    """
    machine = str(engine.info()["Architecture"])
    known = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    if machine not in known:
        raise ImageProblem(
            say(
                "The engine runs on {machine}; swarmlab's images exist for amd64 and arm64.",
                machine=machine,
            ),
            hint=say("Use a machine with an x86-64 or an ARM64 processor."),
        )
    return known[machine]
