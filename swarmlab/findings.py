"""What was found on a machine, and how it is judged; reads small files, and asks no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from swarmlab.errors import SwarmlabError
from swarmlab.providers import subnets
from swarmlab.size import USUAL
from swarmlab.words import later, say

DOCTOR_VERSION = 1

GIB = 1 << 30
MEMORY_LEAST, MEMORY_WELL = 1 * GIB, 2 * GIB
"""Bytes of memory: below the first a lab of three does not fit, below the second it is tight.

Measured with all services: 1.2 GiB in use on a machine that does nothing else, system included.
"""
MEMORY_NODE = GIB // 8
"""Bytes for each further node: about 105 MiB when fresh, and its own task of a global service."""
DISK_LEAST, DISK_WELL = 2 * GIB, 5 * GIB
"""Bytes of disk: images take about 1.5 GiB, building them twice that for a time."""

PORTS_WELL = 1000
"""Ports that may be chosen freely: a lab of seven nodes takes some dozens."""

CLOCK_WELL = 60.0
CLOCK_MOST = 86400.0
"""Seconds between the clocks here and at the engine; certificates forgive a day."""

_WHY_CLOCK = later(
    "Certificates are not valid before they are made, and times in results would be wrong."
)


class State(Enum):
    """How a finding stands: a PROBLEM stops a lab, a WARNING may."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was seen, why it matters, and the command that mends it."""

    id: str
    title: str
    state: State
    seen: str
    why: str = ""
    mend: str = ""

    def to_dict(self) -> dict[str, str]:
        return {**vars(self), "state": self.state.value}


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they matter."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing stops a lab."""
        return all(finding.state is not State.PROBLEM for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": DOCTOR_VERSION,
            "kind": "swarmlab-doctor",
            "healthy": self.healthy,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def machine(info: Mapping[str, Any], available: int | None, nodes: int = USUAL) -> list[Finding]:
    """Findings from what the engine says of its machine, for a lab of so many nodes.

    `available`: memory in bytes.
    """
    found = [_memory(int(info.get("MemTotal", 0)), available, nodes)]
    cpus = int(info.get("NCPU", 0))
    found.append(
        Finding("cpus", say("Processors"), State.OK, str(cpus))
        if cpus > 1
        else Finding(
            "cpus",
            say("Processors"),
            State.WARNING,
            str(cpus),
            say("A lab's engines share them: with one, steps may run into their time limits."),
            say("Give the virtual machine a second processor."),
        )
    )
    driver = str(info.get("Driver", ""))
    found.append(
        Finding("storage", say("Storage driver"), State.OK, driver)
        if driver in ("overlay2", "overlayfs", "btrfs", "zfs")
        else Finding(
            "storage",
            say("Storage driver"),
            State.WARNING,
            driver or say("unknown"),
            say("It copies whole images where overlay2 shares them: slow, and it fills the disk."),
            say(
                'Set `"storage-driver": "overlay2"` in /etc/docker/daemon.json, restart the engine.'
            ),
        )
    )
    found.append(
        Finding(
            "cgroups",
            say("Control groups"),
            State.OK,
            say(
                "version {version}, {driver}",
                version=info.get("CgroupVersion", "1"),
                driver=info.get("CgroupDriver", ""),
            ),
        )
    )
    found.append(_forwarding(bool(info.get("IPv4Forwarding", True))))
    refused = rootless(info)
    return [*found, refused] if refused else found


def _forwarding(on: bool) -> Finding:
    if on:
        return Finding("forwarding", say("Forwarding of packets"), State.OK, say("on"))
    return Finding(
        "forwarding",
        say("Forwarding of packets"),
        State.PROBLEM,
        say("off"),
        say("Nodes reach one another, and the network, through this machine."),
        "`sudo sysctl -w net.ipv4.ip_forward=1`",
    )


def ports(table: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> list[Finding]:
    """Whether enough ports are left to publish the nodes' on; nothing where nobody says."""
    try:
        first, last = map(int, table.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return []
    seen = say("{first} to {last} are there to be published", first=first, last=last)
    if last - first >= PORTS_WELL:
        return [Finding("ports", say("Ports"), State.OK, seen)]
    return [
        Finding(
            "ports",
            say("Ports"),
            State.WARNING,
            seen,
            say(
                "Where nodes cannot be reached by their addresses, each takes some "
                "ports of this machine, and so does every connection."
            ),
            "`sudo sysctl -w net.ipv4.ip_local_port_range='32768 60999'`",
        )
    ]


def rootless(info: Mapping[str, Any]) -> Finding | None:
    """The problem of an engine without root's rights, from what it says of itself."""
    if not any("rootless" in str(option) for option in info.get("SecurityOptions") or ()):
        return None
    return Finding(
        "rootless",
        say("Engine's own rights"),
        State.PROBLEM,
        say("the engine is rootless"),
        say("A node mounts file systems and makes VXLAN links, which needs a real root."),
        say("Use the system's engine: `docker context use default`."),
    )


def _memory(total: int, available: int | None, nodes: int) -> Finding:
    more = max(0, nodes - USUAL) * MEMORY_NODE
    seen = say("{total:.1f} GiB", total=total / GIB)
    if available is not None:
        seen += say(", {available:.1f} GiB of it free", available=available / GIB)
    least = total if available is None else available
    if least >= MEMORY_WELL + more:
        return Finding("memory", say("Memory"), State.OK, seen)
    return Finding(
        "memory",
        say("Memory"),
        State.PROBLEM if least < MEMORY_LEAST + more else State.WARNING,
        seen,
        say(
            "With all its services a lab of {count} nodes runs at ease from {gib:g} GiB on.",
            count=nodes,
            gib=(MEMORY_WELL + more) / GIB,
        ),
        say(
            "Close other programs, stop other labs (`swarmlab list`, then `swarmlab stop --name "
            "NAME`), or give Docker more."
        ),
    )


def available_memory(table: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that programs may still take, as the kernel estimates; None where it does not say."""
    try:
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def clock(there: str, asked: datetime, heard: datetime) -> Finding:
    """The engine's clock (`SystemTime`, RFC 3339) against this machine's, which showed `asked`
    before the engine was asked for it and `heard` once it had answered."""
    try:
        then = datetime.fromisoformat(there)
    except ValueError:
        then = None
    if then is None or then.tzinfo is None:
        return Finding(
            "clock",
            say("Clock"),
            State.WARNING,
            say("not compared: the engine does not tell its time"),
            say(_WHY_CLOCK),
            say("Compare `date` here and on the engine's machine."),
        )
    # How long the answer took is no difference.
    apart = max(0.0, (asked - then).total_seconds(), (then - heard).total_seconds())
    if apart < 1:
        return Finding(
            "clock", say("Clock"), State.OK, say("the same here and at the engine, to a second")
        )
    seen = say("{apart:.0f} s apart from the engine's", apart=apart)
    if apart < CLOCK_WELL:
        return Finding("clock", say("Clock"), State.OK, say("{seen}: no harm", seen=seen))
    return Finding(
        "clock",
        say("Clock"),
        State.PROBLEM if apart > CLOCK_MOST else State.WARNING,
        seen,
        say(_WHY_CLOCK),
        say("Set both clocks (`timedatectl set-ntp true`); restart Docker Desktop after a sleep."),
    )


def own_clock(now: datetime, installed: datetime) -> list[Finding]:
    """What is wrong with this machine's clock, as far as it can be told without another one: it
    shows a time before swarmlab was put here. On one machine the engine's agrees with any."""
    behind = (installed - now).total_seconds()
    if behind <= CLOCK_MOST:
        return []
    return [
        Finding(
            "clock-behind",
            say("Clock"),
            State.WARNING,
            say(
                "{now:%Y-%m-%d}, before swarmlab was put here ({then:%Y-%m-%d})",
                now=now,
                then=installed,
            ),
            say("Registries and package archives are not believed by a clock that is behind."),
            say("Look with `date`; `sudo timedatectl set-ntp true` sets the clock."),
        )
    ]


def free_subnet(taken: list[Any]) -> Finding:
    """Whether the lab's network finds a place."""
    try:
        return Finding(
            "subnet",
            say("Subnet for a lab"),
            State.OK,
            say("{subnet} is free", subnet=subnets.choose(taken)),
        )
    except SwarmlabError as error:
        return Finding(
            "subnet",
            say("Subnet for a lab"),
            State.PROBLEM,
            error.message,
            say("Nodes have fixed addresses on a network of their own."),
            error.hint,
        )
