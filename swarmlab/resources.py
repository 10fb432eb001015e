"""Where labs and image sources are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

from swarmlab.errors import EnvironmentProblem
from swarmlab.words import say

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise EnvironmentProblem(
        say("swarmlab's own folder {name!r} is missing from this installation.", name=name),
        hint=say("Install swarmlab again: the folder is part of the package."),
    )


def compose_dir() -> Path:
    """The folder with the compose file and the image sources. Raises EnvironmentProblem."""
    return _folder("compose")


def labs_dir() -> Path:
    """The folder with the labs, one folder a lab. Raises EnvironmentProblem."""
    return _folder("labs")
