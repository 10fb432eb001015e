"""Bring a plan into its network namespace.

`nsenter` runs a command inside a namespace, so what we do here can be typed by
hand: `nsenter --net=/var/run/docker/netns/ingress_sbox nft list ruleset`.
"""

import json
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from mesh.plan import NODE, TABLE, Plan
from mesh.view import GATEWAY_NETWORK

NAMESPACES = Path("/var/run/docker/netns")


class ApplyError(Exception):
    """A command inside a namespace failed; the text says which and why."""


def sandboxes() -> dict[str, int]:
    """The balancers' namespaces of this node, each with the number of its inode.

    A namespace that is made anew under an old name has another number. A file
    that is left over from an engine's sudden end is no namespace any more; it
    lies on another device.
    """
    device = namespace_device()
    found = {}
    for path in [*NAMESPACES.glob("lb_*"), *NAMESPACES.glob("ingress_sbox")]:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if status.st_dev == device:
            found[path.name] = status.st_ino
    return found


def namespace_device() -> int:
    """The device on which the kernel keeps all namespaces."""
    return Path("/proc/self/ns/net").stat().st_dev


def apply(plan: Plan, before: Plan) -> None:
    """Make the namespace of `plan` look like it; `before` is what we last put there.

    Rules come before addresses: a VIP that answers before it leads anywhere would
    refuse its first callers. Raises ApplyError.
    """
    replace_table(plan)
    if plan.sandbox == NODE:
        open_way(plan.gateway)
    else:
        set_vips(plan)
    forget_lost_tasks(plan, before)
    forget_early_callers(plan, before)


def replace_table(plan: Plan) -> None:
    """Old table out, new table in, in one transaction: no packet sees neither.

    To create it first is the way to delete a table that may not be there.
    """
    script = f"table ip {TABLE}\ndelete table ip {TABLE}\n{plan.rules}"
    inside(plan.sandbox, ["nft", "-f", "-"], script)


def set_vips(plan: Plan) -> None:
    """Give the balancer the VIPs as further addresses, so that it answers ARP for them.

    Ours are the /32 ones: the balancer's own address carries its subnet's prefix.
    """
    for interface in json.loads(inside(plan.sandbox, ["ip", "-j", "-4", "address"])):
        if carries(interface, plan.subnets):
            name = interface["ifname"]
            here = {a["local"] for a in interface["addr_info"] if a["prefixlen"] == 32}
            changes = [f"address del {vip}/32 dev {name}" for vip in sorted(here - plan.vips)]
            changes += [f"address add {vip}/32 dev {name}" for vip in sorted(plan.vips - here)]
            if changes:
                inside(plan.sandbox, ["ip", "-batch", "-"], "\n".join(changes) + "\n")


def carries(interface: dict[str, Any], subnets: Sequence[str]) -> bool:
    """Does the interface have its own address in one of the subnets?"""
    return any(
        ip_address(a["local"]) in ip_network(subnet)
        for a in interface["addr_info"]
        for subnet in subnets
        if a["prefixlen"] < 32
    )


def forget_lost_tasks(plan: Plan, before: Plan) -> None:
    """Forget connections to tasks that have ended.

    The kernel chooses a task for the first packet of a connection and remembers
    the choice (conntrack), for udp as long as packets keep coming. That memory
    must end with the task. The next packet then counts as a new connection: udp
    finds another task, and a tcp caller learns at once that its peer is lost,
    since the other task resets it.
    """
    for _, address in sorted(before.tasks - plan.tasks):
        forget(plan.sandbox, f"--reply-src {address}")


def forget_early_callers(plan: Plan, before: Plan) -> None:
    """Forget udp callers that came before there was a rule for what they call.

    For them the kernel remembers that nothing was to be translated, again as long
    as packets keep coming; they would never get to know the new rule.
    """
    for door in sorted(plan.doors - before.doors):
        forget(plan.sandbox, f"--proto udp {door}")


def forget(sandbox: str, which: str) -> None:
    """Make the kernel forget connections; that there are none (exit code 1) is fine."""
    inside(sandbox, ["conntrack", "-D", "-f", "ipv4", *which.split()], accept=(0, 1))


def clean(sandbox: str) -> None:
    """Take out what we put in. Raises ApplyError."""
    empty = Plan(sandbox=sandbox, subnets=("0.0.0.0/0",))
    replace_table(empty)
    if sandbox == NODE:
        open_way(None)
    else:
        set_vips(empty)


def open_way(gateway: str | None) -> None:
    """Let the node pass connections on to the ingress sandbox.

    An "accept" in a table of our own would not help: in nftables any table's drop
    is final. DOCKER-USER is the chain which the engine looks at first and leaves
    to others, so the permission belongs there.
    """
    permit([f"-d {gateway}/32 -o", f"-s {gateway}/32 -i"] if gateway else [])
    if gateway:
        # A caller on 127.0.0.1 leaves the node by docker_gwbridge and its answer
        # comes back there; by default the kernel takes such a packet for a forgery.
        setting = Path(f"/proc/sys/net/ipv4/conf/{GATEWAY_NETWORK}/route_localnet")
        setting.write_text("1\n")


def permit(ways: Sequence[str]) -> None:
    """Have exactly these permissions of ours in DOCKER-USER. The comment marks them."""
    ours = f"{GATEWAY_NETWORK} -m comment --comment {TABLE} -j ACCEPT"
    wanted = {f"DOCKER-USER {way} {ours}" for way in ways}
    listed = inside(NODE, ["iptables", "-w", "-S"]).splitlines()
    here = {rule[len("-A ") :] for rule in listed if f"--comment {TABLE}" in rule}
    for rule in sorted(here - wanted):
        inside(NODE, ["iptables", "-w", "-D", *rule.split()])
    for rule in sorted(wanted - here):
        inside(NODE, ["iptables", "-w", "-I", *rule.split()])


def inside(
    sandbox: str, command: Sequence[str], text: str = "", accept: Sequence[int] = (0,)
) -> str:
    """Run a command in a namespace with `text` as its input; its output.

    Raises ApplyError when its exit code is not in `accept`, or after ten seconds.
    """
    enter = [] if sandbox == NODE else ["nsenter", f"--net={NAMESPACES / sandbox}"]
    try:
        done = subprocess.run(
            [*enter, *command], input=text, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise ApplyError(f"{sandbox}: {command[0]}: {problem}") from problem
    if done.returncode not in accept:
        raise ApplyError(f"{sandbox}: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
