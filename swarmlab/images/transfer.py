"""One image from a registry to an engine, or from it to a registry.

The engine does the work; this end tells it the credentials and hears how far it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any

from docker import DockerClient, auth
from requests import Response
from requests.exceptions import ConnectTimeout, Timeout
from urllib3.exceptions import ReadTimeoutError

from swarmlab.errors import EngineUnreachable
from swarmlab.images import credentials, refusal
from swarmlab.images import engine as transport
from swarmlab.images.command import Say
from swarmlab.images.refusal import HERE, Asker
from swarmlab.images.schedule import Stopped
from swarmlab.wait import patient
from swarmlab.words import say

SILENCE_SECONDS = 120.0
"""How long a registry may send nothing; an engine would wait for ever."""


def pull(
    engine: DockerClient,
    reference: str,
    *,
    tell: Say,
    stop: Event,
    own: bool = True,
    whose: Asker = HERE,
) -> None:
    """Have the engine pull HOST/NAME:TAG; a pull that fails leaves nothing of it there.

    `own` and `whose` are for the error's words, see `refusal.explained`. Raises ImageProblem,
    EngineUnreachable, schedule.Stopped when `stop` was set.
    """
    name, _, tag = reference.rpartition(":")
    headers = credentials.header(reference, stop)
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
    nobody = {credentials.HEADER: auth.encode_header({}).decode()}
    headers = credentials.header(reference, stop) or nobody
    with (
        _told(reference, True, HERE),
        transport.request(
            engine,
            "POST",
            f"/images/{name}/push",
            params={"tag": tag},
            headers=headers,
            silence=patient(SILENCE_SECONDS),
        ) as response,
    ):
        _follow(response, reference, _Amount("Pushing"), tell, stop, True, HERE)


@contextmanager
def _told(reference: str, own: bool, whose: Asker) -> Iterator[None]:
    """Turn an engine's refusal, or its silence, into words about the registry."""
    try:
        yield
    except transport.Refused as refused:
        raise refusal.explained(reference, refused.words, own=own, asker=whose) from None
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
    whose: Asker,
) -> None:
    for message in transport.messages(response):
        if stop.is_set():
            raise Stopped(reference)
        if error := message.get("error"):
            raise refusal.explained(reference, str(error), own=own, asker=whose)
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
