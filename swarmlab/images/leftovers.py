"""Containers that a killed build left behind: whose they were, and their removal.

A build removes its own containers whatever happens, except when it is killed. Each therefore
bears its owner's process, and whoever comes next removes those whose owner is gone.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError

from swarmlab.labels import OWNER, ROLE, ROLE_BUILD

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def labels() -> dict[str, str]:
    """What a container that this process removes again says about itself."""
    return {ROLE: ROLE_BUILD, OWNER: f"{platform.node()} {_boot()} {os.getpid()}"}


def remove(engine: DockerClient) -> int:
    """Remove the containers of owners that are gone, with their volumes; returns how many.

    Those of other machines are left alone: nobody here can tell whether their owners live.
    """
    removed = 0
    for container in look(engine):
        try:
            engine.api.remove_container(container, force=True, v=True)
        except APIError as error:
            # Another one is at it, or just was.
            if error.status_code not in (404, 409):
                raise
        else:
            removed += 1
    return removed


def look(engine: DockerClient) -> list[str]:
    """The ids of the containers whose owners are gone."""
    filters = {"label": [f"{ROLE}={ROLE_BUILD}", OWNER]}
    return [
        str(container["Id"])
        for container in engine.api.containers(all=True, filters=filters)
        if gone((container.get("Labels") or {}).get(OWNER, ""))
    ]


def gone(owner: str) -> bool:
    """Whether the owner was a process of this machine and does not live any more."""
    host, _, rest = owner.partition(" ")
    boot, _, pid = rest.rpartition(" ")
    if host != platform.node() or not pid.isdigit():
        return False
    return boot != _boot() or not _lives(int(pid))


def _boot() -> str:
    """What tells one run of this machine from the next; empty where the kernel does not say."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # no signal there asks without doing something
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
