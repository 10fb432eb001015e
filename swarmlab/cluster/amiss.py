"""What is amiss with a lab that was looked at, in words; asks nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swarmlab.providers.base import NodeState
from swarmlab.words import later, say

if TYPE_CHECKING:
    from swarmlab.cluster.remains import Remains
    from swarmlab.cluster.status import NodeStatus
    from swarmlab.cluster.swarm import Member
    from swarmlab.size import Quorum

LOOK_SECONDS = 2
"""How long one question to one node may take."""
OUTSIDE = "inactive"
"""The state of a node that says of itself that it is in no swarm."""


def amiss(
    there: Remains,
    certs: bool,
    nodes: Sequence[NodeStatus],
    members: Sequence[Member],
    quorum: Quorum | None,
) -> list[str]:
    """Everything that is not as `up` leaves it; `certs` says that the certificates were found.

    `members` are the swarm's nodes as a manager lists them, none where nobody can.
    """
    if there.at_rest:
        return [say("the lab is stopped")]
    found = []
    if not there.info.nodes and not there.unknown:
        found.append(say("no node is left; only {rest}", rest=_rest(there)))
    for node in nodes:
        found += _node_problems(node, there)
    if there.workstation is NodeState.MISSING and there.info.nodes:
        found.append(say("the workstation is missing"))
    elif there.workstation is NodeState.STOPPED:
        found.append(say("the workstation is stopped"))
    if there.info.nodes and not there.networks:
        found.append(say("the lab's network is gone"))
    if not certs and there.info.nodes:
        found.append(say("the lab's certificates are lost"))
    elif quorum and not quorum.holds:
        # Told from here, because a manager that is left alone notices it only after a while.
        found.append(
            say(
                "{some} of {all} managers can be reached and {needed} must agree: the swarm has no"
                " quorum",
                some=quorum.reachable,
                all=quorum.managers,
                needed=quorum.needed,
            )
        )
    elif there.info.nodes and not members:
        words = later("no manager can answer for the swarm: it has no leader or was never begun")
        found.append(say(words))
    elif members and sum(1 for member in members if member.leader) != 1:
        found.append(say("the swarm has no leader"))
    return found


def _node_problems(node: NodeStatus, there: Remains) -> list[str]:
    name = node.name
    known = there.info.node(name)
    if name in there.unknown:
        return [there.unknown[name].message]
    if known is None:
        what = later("the container of {name} is missing")
        if not there.choice.contained:
            what = later("the machine of {name} is missing")
        return [say(what, name=name)]
    if known.state is not NodeState.RUNNING:
        word = say("paused") if "(Paused)" in node.container else say("stopped")
        return [
            say("{name} is {word} ({container})", name=name, word=word, container=node.container)
        ]
    if node.cut:
        return [
            say("{name} is cut off from the other nodes: `swarmlab fault cut` did that", name=name)
        ]
    if not node.answers:
        return [
            say(
                "the engine of {name} does not answer within {seconds} s",
                name=name,
                seconds=LOOK_SECONDS,
            )
        ]
    found = []
    if node.state == OUTSIDE:
        found.append(say("{name} is not in the swarm", name=name))
    elif node.state and node.state != "ready":
        found.append(say("the swarm sees {name} as {state}", name=name, state=node.state))
    made = there.info.size.role(name)
    if node.role not in ("", made):
        wrong = {
            "worker": later("{name} is a worker, not a manager"),
            "manager": later("{name} is a manager, not a worker"),
        }
        found.append(say(wrong[node.role], name=name))
    if node.availability not in ("", "active"):
        found.append(
            say(
                "{name} takes no tasks: its availability is {availability}",
                name=name,
                availability=node.availability,
            )
        )
    if node.reachability == "unreachable":
        found.append(say("the other managers cannot reach {name}", name=name))
    return found


def _rest(there: Remains) -> str:
    parts = []
    if there.volumes:
        parts.append(say("volumes {names}", names=", ".join(there.volumes)))
    if there.networks:
        parts.append(say("networks {names}", names=", ".join(there.networks)))
    if there.workstation is not NodeState.MISSING:
        parts.append(say("the workstation"))
    return say(" and ").join(parts) or say("other containers")
