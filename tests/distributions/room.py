"""A distribution as a plain user has it: its files, this machine's engine, and no way to root."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarmlab.process import redact
from tests.vm.disks import ROOT, run

ENTER = Path(__file__).with_name("enter.sh")
# Not by /var/run: followed from outside, that link of a distribution leads to this machine's.
SOCKET = Path("/run/docker.sock")
HOME = "/home/student"
TOO_LATE = 124
"""The exit code of a program that was ended at its time limit."""


@dataclass(frozen=True)
class Ended:
    """How a program there ended, and all that it said."""

    code: int
    output: str


class Room:
    """A distribution with a clone of this repository in its user's home.

    What is done there is gone with `scratch`: the distribution itself is never changed.
    """

    def __init__(self, tree: Path, scratch: Path) -> None:
        self._tree = tree
        self._scratch = scratch
        run("git", "clone", "--quiet", "--no-hardlinks", ROOT, scratch / "clone")
        (scratch / "pip.conf").write_text(_pip_settings(), encoding="utf-8")

    def run(
        self,
        *argv: str,
        engine: bool = True,
        member: bool = True,
        venv: bool = True,
        environment: Mapping[str, str] | None = None,
        seconds: float = 900,
    ) -> Ended:
        """Run a program in the clone, as the user.

        Without `engine` there is no socket; without `member` it belongs to a group that the user
        is not in; without `venv` Python has no ensurepip, as where python3-venv is missing.
        """
        group = SOCKET.stat().st_gid
        told = {
            "TREE": str(self._tree),
            "SCRATCH": str(self._scratch),
            "SOCKET": str(SOCKET) if engine else "",
            "GROUP": str(group),
            "MEMBER": "yes" if member else "",
            "NO_VENV": "" if venv else "yes",
            "LOCAL": "\n".join(_local_paths()),
        }
        kept = {
            key: value
            for key, value in os.environ.items()
            if key.startswith("PIP_") or key.lower() in ("http_proxy", "https_proxy", "no_proxy")
        }
        clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "LC_ALL": "C.UTF-8"}
        inside = {**clean, **kept, **(environment or {})}
        file = self._scratch / "environment"
        file.touch(mode=0o600)
        lines = (f"export {key}={shlex.quote(value)}\n" for key, value in inside.items())
        file.write_text("".join(lines), encoding="utf-8")
        try:
            done = subprocess.run(
                ["unshare", "--mount", "--propagation", "private", "--pid", "--fork",
                 "--kill-child", "sh", str(ENTER), *argv],
                env={**os.environ, **told}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            said = late.stdout.decode(errors="replace") if late.stdout else ""
            return Ended(TOO_LATE, redact(f"{said}\nended after {seconds:g} seconds"))
        return Ended(done.returncode, redact(done.stdout))


@contextmanager
def room(tree: Path) -> Iterator[Room]:
    """A room for the time of the block."""
    scratch = Path(tempfile.mkdtemp(prefix="swarmlab-room.", dir="/var/tmp"))
    try:
        yield Room(tree, scratch)
    finally:
        shutil.rmtree(scratch)


def _settings() -> list[tuple[str, str]]:
    """This machine's pip settings, but those of the environment, which are carried as such."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return [(key, value.strip("'")) for key, _, value in pairs if not key.startswith(":env:")]


def _pip_settings() -> str:
    sections: dict[str, list[str]] = {}
    for key, value in _settings():
        section, _, name = key.partition(".")
        sections.setdefault(section, []).append(f"{name} = {value}")
    return "".join(f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in sections.items())


def _local_paths() -> Sequence[str]:
    """What those settings name on this machine: it is shown at the same place."""
    values = [value for _, value in _settings()]
    values += [value for key, value in os.environ.items() if key.startswith("PIP_")]
    words = (word.removeprefix("file://") for value in values for word in value.split())
    # The pages of an index in a folder lead to files beside it.
    paths = {word.rstrip("/").removesuffix("/simple") for word in words if word.startswith("/")}
    return sorted(path for path in paths if Path(path).exists())
