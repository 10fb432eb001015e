"""A bundle copied over the network: goes on where it broke, and is whole when it is there."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests

from swarmlab import flock
from swarmlab.bundle import reading
from swarmlab.bundle.writing import refuse_folder, unwritable
from swarmlab.errors import EnvironmentProblem, ImageProblem, UsageError
from swarmlab.process import redact
from swarmlab.progress import Progress, Stage
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_BLOCK = 1 << 16
BETWEEN_SECONDS = 2.0
"""The pause before a broken copy is taken up again."""
PATIENCE_SECONDS = 30.0
"""How long nothing at all may come before the copy is given up, to be taken up later."""


@dataclass(frozen=True)
class Fetched:
    """A bundle that is there and whole; `resumed` are the bytes that were there before."""

    path: Path
    size: int
    resumed: int
    seconds: float


class _Over(Exception):
    """The server has another file now, or never had this one; the text says it."""


def fetch(url: str, target: Path, progress: Progress) -> Fetched:
    """Copy the bundle at `url` to `target`, taking up what an earlier try has left.

    A whole bundle that is there already stays, unless the server has another one now.
    What has come so far lies beside `target` with `.part` added. Raises UsageError for an
    address that is none or a target that is another file, EnvironmentProblem when the server or
    the disk refuses, ImageProblem when what came is no whole bundle.
    """
    if not _is_address(url):
        raise UsageError(
            say("{url!r} is no address to fetch from.", url=url),
            hint=say("It looks like http://192.168.1.20:8642/swarmlab-bundle.zip."),
        )
    start = time.monotonic()
    refuse_folder(target)
    if target.exists() and _is_copy(target) and _size_now(url) in (None, target.stat().st_size):
        return Fetched(target, target.stat().st_size, target.stat().st_size, 0.0)
    part = target.with_name(target.name + ".part")
    try:
        with _alone(part) as seal, _leaving_nothing_empty(part), part.open("ab") as file:
            copy = _Copy(url, file, seal)
            resumed = copy.begun
            with progress.stage(say("Fetching {name}", name=target.name)) as stage:
                copy.all(stage)
            file.flush()
            with progress.stage(say("Checking it")) as stage:
                _check(part, file, stage)
        part.replace(target)
        part.with_name(part.name + ".seal").unlink()
    except OSError as error:
        raise unwritable(target, error) from error
    return Fetched(target, target.stat().st_size, resumed, time.monotonic() - start)


def _is_copy(target: Path) -> bool:
    """Whether what is there is a whole bundle; else a broken one, in whose place another may come.

    Raises UsageError for any other file.
    """
    try:
        with reading.opened(target) as bundle:
            bundle.check()
        return True
    except ImageProblem as problem:
        if reading.may_be(target):
            return False
        raise UsageError(
            say("{path} is there already, and it is no bundle.", path=target),
            hint=say("Name another file; nothing was changed."),
        ) from problem


def _size_now(url: str) -> int | None:
    """How many bytes the server's bundle has now; None when it does not say."""
    with suppress(requests.RequestException, ValueError), _session(url) as session:
        within = (_CONNECT_SECONDS, _SILENCE_SECONDS)
        answer = session.head(url, timeout=within, allow_redirects=True)
        if answer.status_code == 200:
            return int(answer.headers["Content-Length"])
    return None


def _session(url: str) -> requests.Session:
    made = requests.Session()
    # A proxy that leads out of the house does not lead to a machine in the room.
    made.trust_env = not _near(url)
    return made


@contextmanager
def _leaving_nothing_empty(part: Path) -> Iterator[None]:
    """A copy of which nothing has come leaves no files behind; only who holds the seal may ask."""
    try:
        yield
    finally:
        seal = part.with_name(part.name + ".seal")
        if (
            part.exists()
            and not part.stat().st_size
            and not (seal.exists() and seal.stat().st_size)
        ):
            part.unlink()
            seal.unlink(missing_ok=True)


@contextmanager
def _alone(part: Path) -> Iterator[IO[str]]:
    """The file that says which copy the part belongs to, held by this process alone."""
    with part.with_name(part.name + ".seal").open("a+", encoding="ascii", errors="replace") as seal:
        if not flock.take(seal):
            raise UsageError(
                say("Another swarmlab is fetching {name}.", name=part.name),
                hint=say("Wait until it is done, or fetch into another folder."),
            )
        yield seal


def _check(part: Path, file: IO[bytes], stage: Stage) -> None:
    try:
        with reading.opened(part) as bundle:
            bundle.check(stage.say)
    except ImageProblem as error:
        # Nothing of it is of use: the next try begins anew.
        file.truncate(0)
        error.hint = say("Run the command again, which begins anew.")
        raise


class _Copy:
    """One copy under way, through as many connections as it takes."""

    def __init__(self, url: str, file: IO[bytes], seal: IO[str]) -> None:
        self._url = url
        self._file = file
        self._seal = seal
        seal.seek(0)
        self._tag = seal.read().strip()
        if not self._tag:
            file.truncate(0)
        self.begun = self._done = file.seek(0, 2)
        self._total = -1

    def all(self, stage: Stage) -> None:
        """Take everything. Raises EnvironmentProblem when the server is silent for too long."""
        heard = time.monotonic()
        trouble = ""

        def connect() -> Observation[None]:
            nonlocal heard, trouble
            before = self._done
            try:
                self._take(stage)
            except (requests.RequestException, ValueError) as error:
                # The latter comes of a redirection to what is no address.
                trouble = redact(str(error))
            if self._done > before:
                heard = time.monotonic()
            whole = self._done == self._total
            return Observation(whole or time.monotonic() - heard > PATIENCE_SECONDS, trouble)

        try:
            poll(connect, within=float("inf"), every=BETWEEN_SECONDS)
        except _Over as error:
            raise EnvironmentProblem(
                str(error), hint=say("Ask whoever serves it for the right address.")
            ) from None
        if self._total < 0 and not self._done:
            raise EnvironmentProblem(
                say("Nothing answers at {url}.", url=self._url),
                evidence=trouble,
                hint=say(
                    "Is `swarmlab serve-bundle` running there, and are address and port those that"
                    " it prints?"
                ),
            )
        if self._done != self._total:
            raise EnvironmentProblem(
                say(
                    "The copy broke off after {done:.1f} MB, and the server is silent.",
                    done=self._done / 1e6,
                ),
                evidence=trouble,
                hint=say("Run the same command again: it goes on from there."),
            )

    def _take(self, stage: Stage) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self._done and self._tag:
            headers |= {"Range": f"bytes={self._done}-", "If-Range": self._tag}
        with (
            _session(self._url) as session,
            session.get(
                self._url,
                headers=headers,
                stream=True,
                timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS),
            ) as answer,
        ):
            self._begin(answer)
            for block in answer.iter_content(_BLOCK):
                self._file.write(block)
                self._done += len(block)
                stage.say(
                    say(
                        "{done:.0f} of {all:.0f} MB",
                        done=self._done / 1e6,
                        all=self._total / 1e6,
                    )
                )

    def _begin(self, answer: requests.Response) -> None:
        """Set the file up for what comes: the rest, or all of it anew."""
        if answer.status_code == 503:
            raise requests.ConnectionError(say("the server has no place free just now"))
        if answer.status_code == 206:
            told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            if told is None or int(told[1]) != self._done:
                raise _Over(say("{url} does not give the rest of a file properly.", url=self._url))
            self._total = int(told[2])
        elif answer.status_code == 200:
            length = answer.headers.get("Content-Length", "")
            if not length.isdigit():
                raise _Over(say("{url} does not say how long the file is.", url=self._url))
            self._total = int(length)
            tag = answer.headers.get("ETag", "")
            # A weak tag promises no equal bytes; the date of the last change is as good as one.
            tag = tag if tag[:1] == '"' else answer.headers.get("Last-Modified", "")
            # What is not ASCII cannot be sent back: such a copy begins anew when it breaks.
            self._restart(tag if tag.isascii() else "")
        elif answer.status_code == 416:
            # Nothing is left to give: whole already, or of another file.
            told = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
            self._total = int(told[1]) if told else -1
            if self._total != self._done:
                self._restart("")
                raise requests.ConnectionError(say("the server has another file now"))
            answer.close()
        else:
            raise _Over(
                say(
                    "{url} cannot be fetched: the server answers {status}.",
                    url=self._url,
                    status=answer.status_code,
                )
            )

    def _restart(self, tag: str) -> None:
        """Begin the file anew; the tag tells later whether the server's is still the same."""
        self._file.truncate(0)
        self._file.seek(0)
        self._done = 0
        self._tag = tag
        self._seal.seek(0)
        self._seal.truncate()
        self._seal.write(self._tag)
        self._seal.flush()


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Out of range, asking for the port is an error.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _near(url: str) -> bool:
    """Whether the address is one of a local network."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_private
    except ValueError:
        return urlsplit(url).hostname == "localhost"
