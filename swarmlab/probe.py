"""What the kernel lets a node do, tried in a short-lived container with a node's rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError

from swarmlab.engine import Engine
from swarmlab.findings import DISK_LEAST, DISK_WELL, GIB, Finding, State
from swarmlab.images import leftovers
from swarmlab.providers.dind import CAPABILITIES, SECURITY, VXLAN
from swarmlab.providers.problems import explained, said
from swarmlab.wait import patient
from swarmlab.words import later, say

_SECONDS = 30
INOTIFY_WELL, INOTIFY_GOOD = 64, 512
"""Watchers of files a user: a lab takes about ten, and other programs want theirs."""

# Every kind of rule that the mesh fallback uses: a kernel may have tables, and not all of these.
MESH = """table ip slprobe {
    chain before {
        type nat hook prerouting priority -100
        ip daddr 192.0.2.1 dnat to numgen inc mod 2 map { 0 : 192.0.2.2, 1 : 192.0.2.3 }
        fib daddr type local meta l4proto . th dport { tcp . 80 } dnat to 192.0.2.4
    }
    chain after { type nat hook postrouting priority 100; ct status dnat masquerade; }
}"""

# Each line says what was tried and whether it worked; a failure's first words come along.
# As in a node, the lower layer is on the container's own root, which is an overlay itself, and the
# upper one on a volume: where Docker's data is on an overlay, too, the kernel refuses a third.
SCRIPT = f"""
try() {{
    name=$1; shift
    if words=$("$@" 2>&1); then echo "$name=yes"; else echo "$name=no $(echo $words)"; fi
}}
vxlan() {{ {VXLAN}; }}
overlay() {{
    cd /var/lib/docker && mkdir -p upper work merged &&
    mount -t overlay overlay -o lowerdir=/usr,upperdir=upper,workdir=work merged && umount merged
}}
nat() {{ iptables -w -t nat -S; }}
nftables() {{ nft '{MESH}' && nft delete table ip slprobe; }}
bridge_filter() {{
    ip link add slbridge type bridge && test -e /proc/sys/net/bridge/bridge-nf-call-iptables
}}
node_cgroups() {{ mount -o remount,bind,rw /sys/fs/cgroup; }}
for what in vxlan overlay nat nftables bridge_filter node_cgroups; do try $what $what; done
try ipvs genl ctrl get name IPVS
echo "caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)"
echo "inotify=$(cat /proc/sys/fs/inotify/max_user_instances)"
echo "free=$(df -Pk /var/lib/docker | awk 'NR == 2 {{ print $4 }}')"
"""


@dataclass(frozen=True)
class Probe:
    """What was tried: `answers` maps the name of a try to `yes` or to `no` and why.

    `refused` is the engine's refusal to start such a container at all, else empty. `free` are
    the bytes left where Docker keeps its data, `inotify` how many watchers of files a user may
    have; both None when unknown.
    """

    answers: Mapping[str, str]
    refused: str = ""
    free: int | None = None
    inotify: int | None = None

    def works(self, what: str) -> bool:
        """Whether that try worked."""
        return self.answers.get(what) == "yes"

    def why(self, what: str) -> str:
        """Why it did not, in the program's own words."""
        answer = self.answers.get(what)
        return say("not tried") if answer is None else answer.removeprefix("no").strip()


def run(engine: Engine, image: str) -> Probe:
    """Try it all in a container of the node image, which is removed again.

    Raises EngineUnreachable or EnvironmentProblem when the engine fails otherwise.
    """
    api: Any = engine.client.api
    config = {
        "Image": image,
        "Entrypoint": ["sh", "-c", SCRIPT],
        "Labels": leftovers.labels(),
        "HostConfig": {
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": list(SECURITY),
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "NetworkMode": "none",
            "Mounts": [{"Type": "volume", "Target": "/var/lib/docker"}],
        },
    }
    with explained(say("trying what the kernel can do")):
        container = api.create_container_from_config(config)["Id"]
        try:
            api.start(container)
            api.wait(container, timeout=patient(_SECONDS))
            return parse(api.logs(container).decode("utf-8", "replace"))
        except APIError as error:
            return Probe({}, refused=said(error))
        finally:
            api.remove_container(container, v=True, force=True)


def parse(output: str) -> Probe:
    """The probe from what its script printed."""
    answers = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    free, inotify = answers.pop("free", ""), answers.pop("inotify", "")
    return Probe(
        answers,
        free=int(free) * 1024 if free.isdigit() else None,
        inotify=int(inotify) if inotify.isdigit() else None,
    )


_KERNEL = (
    (
        "vxlan",
        "VXLAN",
        State.PROBLEM,
        later("Overlay networks are made of it."),
        later("`sudo modprobe vxlan`, or boot a kernel with CONFIG_VXLAN"),
    ),
    (
        "overlay",
        later("OverlayFS in a node"),
        State.PROBLEM,
        later("The nodes' engines store images with it."),
        later("`sudo modprobe overlay`, or keep Docker's data on ext4 or xfs (with ftype=1)"),
    ),
    (
        "nat",
        later("iptables in a node"),
        State.PROBLEM,
        later("The nodes' engines route with it."),
        "`sudo modprobe -a nf_tables nft_compat nf_nat`",
    ),
    (
        "node_cgroups",
        later("Control groups in a node"),
        State.PROBLEM,
        later("A node starts containers of its own."),
        later("restart the engine; with AppArmor or SELinux policies of your own, allow remounts"),
    ),
    (
        "bridge_filter",
        later("Bridge netfilter"),
        State.WARNING,
        later("Published ports between containers of one node need it."),
        "`sudo modprobe br_netfilter`",
    ),
)


def kernel(probe: Probe) -> list[Finding]:
    """Findings from what a container with a node's rights could do."""
    if probe.refused:
        return [
            Finding(
                "rights",
                say("A node's rights"),
                State.PROBLEM,
                probe.refused,
                say(
                    "A node needs the capabilities {capabilities}.",
                    capabilities=", ".join(CAPABILITIES),
                ),
                say("Run swarmlab where the engine may give them: not in a restricted container."),
            )
        ]
    found = [
        Finding(
            "rights",
            say("A node's rights"),
            State.OK,
            say("{capabilities}; no more", capabilities=", ".join(CAPABILITIES)),
        )
    ]
    for name, title, bad, why, mend in _KERNEL:
        if probe.works(name):
            found.append(Finding(name, say(title), State.OK, say("works")))
        else:
            seen = probe.why(name) or say("fails")
            found.append(Finding(name, say(title), bad, seen, say(why), say(mend)))
    found.append(_data_plane(probe))
    if probe.inotify is not None:
        found.append(_inotify(probe.inotify))
    if probe.free is not None:
        found.append(_disk(probe.free))
    return found


def _data_plane(probe: Probe) -> Finding:
    if probe.works("ipvs"):
        return Finding(
            "data-plane", say("Data plane"), State.OK, say("ipvs: the kernel balances load")
        )
    if probe.works("nftables"):
        seen = say("nftables: this kernel has no IPVS, so a program in each node takes its place")
        return Finding("data-plane", say("Data plane"), State.OK, seen)
    return Finding(
        "data-plane",
        say("Data plane"),
        State.PROBLEM,
        say("neither IPVS nor nftables: {why}", why=probe.why("nftables")),
        say("One of the two spreads requests over a service's tasks."),
        say(
            "`sudo modprobe ip_vs`, else `sudo modprobe -a nft_numgen nft_masq "
            "nft_fib_ipv4`, or boot a kernel with one of the two"
        ),
    )


def _inotify(instances: int) -> Finding:
    seen = say("{instances} watchers of files a user", instances=instances)
    if instances >= INOTIFY_WELL:
        return Finding("inotify", say("Limits of inotify"), State.OK, seen)
    return Finding(
        "inotify",
        say("Limits of inotify"),
        State.WARNING,
        seen,
        say(
            "Each node's engine watches files; without a watcher left it does not "
            'start ("too many open files").'
        ),
        f"`sudo sysctl -w fs.inotify.max_user_instances={INOTIFY_GOOD}`",
    )


def _disk(free: int) -> Finding:
    seen = say("{free:.1f} GiB free where Docker keeps its data", free=free / GIB)
    if free >= DISK_WELL:
        return Finding("disk", say("Disk"), State.OK, seen)
    return Finding(
        "disk",
        say("Disk"),
        State.PROBLEM if free < DISK_LEAST else State.WARNING,
        seen,
        say("Images take about 1.5 GiB, and building them twice that for a time."),
        say("`docker system df` tells what Docker uses; `docker image prune` frees some of it"),
    )
