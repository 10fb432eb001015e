"""Cutting a node off from the other nodes, and joining it again: a chain of packet filter rules.

The rules live in the node's own network and go with it when the node stops. This machine and the
workstation still reach the node, so that one can ask it how it sees the world alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmlab.errors import EnvironmentProblem
from swarmlab.lookout import Lookout
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


def is_cut(at: Lookout) -> bool:
    """Whether a running node is cut off; False for one that does not run."""
    from docker.errors import APIError
    from requests.exceptions import RequestException

    try:
        return at.on_node(_THERE)[0] == 0
    except APIError:
        return False
    except RequestException:
        if at.own:
            raise
        return False  # the node's own engine is what is asked, and it does not answer


def cut(at: Lookout, node: str, peers: Sequence[str]) -> None:
    """Drop all that goes between the node and those addresses. Raises EnvironmentProblem."""
    _must(at, node, _CUT, *peers)


def join(at: Lookout, node: str) -> bool:
    """Undo `cut`; whether there was anything to undo. Raises EnvironmentProblem."""
    if not is_cut(at):
        return False
    _must(at, node, _JOIN)
    return True


def _must(at: Lookout, node: str, script: str, *words: str) -> None:
    with explained(say("changing the packet filter of {node}", node=node)):
        code, said = at.on_node(script, *words)
    if code != 0:
        raise EnvironmentProblem(
            say("The packet filter of {node} cannot be changed.", node=node),
            evidence=said[-300:],
            hint=say("`swarmlab doctor` tells whether this machine's kernel lets nodes do so."),
        )
