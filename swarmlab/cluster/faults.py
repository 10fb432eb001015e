"""Faults of nodes on purpose, and how everything comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from swarmlab import engine as engines
from swarmlab.cluster import cutting, keys, lifecycle, lookouts, remains
from swarmlab.cluster.fault_tasks import Fault, asking, consul_again
from swarmlab.cluster.remains import Remains
from swarmlab.cluster.status import NodeStatus, inspect
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, LabAbsent, UsageError
from swarmlab.lookout import Lookout
from swarmlab.progress import Progress
from swarmlab.providers import registry
from swarmlab.providers.base import NodeState
from swarmlab.size import majority
from swarmlab.wait import Observation, poll, until
from swarmlab.words import later, say

_HEAL_SECONDS = 90.0
_LATE_SECONDS = 10.0


class Site:
    """A lab that faults are made in, held against other commands that change it."""

    def __init__(self, name: str, engine: Engine, there: Remains) -> None:
        self.name = name
        self.engine = engine
        self.there = there
        self.provider = registry.make(there.choice, engine, name, size=there.info.size)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes that the lab was made with."""
        return self.there.info.size.names

    def node(self, name: str) -> NodeState:
        """How the node's machine is. Raises UsageError for a stranger, EnvironmentProblem for
        one that is missing.
        """
        if name not in self.nodes:
            raise UsageError(
                say("The lab {lab!r} has no node {node!r}.", lab=self.name, node=name),
                hint=say("Name one of its nodes: {nodes}.", nodes=", ".join(self.nodes)),
            )
        known = self.there.info.node(name)
        if known is None:
            raise EnvironmentProblem(
                say("The container of {node} is missing.", node=name),
                hint=say("`swarmlab up` makes it again."),
            )
        return known.state

    def lookout(self, node: str) -> Lookout:
        """From where a running node is seen from inside."""
        certs = keys.cache_folder(self.name)
        place = self.there.info.node(node)
        if place is None:
            place = self.provider.place(node)
        return lookouts.of(self.provider, self.engine, self.name, place, certs)

    def manages(self, name: str, role: str = "") -> bool:
        """Whether the node has a vote: by its `role` now, or as it was made where that is empty."""
        return (role or self.there.info.size.role(name)) == "manager"

    def askable(self, node: str) -> list[str]:
        """A manager other than `node` whose engine can be asked; empty where there is none."""
        running = [
            one.name
            for one in self.there.info.nodes
            if one.state is NodeState.RUNNING and not self.paused(one.name)
        ]
        return [one for one in running if one != node and self.manages(one)][:1]

    def paused(self, name: str) -> bool:
        known = self.there.info.node(name)
        return known is not None and "(Paused)" in known.detail

    def _runs(self, name: str) -> bool:
        known = self.there.info.node(name)
        return known is not None and known.state is NodeState.RUNNING

    def running(self, name: str) -> None:
        """Raises UsageError unless the node runs: a fault needs something to harm."""
        if self.node(name) is not NodeState.RUNNING:
            raise UsageError(
                say("{node} is not running.", node=name),
                hint=say("`swarmlab fault heal {node}` brings it back.", node=name),
            )

    def guard(self, node: str, sure: bool) -> list[str]:
        """The managers that are well without this node; empty when they are no quorum.

        Raises UsageError when it is this node that costs the quorum, unless `sure`. An engine that
        is late may only be busy: nothing is refused for it before it was asked for a while.
        """

        def look() -> Observation[tuple[list[NodeStatus], list[str]]]:
            seen = inspect(self.engine, self.name).nodes
            managers = [one for one in seen if self.manages(one.name, one.role)]
            others = [one.name for one in managers if _well(one) and one.name != node]
            late = [one.name for one in managers if not one.answers and self._runs(one.name)]
            enough = len(others) >= majority(len(managers)) or not late
            return Observation(enough, ", ".join(late), (managers, others))

        found = poll(look, within=_LATE_SECONDS).last.value
        assert found is not None, "a look always has a value"
        managers, others = found
        left, need = len(others), majority(len(managers))
        if left >= need:
            return others
        if not sure and any(one.name == node for one in managers):
            raise UsageError(
                say(
                    "Without {node}, {left} of {all} managers would be left, and the swarm needs"
                    " {need}: it would take no more orders, and start no task anew.",
                    node=node,
                    left=left,
                    all=len(managers),
                    need=need,
                ),
                hint=say(
                    "To see just that, give the same command with `--yes`;"
                    " `swarmlab fault heal --all` brings everything back."
                ),
            )
        return []


@contextmanager
def site(name: str) -> Iterator[Site]:
    """The lab, held for the time of the block. Raises LabAbsent, LabBusy, EngineUnreachable."""
    with lifecycle.lock(name):
        engine = engines.connect()
        try:
            there = remains.look(engine, name)
            if not there.info.nodes:
                raise LabAbsent(
                    say("There is no lab {name!r} on this machine.", name=name),
                    hint=say("`swarmlab up` makes one."),
                )
            yield Site(name, engine, there)
        finally:
            engine.client.close()


def stop(at: Site, node: str, sure: bool) -> Fault:
    """Stop the node's machine. Raises UsageError for a stranger, or for want of `sure`."""
    at.running(node)
    others = at.guard(node, sure)
    at.provider.stop(node)
    done = say("{node} is stopped, as if it had been switched off.", node=node)
    return _lost(at, node, others, done)


def pause(at: Site, node: str, sure: bool) -> Fault:
    """Freeze all processes of the node. Raises like `stop`."""
    at.running(node)
    others = at.guard(node, sure)
    at.provider.pause(node)
    done = say("{node} is paused: it is there, and answers nobody.", node=node)
    return _lost(at, node, others, done)


def cut(at: Site, node: str, sure: bool) -> Fault:
    """Cut the node off from the other nodes. Raises like `stop`."""
    at.running(node)
    if at.provider.borrowed:
        # Rules that outlive the lab would cut it off for good.
        raise UsageError(
            say("{node} is a machine of your own: its packet filter stays as it is.", node=node),
            hint=say("Take its cable out, or stop its engine there."),
        )
    if len(at.nodes) == 1:
        raise UsageError(
            say("A lab of one node has no other node to cut it off from."),
            hint=say("`swarmlab fault stop {node} --yes` stops it.", node=node),
        )
    if cutting.is_cut(at.lookout(node)):
        raise UsageError(
            say("{node} is cut off already.", node=node),
            hint=say("`swarmlab fault heal {node}` brings it back.", node=node),
        )
    others = at.guard(node, sure)
    at.provider.adopt()
    peers = [at.provider.address(other) for other in at.nodes if other != node]
    cutting.cut(at.lookout(node), node, peers)
    done = say("{node} is cut off from the other nodes; you can still ask it.", node=node)
    found = _lost(at, node, others, done)
    if not at.manages(node):
        return found
    alone = asking(node, "docker node ls")
    look = dict.fromkeys((*found.look, alone))
    return Fault(found.done, found.happens, tuple(look), found.undo)


def start(at: Site, node: str, progress: Progress) -> Fault:
    """Start a node that was stopped or paused; wait until the swarm sees it."""
    if at.node(node) is NodeState.RUNNING:
        return Fault(say("{node} runs already.", node=node), "")
    _begin(at, node, progress)
    return Fault(
        say("{node} runs again.", node=node),
        say("Tasks that moved away stay where they are: Swarm does not move them back."),
        (*(asking(one, f"docker node ps {node}") for one in at.askable(node)), "swarmlab status"),
    )


def heal(at: Site, node: str, progress: Progress) -> list[str]:
    """Undo every fault of one node; what was done, in words."""
    done = []
    if at.node(node) is not NodeState.RUNNING:
        _begin(at, node, progress)
        done.append(say("{node} runs again.", node=node))
    elif cutting.join(at.lookout(node), node):
        with progress.stage(say("Waiting until the swarm sees {node} again", node=node)):
            _seen(at, node)
        done.append(say("{node} is joined to the other nodes again.", node=node))
    return done + consul_again(at.name, node)


def heal_all(at: Site, progress: Progress) -> list[str]:
    """Undo every fault of the lab, and mend what else is broken; what was done, in words.

    Returns when the swarm is proven to be whole.
    """
    done = []
    for node in at.nodes:
        known = at.there.info.node(node)
        if known is None:
            done.append(say("{node} was made again.", node=node))
        elif known.state is not NodeState.RUNNING:
            done.append(say("{node} runs again.", node=node))
        elif cutting.join(at.lookout(node), node):
            done.append(say("{node} is joined to the other nodes again.", node=node))
    # Not `up`, which would make a lab without a leader anew: healing takes nothing away.
    lifecycle.start(at.name, progress).close()
    return done + consul_again(at.name, *at.nodes)


def _lost(at: Site, node: str, others: list[str], done: str) -> Fault:
    """What comes of losing the node, where `others` go on as a quorum or (none) nobody does."""
    undo = f"swarmlab fault heal {node}"
    watch = "swarmlab status --watch --probe /demo/hello"
    if not others:
        return Fault(
            done,
            say(
                "No quorum is left: no manager can be elected, no order is taken, no task starts"
                " anew. What runs goes on running."
            ),
            (watch, *(asking(one, "docker node ls") for one in at.askable(node))),
            undo,
        )
    happens = later(
        "In a few seconds the other managers see it as down and start its tasks on other"
        " nodes; if it was the leader, they elect another one."
    )
    if not at.manages(node):
        happens = later(
            "In a few seconds the managers see it as down and start its tasks on other nodes. It"
            " is a worker and has no vote: the quorum is as it was."
        )
    return Fault(
        done,
        say(happens),
        (watch, asking(others[0], "docker node ls")),
        undo,
    )


def _well(node: NodeStatus) -> bool:
    return node.answers and not node.cut and node.reachability != "unreachable"


def _begin(at: Site, node: str, progress: Progress) -> None:
    files = {}
    if keys.needed(at.provider, [node]):
        keyring = keys.of_lab(at.engine.client.api, at.name, at.there.holders)
        files = keyring.on_node(node)
    with progress.stage(say("Starting {node}", node=node)):
        at.provider.start(node, files)
        # A node that was cut off and then paused has kept its packet filter.
        cutting.join(at.lookout(node), node)
        _seen(at, node)


def _seen(at: Site, node: str) -> None:
    """Wait until the node answers, and a manager that speaks for the swarm sees it ready."""

    def look() -> Observation[None]:
        there = inspect(at.engine, at.name)
        one = next(one for one in there.nodes if one.name == node)
        # Where no quorum is left, no manager can say more than that it lives.
        done = one.answers and one.state in ("ready", "") and one.reachability != "unreachable"
        return Observation(done, one.state or one.container)

    until(
        say("{node} to be well", node=node),
        look,
        within=_HEAL_SECONDS,
        every=0.5,
        hint=say("`swarmlab up` mends what is left to mend."),
    )
