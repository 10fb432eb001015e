"""A bundle opened: what it holds, whether it is whole, and the images out of it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import zstandard

from swarmlab.bundle import manifest
from swarmlab.bundle.manifest import Manifest
from swarmlab.errors import ImageProblem, UsageError
from swarmlab.words import later, say

BLOCK = 1 << 20
_BEGINS = b"PK\x03\x04"
WINDOW_LOG = 27
"""Images repeat what is 100 MB apart: zstd looks back this many bytes, as a power of two."""

_AGAIN = later(
    "Copy it again; `swarmlab bundle fetch URL FILE` goes on where a copy over the network broke."
)


class Bundle:
    """A bundle's file, open. To be used as a context manager."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, held: Manifest) -> None:
        self.path = path
        self.manifest = held
        self._archive = archive

    def check(self, tell: Callable[[str], None] = lambda text: None) -> None:
        """Read everything and compare it with the list. Raises ImageProblem at what is wrong."""
        names = {info.filename for info in self._archive.infolist()}
        strangers = names - set(self.manifest.members) - {manifest.NAME}
        if strangers:
            raise _broken(
                self.path, say("it holds what its list does not name: {name}", name=min(strangers))
            )
        for name, member in self.manifest.members.items():
            tell(name)
            total = hashlib.sha256()
            size = 0
            with self._member(name) as content:
                while block := _read(self.path, content):
                    total.update(block)
                    size += len(block)
            if size != member.size or total.hexdigest() != member.sha256:
                raise _broken(
                    self.path,
                    say("the checksum of {name} is another than its list says", name=name),
                )

    def images(self) -> Iterator[bytes]:
        """The images as `docker save` wrote them, block by block."""
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
        with self._member(manifest.IMAGES) as packed, unpacker.stream_reader(packed) as content:
            while block := _read(self.path, content):
                yield block

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        try:
            content = self._archive.open(name)
        except KeyError:
            raise _broken(self.path, say("{name} is missing", name=name)) from None
        except (zipfile.BadZipFile, OSError) as error:
            raise _broken(self.path, str(error)) from error
        with content:
            yield content


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """The bundle at `path`. Raises UsageError when there is no such file, ImageProblem when it
    is not whole or no bundle."""
    if not path.is_file():
        raise UsageError(
            say("There is no file {path}.", path=path),
            hint=say("`swarmlab bundle create FILE` makes a bundle."),
        )
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise _no_zip(path) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    with archive:
        try:
            info = archive.getinfo(manifest.NAME)
            if info.file_size > manifest.LARGEST:
                raise _broken(path, say("its list is far too long"))
            text = archive.read(manifest.NAME)
        except KeyError:
            raise ImageProblem(
                say("{path} is a ZIP file, but no bundle of swarmlab's.", path=path),
                hint=say("`swarmlab bundle create FILE` makes one."),
            ) from None
        except (
            zipfile.BadZipFile,
            EOFError,
            NotImplementedError,  # by zipfile, for a way of packing that it does not know
        ) as error:
            raise _broken(path, str(error)) from error
        yield Bundle(path, archive, manifest.parse(text))


def digest(path: Path) -> str:
    """The SHA-256 of a whole file, as `sha256sum` tells it. Raises ImageProblem."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path, content: IO[bytes] | zstandard.ZstdDecompressionReader) -> bytes:
    try:
        return content.read(BLOCK)
    except (zipfile.BadZipFile, EOFError, zstandard.ZstdError) as error:
        raise _broken(path, str(error)) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def may_be(path: Path) -> bool:
    """Whether a file that cannot be read as a bundle is perhaps a broken one.

    A ZIP file's directory is at its end, so a copy that broke off has none; one that has a
    directory without a bundle's list in it is somebody's own.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_BEGINS)) != _BEGINS:
                return False
        with zipfile.ZipFile(path) as archive:
            return manifest.NAME in archive.namelist()
    except zipfile.BadZipFile:
        return True
    except OSError as error:
        raise _unreadable(path, error) from error


def _no_zip(path: Path) -> ImageProblem:
    """The problem of a file that has no ZIP file's directory."""
    with path.open("rb") as file:
        begun = file.read(len(_BEGINS)) == _BEGINS
    size = path.stat().st_size
    if not begun:
        return ImageProblem(
            say("{path} is no bundle.", path=path),
            hint=say("`swarmlab bundle create FILE` makes one."),
        )
    return ImageProblem(
        say(
            "{path} is not whole: it breaks off after {size:.1f} MB.",
            path=path,
            size=size / 1e6,
        ),
        hint=say(_AGAIN),
    )


def _broken(path: Path, why: str) -> ImageProblem:
    return ImageProblem(say("{path} is damaged: {why}.", path=path, why=why), hint=say(_AGAIN))


def _unreadable(path: Path, error: OSError) -> ImageProblem:
    return ImageProblem(
        say("{path} cannot be read: {why}.", path=path, why=error.strerror or error),
        hint=say("Look at the file's rights and at the medium that it is on."),
    )
