"""One image from a registry to an engine, or from it to a registry.

The engine does the work; this end tells it the credentials and hears how far it is. Credentials
are those of the docker client on this machine, found by the Docker SDK: the `auths` of its
configuration file and its credential helpers. They go to the engine in a header and nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any

from docker import DockerClient, auth
from docker.errors import DockerException
from requests import Response
from requests.exceptions import ConnectTimeout, Timeout
from urllib3.exceptions import ReadTimeoutError

from swarmlab.errors import EngineUnreachable, ImageProblem
from swarmlab.images import engine as transport
from swarmlab.images import refusal
from swarmlab.images.command import Say
from swarmlab.images.schedule import Stopped
from swarmlab.wait import patient
from swarmlab.words import say

SILENCE_SECONDS = 120.0
"""How long a registry may send nothing; an engine would wait for ever."""

_HEADER = "X-Registry-Auth"

# The SDK's word of a helper that is missing, on the terminal; the error that follows says it.
warnings.filterwarnings("ignore", message="docker-credential-", category=UserWarning)


def pull(
    engine: DockerClient,
    reference: str,
    *,
    tell: Say,
    stop: Event,
    own: bool = True,
    whose: str = "",
) -> None:
    """Have the engine pull HOST/NAME:TAG; a pull that fails leaves nothing of it there.

    `own` and `whose` are for the error's words, see `refusal.explained`. Raises ImageProblem,
    EngineUnreachable, schedule.Stopped when `stop` was set.
    """
    name, _, tag = reference.rpartition(":")
    headers = credentials(engine, reference)
    with (
        _told(reference, own, whose),
        transport.request(
            engine,
            "POST",
            "/images/create",
            params={"fromImage": name, "tag": tag},
            headers=headers,
            silence=patient(SILENCE_SECONDS),
        ) as response,
    ):
        _follow(response, reference, _Amount("Downloading"), tell, stop, own, whose)


def push(engine: DockerClient, reference: str, *, tell: Say, stop: Event) -> None:
    """Have the engine push HOST/NAME:TAG, which it holds under that name. Raises as `pull`."""
    name, _, tag = reference.rpartition(":")
    # An engine wants the header of a push even when there is nothing in it.
    headers = credentials(engine, reference) or {_HEADER: auth.encode_header({}).decode()}
    with (
        _told(reference, True, ""),
        transport.request(
            engine,
            "POST",
            f"/images/{name}/push",
            params={"tag": tag},
            headers=headers,
            silence=patient(SILENCE_SECONDS),
        ) as response,
    ):
        _follow(response, reference, _Amount("Pushing"), tell, stop, True, "")


def credentials(engine: DockerClient, reference: str) -> dict[str, str]:
    """The header with what the docker configuration has for the registry; empty for nothing.

    Raises ImageProblem when a credential helper does not work.
    """
    host = auth.resolve_repository_name(reference)[0]
    try:
        header = auth.get_config_header(engine.api, host)
    except (DockerException, OSError, ValueError) as error:
        raise ImageProblem(
            say("The docker configuration cannot tell the credentials for {host}.", host=host),
            hint=say(
                "Its credential helper is missing or failed: `docker login` shows it, too. Mend "
                '"credsStore" or "credHelpers" in ~/.docker/config.json.'
            ),
            evidence=_cause(error),
        ) from None
    return {_HEADER: header.decode()} if header else {}


def _cause(error: Exception) -> str:
    """The helper's own complaint, which the SDK wraps in its own."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"[:300]


@contextmanager
def _told(reference: str, own: bool, whose: str) -> Iterator[None]:
    """Turn an engine's refusal, or its silence, into words about the registry."""
    try:
        yield
    except transport.Refused as refused:
        raise refusal.explained(reference, refused.words, own=own, engine=whose) from None
    except EngineUnreachable as lost:
        if _timed_out(lost):
            raise refusal.silent(reference, patient(SILENCE_SECONDS)) from lost
        raise


def _timed_out(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        # An engine that cannot be connected to has asked no registry yet.
        if isinstance(seen, ConnectTimeout):
            return False
        if isinstance(seen, Timeout | ReadTimeoutError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _follow(
    response: Response,
    reference: str,
    amount: _Amount,
    tell: Say,
    stop: Event,
    own: bool,
    whose: str,
) -> None:
    for message in transport.messages(response):
        if stop.is_set():
            raise Stopped(reference)
        if error := message.get("error"):
            raise refusal.explained(reference, str(error), own=own, engine=whose)
        if heard := amount.heard(message):
            tell(heard)


class _Amount:
    """How much of an image is through, from what the engine tells of each layer."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._layers: dict[str, tuple[int, int]] = {}

    def heard(self, message: Mapping[str, Any]) -> str:
        """What to say after this message; empty for nothing new."""
        status = str(message.get("status") or "")
        if status.startswith("Retrying"):
            return say(
                "the registry broke off; the engine tries again ({status})", status=status.lower()
            )
        detail = message.get("progressDetail") or {}
        if status == self._doing and detail.get("total"):
            done, total = int(detail.get("current") or 0), int(detail["total"])
            self._layers[str(message.get("id"))] = (min(done, total), total)
            done, total = (sum(part) for part in zip(*self._layers.values(), strict=True))
            return say("{done} of {total} MB", done=f"{done / 1e6:.0f}", total=f"{total / 1e6:.0f}")
        return ""
