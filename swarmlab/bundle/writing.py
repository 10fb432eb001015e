"""A bundle's file as it is written: each member with its checksum, and the list at the end.

It is written beside its place and moved there when it is whole, so a file of that name is always
a whole bundle.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from swarmlab.bundle import manifest
from swarmlab.bundle.manifest import Member
from swarmlab.bundle.reading import WINDOW_LOG
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.words import say

LEVEL = 10
"""zstd's level. Above it, minutes more save a few per cent."""

# Equal content gives equal bytes, whenever it is packed.
_WHEN = (1980, 1, 1, 0, 0, 0)


class Writer:
    """The file while it is written; `members` are those that it holds so far."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.members: dict[str, Member] = {}

    def add(self, name: str, content: bytes) -> None:
        """A small member."""
        with self._member(name) as sink:
            sink.write(content)

    def add_file(self, name: str, path: Path) -> None:
        """A member that is a file."""
        with self._member(name) as sink, path.open("rb") as source:
            while block := source.read(1 << 20):
                sink.write(block)

    def add_images(self, blocks: Iterable[bytes]) -> int:
        """The images, compressed; returns how many bytes they were."""
        settings = zstandard.ZstdCompressionParameters.from_level(
            LEVEL, window_log=WINDOW_LOG, enable_ldm=True, threads=-1
        )
        packer = zstandard.ZstdCompressor(compression_params=settings)
        size = 0
        with (
            self._member(manifest.IMAGES) as sink,
            packer.stream_writer(cast(IO[bytes], sink), closefd=False) as packed,
        ):
            for block in blocks:
                packed.write(block)
                size += len(block)
        return size

    def finish(self, held: manifest.Manifest) -> None:
        """The list, which ends the bundle."""
        self._archive.writestr(_info(manifest.NAME), held.to_json())

    @contextmanager
    def _member(self, name: str) -> Iterator[_Summing]:
        with self._archive.open(_info(name), "w", force_zip64=True) as file:
            sink = _Summing(file)
            yield sink
        self.members[name] = Member(sink.size, sink.total.hexdigest())


class _Summing:
    """A file that is written through, its bytes counted and hashed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.total = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.total.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHEN)
    info.external_attr = 0o644 << 16
    return info


@contextmanager
def written(target: Path) -> Iterator[Writer]:
    """A writer for a bundle that is at `target` when the block ends well, else nowhere.

    Raises EnvironmentProblem when the file cannot be written: no rights, or no space.
    """
    _clear(target)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_STORED) as archive:
            yield Writer(archive)
        part.replace(target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _clear(target: Path) -> None:
    """Remove the halves of processes that were ended midway and are no more."""
    own = re.compile(re.escape(target.name) + r"\.(\d{1,10})\.part")
    with contextlib.suppress(OSError):
        for left in target.parent.iterdir():
            if (found := own.fullmatch(left.name)) and not _lives(int(found[1])):
                with contextlib.suppress(OSError):
                    left.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def refuse_folder(target: Path) -> None:
    """Raises UsageError for a target that is a folder: a bundle is a file."""
    if target.is_dir():
        raise UsageError(
            say("{target} is a folder; a bundle is a file.", target=target),
            hint=say("Name a file in it: {file}", file=target / "swarmlab-bundle.zip"),
        )


def refuse_file(target: Path) -> None:
    """Raises UsageError for a file that is there: nothing is written over unless it is asked."""
    if target.exists():
        raise UsageError(
            say("{path} exists already.", path=target),
            hint=say("Name another file; `--force` puts the new bundle in the place of this one."),
        )


def unwritable(target: Path, error: OSError) -> EnvironmentProblem:
    """The error of a file that cannot be written; a full disk is told apart."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentProblem(
            say("The disk that holds {target} is full.", target=target),
            hint=say(
                "Free some space, or name a file on another disk; a bundle takes about 220 MB."
            ),
        )
    return EnvironmentProblem(
        say(
            "{target} cannot be written: {why}.",
            target=target,
            why=error.strerror or error,
        ),
        hint=say("Name a file in a folder that exists and that you may write to."),
    )
