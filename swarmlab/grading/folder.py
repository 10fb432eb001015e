"""Which files are meant by the paths that a teacher names, and whose each is by its place."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swarmlab.errors import UsageError
from swarmlab.grading.paper import same_name
from swarmlab.loading.file import there
from swarmlab.words import say

MOST_FILES = 5000
ENDING = ".json"


@dataclass(frozen=True)
class Found:
    """A file, and whose it is if it does not say. `other`: it lies in a folder among results and
    is named like none."""

    path: Path
    called: str
    other: bool = False


def files(paths: Sequence[Path], but: Collection[Path] = ()) -> list[Found]:
    """The files meant by those paths, without those of `but`.

    Of a folder: everything in it and below it, called as it lies there (`anna`, `group-2/anna`);
    files that are hidden and named like no result are passed over. Files that would be called the
    same are called by their places below the folder that holds them all. Raises UsageError when
    there is no result, or too much.
    """
    found: dict[str, Found] = {}
    left_out = {_place(path) for path in but}
    for path in paths:
        if not there(path):
            raise UsageError(
                say("There is no file or folder {path}.", path=path),
                hint=say("Name folders with students' results, or the files themselves."),
            )
        for one in _within(path) if path.is_dir() else [Found(path, path.stem)]:
            if _place(one.path) not in left_out:
                found.setdefault(_place(one.path), one)
            if len(found) > MOST_FILES:
                raise UsageError(
                    say("There are more than {most} files.", most=MOST_FILES),
                    hint=say("Grade one class at a time."),
                )
    if all(one.other for one in found.values()):
        raise UsageError(
            say("There is no result to grade: no *.json in what you named."),
            hint=say(
                "A student makes one with `swarmlab verify --json --student NAME > NAME.json`."
            ),
        )
    return _told_apart(list(found.values()))


def _within(folder: Path) -> Iterator[Found]:
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.suffix.lower() == ENDING and not path.is_dir():
            yield Found(path, place.with_suffix("").as_posix())
        elif path.is_file() and not any(part.startswith(".") for part in place.parts):
            yield Found(path, "", other=True)


def _told_apart(found: Sequence[Found]) -> list[Found]:
    """`anna/result.json` and `ben/result.json` are nobody's called `result`."""
    alike: defaultdict[str, list[Found]] = defaultdict(list)
    for one in found:
        alike[same_name(one.called)].append(one)
    told = []
    for one in found:
        others = [_place(other.path) for other in alike[same_name(one.called)]]
        if len(others) > 1 and not one.other:
            below = Path(_place(one.path)).relative_to(os.path.commonpath(others))
            one = replace(one, called=below.with_suffix("").as_posix())
        told.append(one)
    return told


def _place(path: Path) -> str:
    """The file's whole path, links left as they are."""
    return os.path.normpath(path.absolute())
