"""The folder `files/` of a lab: what a student finds at the workstation, and may send anywhere.

A lab may come from anybody, so nothing gets there that is not the lab's own: no file that a link
leads to elsewhere on this machine, nothing that is no file, and not the whole disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from swarmlab.errors import Problem
from swarmlab.words import say

FOLDER = "files"
MOST_FILES = 500
MOST_BYTES = 16 << 20


def problems(lab: Path) -> list[Problem]:
    """What is wrong with the files of the lab in that folder; none where it has none."""
    root = lab / FOLDER
    try:
        if root.is_symlink():
            return [_problem(root, lab, say("it is a link, and not a folder of the lab's own"))]
        if not root.is_dir():
            return []
    except OSError:
        # A name that no folder can have; that the lab is not there is told elsewhere.
        return []
    found: list[Problem] = []
    count = size = 0
    for path in _all(root):
        try:
            told = path.lstat()
        except OSError as error:
            found.append(
                _problem(path, lab, say("cannot be read: {why}", why=error.strerror or error))
            )
            continue
        if stat.S_ISLNK(told.st_mode):
            if not _inside(path, root):
                found.append(_problem(path, lab, say("the link leads out of the lab's files")))
        elif not stat.S_ISREG(told.st_mode):
            found.append(_problem(path, lab, say("it is not a file")))
        count, size = count + 1, size + told.st_size
        if count > MOST_FILES or size > MOST_BYTES:
            words = say(
                "there are more than {files} files, or {size} MiB",
                files=MOST_FILES,
                size=MOST_BYTES >> 20,
            )
            return [*found, _problem(root, lab, words)]
    return found


def _all(root: Path) -> Iterator[Path]:
    """All but folders, links to folders among them, in the order of their names."""
    for place, folders, files in os.walk(root):
        folders.sort()
        here = Path(place)
        yield from (here / one for one in sorted(files))
        yield from (here / one for one in folders if (here / one).is_symlink())


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def _problem(path: Path, lab: Path, words: str) -> Problem:
    return Problem(path.relative_to(lab).as_posix(), 0, 0, words)
