"""What somebody needs who is asked for help, in one file, with every secret taken out.

Collecting changes nothing. A part that cannot be collected is named with the reason, and the rest
is there all the same: a lab that is in trouble is what this is for.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarmlab.errors import UsageError
from swarmlab.process import HIDDEN, redact
from swarmlab.progress import Progress
from swarmlab.support.parts import SECRET, wanted
from swarmlab.words import say

_MOST = 200_000  # characters of one file
_SHORTEST = 6  # characters: a shorter value is found by chance
_LEARNT = 8  # the same for what is learnt of services


@dataclass(frozen=True)
class Part:
    """One file of the bundle, and what is in it; `why` says why it is missing, when it is."""

    name: str
    about: str
    text: str = field(default="", repr=False)
    why: str = ""


def collect(name: str, progress: Progress) -> list[Part]:
    """All parts for the lab of that name, secrets taken out. Raises nothing of its own."""
    clean = Cleaner(os.environ)
    found = []
    with progress.stage(say("Collecting")) as stage:
        now = stage.say
        for part in wanted(name, clean.learn):
            now(part.name)
            try:
                found.append((part, part.make(), ""))
            except Exception as error:
                # Whatever a broken lab makes fail must not cost the rest.
                told = getattr(error, "message", None) or getattr(error, "explanation", None)
                found.append((part, "", str(told or f"{type(error).__name__}: {error}")))
    # Only now is every secret known that a service was given.
    return [
        Part(part.name, part.about, _bounded(clean(text)), clean(why).partition("\n")[0][:200])
        for part, text, why in found
    ]


def write(parts: list[Part], path: Path, name: str) -> None:
    """Write the bundle, readable by this user alone. Raises UsageError for a bad place."""
    folder = f"swarmlab-support-{name}"
    listed = "\n".join(f"{part.name}: {part.about or ''}{_missing(part)}" for part in parts)
    texts = {"LIST.txt": listed + "\n", **{p.name: p.text for p in parts if not p.why}}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file, text in texts.items():
            data = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{folder}/{file}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    refuse(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(
            say("{path} cannot be written: {why}.", path=path, why=error.strerror or error),
            hint=say("Name a file in a folder that exists and that you may write to."),
        ) from error
    with os.fdopen(handle, "wb") as file_:
        file_.write(packed.getvalue())


def refuse(path: Path) -> None:
    """Raises UsageError for a file that is there: nothing is written over."""
    if path.exists():
        raise UsageError(say("{path} exists already.", path=path), hint=say("Name another file."))


def default_file(name: str) -> Path:
    """Where the bundle goes when nobody says: a file here, with the time in its name."""
    return Path(f"swarmlab-support-{name}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")


def _is_path(value: str) -> bool:
    return value.startswith("/") and os.path.lexists(value)


class Cleaner:
    """Takes secrets out of texts: what looks like one, and the values of variables named so."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        values = (v for name, v in environment.items() if SECRET.search(name))
        # A path is no secret, though a variable may be called SSH_AUTH_SOCK. It has to be there:
        # a secret in base64 can begin with a slash as well.
        known = {v for v in values if len(v) >= _SHORTEST and not _is_path(v)}
        self._known = sorted(known, key=len, reverse=True)

    def learn(self, value: str) -> None:
        """Take that value out, too, unless it is a word that others use as well."""
        common = len(value) < _LEARNT or (value.isalpha() and value.islower())
        if not common and not _is_path(value) and value not in self._known:
            self._known = sorted([*self._known, value], key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._known:
            text = text.replace(value, HIDDEN)
            # In JSON it may be spelt otherwise.
            text = text.replace(json.dumps(value)[1:-1], HIDDEN)
        return redact(text)


def _missing(part: Part) -> str:
    return say(" (not collected: {why})", why=part.why) if part.why else ""


def _bounded(text: str) -> str:
    return text if len(text) <= _MOST else "...\n" + text[-_MOST:]
