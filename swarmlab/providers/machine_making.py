"""Makings of machines that go on although the command that began them was killed.

Whoever holds a lab's lock is alone with it: a docker-machine that makes a machine of the lab by
then was begun by somebody who is no more. It is known as all of a lab is, by the label that it
gives. Only where a system shows its processes in /proc; elsewhere it ends at its next line, which
nobody hears any more.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

from swarmlab import labels
from swarmlab.providers.dind import number
from swarmlab.providers.machine_store import folder
from swarmlab.wait import Observation, poll, until
from swarmlab.words import say

_GRACE_SECONDS = 5.0  # as for one that Ctrl-C ends
_END_SECONDS = 20.0
_NODE = re.compile(r"swarm-[1-9][0-9]*")
_PROCESSES = Path("/proc")


def running(store: Path, lab: str) -> dict[str, int]:
    """The nodes of the lab that are being made in that store, and who makes each: the process
    group, which is docker-machine's own."""
    found = {}
    for process in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            words = _strings(process / "cmdline")
            if f"{labels.LAB}={lab}" not in words or "create" not in words:
                continue
            if f"MACHINE_STORAGE_PATH={store}" not in _strings(process / "environ"):
                continue
            group = os.getpgid(int(process.name))
            if _NODE.fullmatch(words[-1]) and group != os.getpgrp():
                found[words[-1]] = group
    return found


def end(store: Path, lab: str) -> tuple[str, ...]:
    """End them with all that they started, and return their nodes in order. Raises TimedOut.

    What docker-machine keeps of one is left for it to remove, if it has begun to write that.
    """
    begun = running(store, lab)
    if not begun:
        return ()
    for group in begun.values():
        _signal(group, signal.SIGTERM)
    poll(
        lambda: Observation(not any(map(_lives, begun.values())), say("it runs")),
        within=_GRACE_SECONDS,
    )
    for group in filter(_lives, begun.values()):
        _signal(group, signal.SIGKILL)

    def look() -> Observation[None]:
        left = running(store, lab)
        return Observation(not left, ", ".join(sorted(left)))

    until(
        say("docker-machine to end"),
        look,
        within=_END_SECONDS,
        hint=say("`ps -ef` shows it: end it, then run the command again."),
    )
    for node in begun:
        kept = folder(store, node)
        if not (kept / "config.json").exists():
            shutil.rmtree(kept, ignore_errors=True)
    return tuple(sorted(begun, key=number))


def _strings(path: Path) -> list[str]:
    return path.read_bytes().decode(errors="replace").split("\0")[:-1]


def _lives(group: int) -> bool:
    """Whether anything of it is there: docker-machine may have ended before what it had started."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def _signal(group: int, signum: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signum)
