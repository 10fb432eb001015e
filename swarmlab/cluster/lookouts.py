"""Where a lab's nodes are looked into: the nodes' own containers, or one on each node's engine.

A node that is a machine of its own gets a small container that sees its processes and network,
and may enter those of its containers. It is not privileged, opens no port, and goes with the lab.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from requests.exceptions import RequestException

from swarmlab import labels
from swarmlab.cluster import access
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem
from swarmlab.images import catalog
from swarmlab.lookout import Lookout, heard
from swarmlab.providers.base import Node, Provider
from swarmlab.providers.dind import CAPABILITIES, VXLAN
from swarmlab.providers.problems import explained, no_vxlan
from swarmlab.words import say

NAME = "swarmlab-lookout"
_IMAGE = "go-demo"  # has Python, and what enters namespaces
_PROBE = "util"  # has iproute2
_TRIAL_SECONDS = 60
_NO_VXLAN = 3
# Asking for the family by name makes the kernel load the module if there is one.
_TRIAL = f"({VXLAN}) || exit {_NO_VXLAN}; genl ctrl get name IPVS"
_PLANE = ("cat", "/run/swarmlab/data-plane")
_ANY_PLANE = "cat /run/swarmlab/data-plane 2>/dev/null || { test -e /proc/net/ip_vs && echo ipvs; }"


def of_container(engine: Engine, lab: str, node: str) -> Lookout:
    """The lookout of a node that is a container on the lab's own engine."""
    return Lookout(engine.client.api, labels.container(lab, node))


def of_machine(api: Any) -> Lookout:
    """The lookout on a node's engine, whether it is there or not."""
    return Lookout(api, NAME, own=False)


def place(api: Any, lab: str, node: str, instance: str) -> None:
    """Have the lookout run on that node's engine. Raises EnvironmentProblem."""
    with explained(say("making the lookout of {node}", node=node)):
        try:
            if api.inspect_container(NAME)["State"]["Running"]:
                return
        except NotFound:
            try:
                api.create_container_from_config(_configuration(lab, node, instance), NAME)
            except APIError as error:
                if error.status_code != 409:  # another swarmlab was quicker
                    raise
        api.start(NAME)


def check_kernel(api: Any, lab: str, node: str, instance: str) -> None:
    """Try whether the node's kernel has what a lab needs. Raises EnvironmentProblem.

    Tried by a container of ours, because a machine's own `ip` may be a small one.
    """
    with explained(say("trying the kernel of {node}", node=node)):
        box = api.create_container_from_config(_trial(lab, node, instance), None)["Id"]
        try:
            api.start(box)
            code = int(api.wait(box, timeout=_TRIAL_SECONDS)["StatusCode"])
            said = bytes(api.logs(box)).decode("utf-8", "replace").strip()
        finally:
            api.remove_container(box, force=True, v=True)
    if code == _NO_VXLAN:
        raise no_vxlan(said)
    if code != 0 and not data_plane(of_machine(api)):
        raise EnvironmentProblem(
            say("The kernel of {node} has no IPVS, by which Swarm balances load.", node=node),
            evidence=said[-300:],
            hint=say(
                "Load it on that machine (`sudo modprobe ip_vs`), then run the command again."
            ),
        )


def data_plane(at: Lookout) -> str:
    """`ipvs` or `nftables`, as the node tells it; empty if it cannot be told."""
    try:
        ran = heard(at.api, at.container, _PLANE) if at.own else at.heard_on_node(_ANY_PLANE)
        return ran.output.strip() if ran.exit_code == 0 else ""
    except APIError:
        return ""
    except RequestException:
        if at.own:
            raise
        return ""


def of(
    provider: Provider, engine: Engine, lab: str, node: Node, certs: Path, *, timeout: int = 10
) -> Lookout:
    """The lookout of a running node; `certs` has what a client of its engine needs.

    `timeout` bounds each call to a machine's own engine, in seconds. Raises EnvironmentProblem.
    """
    if provider.contained:
        return of_container(engine, lab, node.name)
    return of_machine(access.client(node, provider.certs(node.name) or certs, timeout=timeout).api)


def _trial(lab: str, node: str, instance: str) -> dict[str, Any]:
    return {
        **_ours(_PROBE, lab, node, instance),
        "Entrypoint": ["sh", "-c", _TRIAL],
        "HostConfig": {"NetworkMode": "host", "CapAdd": ["NET_ADMIN"]},
    }


def _ours(image: str, lab: str, node: str, instance: str) -> dict[str, Any]:
    return {
        "Image": str(catalog.load().images[image].inside),
        "User": "0:0",
        "Cmd": [],
        "Labels": {
            labels.LAB: lab,
            labels.ROLE: labels.ROLE_LOOKOUT,
            labels.NODE: node,
            labels.INSTANCE: instance,
        },
    }


def _configuration(lab: str, node: str, instance: str) -> dict[str, Any]:
    return {
        **_ours(_IMAGE, lab, node, instance),
        "Entrypoint": ["sleep", "infinity"],
        "HostConfig": {
            "NetworkMode": "host",
            "PidMode": "host",
            "CapAdd": list(CAPABILITIES),
            # Both would keep it from entering other containers' namespaces.
            "SecurityOpt": ["apparmor=unconfined", "label=disable"],
            "RestartPolicy": {"Name": "always"},
        },
    }
