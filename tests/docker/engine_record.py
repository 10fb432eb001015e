"""Which engines of their own tests have started, and which of them have lost their test.

Each has a folder beside the others', with a record of the test's process and its own. A process is
its number, when it began and which run of the machine that was: a number alone may by now be
somebody else's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAME = "record.json"
_BEGAN = 19  # of the fields in /proc/PID/stat behind the name, which is in brackets


@dataclass(frozen=True)
class Process:
    """A process of this machine, told from all others that had or will have its number."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has that number now; one that is not there began never."""
        return cls(pid, _began(pid))

    @property
    def lives(self) -> bool:
        return bool(self.began) and _began(self.pid) == self.began


def _began(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # One that has ended and whom nobody has asked for its exit code runs no more.
    return "" if fields[0] in ("Z", "X") else f"{_BOOT.read_text().strip()} {fields[_BEGAN]}"


@dataclass(frozen=True)
class Record:
    """One engine: where it keeps everything, whose it is, and its process if it was started."""

    folder: Path
    test: Process
    engine: Process | None = None


def place() -> Path:
    """Where the folders of all engines of this user's tests are.

    Not among pytest's own: it removes those of earlier runs, used or not.
    """
    made = Path(tempfile.gettempdir()) / f"swarmlab-engines-{os.geteuid()}"
    made.mkdir(mode=0o700, exist_ok=True)
    found = made.stat()
    # Whoever could write there could name any process to be ended.
    assert found.st_uid == os.geteuid() and found.st_mode & 0o077 == 0, f"{made} is not ours alone"
    return made


def folder() -> Path:
    """A new folder for an engine of this test."""
    made = place() / secrets.token_hex(4)
    made.mkdir(mode=0o700)
    write(made)
    return made


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """For the time of the block no other test looks for engines that are lost."""
    with (place() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(folder: Path, engine: int | None = None) -> None:
    """Note, in place of any earlier note, that this process has that folder, and its engine."""
    told = {"test": asdict(Process.of(os.getpid()))}
    if engine is not None:
        told["engine"] = asdict(Process.of(engine))
    fresh = folder / f"{_NAME}.new"
    fresh.write_text(json.dumps(told))
    fresh.rename(folder / _NAME)


def lost() -> Iterator[Record]:
    """The engines whose test is gone."""
    for path in sorted(place().glob(f"*/{_NAME}")):
        with contextlib.suppress(FileNotFoundError):
            record = read(path)
            if not record.test.lives:
                yield record


def read(path: Path) -> Record:
    """What that file tells."""
    told = json.loads(path.read_text())
    engine = told.get("engine")
    return Record(path.parent, Process(**told["test"]), Process(**engine) if engine else None)
