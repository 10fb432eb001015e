"""Small tar archives, the form in which an engine takes files into a container and gives them."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

PRIVATE = 0o600
PLAIN = 0o644
PROGRAM = 0o755


def pack(files: Mapping[str, bytes], *, modes: Mapping[str, int] | None = None) -> bytes:
    """An archive to unpack at `/`: absolute path to content, owned by root.

    `modes` holds the mode of those files that are not PLAIN. Folders are made as needed; one
    that holds a PRIVATE file is closed to others.
    """
    modes = modes or {}
    private = {str(PurePosixPath(path).parent) for path in files if modes.get(path) == PRIVATE}
    buffer = io.BytesIO()
    now = int(time.time())
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in _folders(files):
            entry = tarfile.TarInfo(folder.lstrip("/"))
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o700 if folder in private else 0o755
            entry.mtime = now
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content)
            entry.mode = modes.get(path, PLAIN)
            entry.mtime = now
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpack(stream: Iterable[bytes]) -> dict[str, bytes]:
    """The regular files of an archive as an engine streams it: file name to content."""
    buffer = io.BytesIO(b"".join(stream))
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=buffer, mode="r") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isfile() else None
            if content is not None:
                found[PurePosixPath(entry.name).name] = content.read()
    return found


# Folders of the image itself: an entry for one of them would change its owner and mode.
_GIVEN = frozenset({"/", "/etc", "/root", "/usr", "/usr/local", "/var", "/var/lib", "/run"})


def _folders(files: Iterable[str]) -> list[str]:
    """Every folder above the files, parents first, but for those that any image has."""
    folders: set[str] = set()
    for path in files:
        folders.update(str(parent) for parent in PurePosixPath(path).parents)
    return sorted(folders - _GIVEN)
