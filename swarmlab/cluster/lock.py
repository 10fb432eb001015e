"""One changing command per lab at a time.

A lock is an flock on a file: the kernel lets go of it when its process dies, however it dies, so
nothing has to be cleaned up after a `kill -9`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from swarmlab import flock, state
from swarmlab.errors import LabBusy
from swarmlab.words import say

_held: dict[str, int] = {}
_guard = threading.Lock()


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the lab for the time of the block. The same process may hold it several times.

    Raises LabBusy with the holder's process id and command.
    """
    with _guard:
        again = name in _held
        if again:
            _held[name] += 1
    if again:
        try:
            yield
        finally:
            with _guard:
                _held[name] -= 1
        return
    path = state.folder() / "locks" / f"{state.checked(name)}.lock"
    with state.opened(path) as file:
        if not flock.take(file):
            raise _busy(name, path)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n{_command()}\n")
        file.flush()
        with _guard:
            _held[name] = 1
        try:
            yield
        finally:
            with _guard:
                del _held[name]
            file.seek(0)
            file.truncate()


def _busy(name: str, path: Path) -> LabBusy:
    pid, _, command = path.read_text(encoding="utf-8").partition("\n")
    who = (
        say("process {pid} (`{command}`)", pid=pid, command=command.strip())
        if pid
        else say("another process")
    )
    return LabBusy(
        say("The lab {name!r} is being changed by {who}.", name=name, who=who),
        hint=say("Wait until it is done, or end it, then run the command again."),
    )


def _command() -> str:
    """What was typed, up to its first option: behind it may stand a secret, which is no one's."""
    program, *rest = sys.argv or ["swarmlab"]
    words = takewhile(lambda word: not word.startswith("-"), rest)
    return " ".join([Path(program).name, *words])[:200]
