"""Whose the swarm is that a machine is in: the lab's, or one that its owner has made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from docker.errors import APIError

from swarmlab.providers.hosts.snapshot import membership


def of_others(api: Any, info: Mapping[str, Any], addresses: Collection[str]) -> bool:
    """Whether the engine is in a swarm that is not of the lab on the machines at `addresses`.

    The lab's swarm has no managers but the lab's machines, and is never locked. One of a single
    machine may be a lab that was only begun: somebody else's has services. Raises what docker-py
    raises.
    """
    if not membership(info):
        return False
    swarm = info["Swarm"]
    there = managers(swarm)
    if swarm.get("LocalNodeState") == "locked" or there - set(addresses):
        return True
    if len(addresses) < 2 or there != {str(swarm.get("NodeAddr"))}:
        return False
    try:
        return bool(api.services())
    except APIError:
        return False  # no quorum: it is not alone, as a single manager would be


def managers(swarm: Mapping[str, Any]) -> set[str]:
    """The addresses of the managers that the engine knows of, itself included if it is one."""
    told = swarm.get("RemoteManagers") or ()
    return {str(one.get("Addr", "")).rpartition(":")[0] for one in told}
