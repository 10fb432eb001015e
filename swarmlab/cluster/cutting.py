"""Cutting a node off from the other nodes, and joining it again: a chain of packet filter rules.

The rules live in the node's own network and go with it when the node stops. This machine and the
workstation still reach the node, so that one can ask it how it sees the world alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem
from swarmlab.providers.problems import explained
from swarmlab.words import say

_CHAIN = "SWARMLAB-CUT"
_THERE = f"iptables -w -n -L {_CHAIN} >/dev/null 2>&1"
_CUT = f"""
iptables -w -N {_CHAIN} || exit 1
for peer; do
    iptables -w -A {_CHAIN} -s $peer -j DROP && iptables -w -A {_CHAIN} -d $peer -j DROP || exit 1
done
for chain in INPUT OUTPUT FORWARD; do iptables -w -I $chain -j {_CHAIN} || exit 1; done
"""
_JOIN = f"""
for chain in INPUT OUTPUT FORWARD; do
    while iptables -w -D $chain -j {_CHAIN} 2>/dev/null; do :; done
done
iptables -w -F {_CHAIN} && iptables -w -X {_CHAIN}
"""


def is_cut(engine: Engine, lab: str, node: str) -> bool:
    """Whether a running node is cut off; False for one that does not run."""
    from docker.errors import APIError

    try:
        return _run(engine, lab, node, _THERE)[0] == 0
    except APIError:
        return False


def cut(engine: Engine, lab: str, node: str, peers: Sequence[str]) -> None:
    """Drop all that goes between the node and those addresses. Raises EnvironmentProblem."""
    _must(engine, lab, node, _CUT, *peers)


def join(engine: Engine, lab: str, node: str) -> bool:
    """Undo `cut`; whether there was anything to undo. Raises EnvironmentProblem."""
    if not is_cut(engine, lab, node):
        return False
    _must(engine, lab, node, _JOIN)
    return True


def _must(engine: Engine, lab: str, node: str, script: str, *words: str) -> None:
    with explained(f"changing the packet filter of {node}"):
        code, said = _run(engine, lab, node, script, *words)
    if code != 0:
        raise EnvironmentProblem(
            say("The packet filter of {node} cannot be changed.", node=node),
            evidence=said[-300:],
            hint=say("`swarmlab doctor` tells whether this machine's kernel lets nodes do so."),
        )


def _run(engine: Engine, lab: str, node: str, script: str, *words: str) -> tuple[int, str]:
    api = engine.client.api
    command = ["sh", "-c", script, "sh", *words]
    run = api.exec_create(labels.container(lab, node), command)
    said = bytes(api.exec_start(run["Id"])).decode("utf-8", "replace").strip()
    return int(api.exec_inspect(run["Id"])["ExitCode"] or 0), said
