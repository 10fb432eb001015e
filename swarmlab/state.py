"""Where swarmlab keeps its few small files: the user's state folder.

Docker is the state store. What lies here can be lost at any time and is made again: locks, the
client's certificate of a running lab, and how far a student got.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import IO

from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.words import say

DEFAULT_LAB = "default"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")


def folder() -> Path:
    """The folder of all labs (`~/.local/state/swarmlab` on Linux, or under XDG_STATE_HOME)."""
    from platformdirs import user_state_path

    return user_state_path("swarmlab")


def lab_folder(name: str) -> Path:
    """The folder of one lab; `down` removes it whole. Raises UsageError for an unusable name."""
    return folder() / "labs" / checked(name)


def with_keys(known: Collection[str]) -> list[str]:
    """The labs of which a private key lies here, by name, without those that are `known`."""
    found = {path.parent.parent.name for path in folder().glob("labs/*/certs/key.pem")}
    return sorted(name for name in found - set(known) if _NAME.fullmatch(name))


def checked(name: str) -> str:
    """The lab's name if containers and hosts can be named after it; raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            say("{name!r} cannot be the name of a lab.", name=name),
            hint=say("Use up to 20 small letters, digits and dashes, such as `group-7`."),
        )
    return name


def made(path: Path) -> Path:
    """The folder `path`, made if need be, for this user alone. Raises EnvironmentProblem."""
    try:
        # Parents would be made for everybody's eyes, and ours are nobody else's business.
        for parent in reversed(path.parents):
            if parent.is_relative_to(folder()):
                parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def opened(path: Path) -> IO[str]:
    """The file `path`, open to read and to add to, its folder made. Raises EnvironmentProblem."""
    made(path.parent)
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    """The error of a place in the state folder that this user cannot write to."""
    return EnvironmentProblem(
        say("{path} cannot be written: {why}.", path=path, why=error.strerror or error),
        hint=say(
            "Make {folder} and all in it your own again (a command with sudo "
            "may have made it), or set XDG_STATE_HOME to a folder that you "
            "can write to.",
            folder=folder(),
        ),
    )
