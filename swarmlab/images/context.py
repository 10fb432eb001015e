"""A folder as an engine sees it: which files count, their hash, and the tar that is sent."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from docker.utils import exclude_paths

# What tools leave behind in a working tree; it must change neither the key nor the image.
_NEVER = [
    "**/__pycache__",
    "**/*.pyc",
    "**/.mypy_cache",
    "**/.pytest_cache",
    "**/.ruff_cache",
    "**/.DS_Store",
]


def files(folder: Path) -> list[Path]:
    """The files of a build context, relative and sorted, as `.dockerignore` leaves them."""
    ignore = folder / ".dockerignore"
    patterns = list(_NEVER)
    if ignore.is_file():
        lines = ignore.read_text(encoding="utf-8").splitlines()
        patterns += [line for line in lines if line.strip() and not line.startswith("#")]
    kept = (Path(name) for name in exclude_paths(str(folder), patterns))
    return sorted(name for name in kept if (folder / name).is_file())


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def digest(folder: Path) -> str:
    """A SHA-256 over names, contents and executable bits of the context's files.

    Times, owners and the umask of the checkout do not count.
    """
    total = hashlib.sha256()
    for name in files(folder):
        path = folder / name
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        mode = "x" if _executable(path) else "-"
        total.update(f"{name.as_posix()}\0{mode}\0{content}\n".encode())
    return total.hexdigest()


def _entries(folder: Path) -> Iterator[tuple[tarfile.TarInfo, Path]]:
    for name in files(folder):
        path = folder / name
        info = tarfile.TarInfo(name.as_posix())
        info.size = path.stat().st_size
        info.mode = 0o755 if _executable(path) else 0o644
        yield info, path


def write_tar(folder: Path, target: IO[bytes]) -> None:
    """Write the context as a tar in which equal content gives equal bytes.

    The engine's own layer cache then hits whatever the checkout's times and umask are.
    """
    with tarfile.open(fileobj=target, mode="w") as tar:
        for info, path in _entries(folder):
            with path.open("rb") as content:
                tar.addfile(info, content)
