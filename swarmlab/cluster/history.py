"""What students typed in the workstation, kept while the lab comes and goes.

The file lies in the state folder beside the labs' own folders, because `down` removes those; it
is readable by this user alone. The shells leave out lines with tokens, keys or passwords, and
what they let through is looked at once more here.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import DockerException
from requests.exceptions import RequestException

from swarmlab import archive, labels, state
from swarmlab.errors import EnvironmentProblem
from swarmlab.process import redact
from swarmlab.progress import Progress
from swarmlab.providers.problems import explained
from swarmlab.words import say

if TYPE_CHECKING:
    from docker import DockerClient

IN_WORKSTATION = "/root/.bash_history"
MOST_LINES = 2000
MOST_BYTES = 400_000


def path(lab: str) -> Path:
    """Where the history of the lab of that name is kept on this machine."""
    return state.folder() / "history" / state.checked(lab)


def give(client: DockerClient, lab: str) -> None:
    """Put what is kept into a workstation that was just made; nothing kept, nothing done."""
    try:
        kept = path(lab).read_bytes()
    except OSError:
        return
    packed = archive.pack({IN_WORKSTATION: kept}, modes={IN_WORKSTATION: archive.PRIVATE})
    with explained(say("giving the workstation its history")):
        client.api.put_archive(labels.container(lab, "workstation"), "/", packed)


def keep(client: DockerClient, lab: str, told: Progress) -> None:
    """Fetch the workstation's history, whether it runs or not; what cannot be kept is said."""
    name = labels.container(lab, "workstation")
    try:
        stream, _ = client.api.get_archive(name, IN_WORKSTATION)
        found = archive.unpack(stream).get(Path(IN_WORKSTATION).name, b"")
    except (DockerException, RequestException):
        # No workstation, or nobody has typed anything in it.
        return
    lines = harmless(found)
    if not lines:
        return
    try:
        _write(path(lab), lines)
    except EnvironmentProblem as problem:
        told.note(say("The workstation's history is lost: {message}", message=problem.message))


def harmless(history: bytes) -> bytes:
    """The last lines that hold no secret."""
    lines = history[-MOST_BYTES:].decode("utf-8", "replace").splitlines()
    if len(history) > MOST_BYTES:
        # Cut somewhere: what is left of that line may have lost the word that tells a secret.
        del lines[0]
    kept = [line for line in lines if line.strip() and redact(line) == line]
    return "".join(f"{line}\n" for line in kept[-MOST_LINES:]).encode()


def _write(target: Path, content: bytes) -> None:
    folder = state.made(target.parent)
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise state.unwritable(target, error) from error
