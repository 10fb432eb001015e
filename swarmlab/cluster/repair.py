"""A lab of which something is missing or stopped, put right without touching what works."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from docker import APIClient

from swarmlab.cluster import (
    apart,
    cutting,
    keys,
    quorum,
    refusing,
    settling,
    stock,
    swarm,
    workstation,
)
from swarmlab.cluster.create import Site
from swarmlab.cluster.crew import Crew
from swarmlab.cluster.remains import Remains
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem, TimedOut, UsageError
from swarmlab.progress import Progress
from swarmlab.providers import problems, registry
from swarmlab.providers.base import NodeState, Provider
from swarmlab.size import majority
from swarmlab.words import say

_ANSWER_SECONDS = 15.0
_START_SECONDS = 120.0  # as long as a new node gets, before a new one takes its place


@dataclass
class Mended:
    """The lab's provider, and what was put right, in words."""

    provider: Provider
    done: list[str]


def hopeless(name: str, engine: Engine, there: Remains) -> str:
    """Why the lab cannot be mended and has to be made anew; empty when it can be."""
    info = there.info
    if not info.nodes:
        return say("no node of it is left")
    if not there.networks:
        return say("its network is gone")
    managers = [node for node in info.names if info.size.role(node) == "manager"]
    if len(managers) < majority(info.size.managers):
        return say(
            "only {count} of {managers} managers are left, too few for the swarm's quorum",
            count=len(managers),
            managers=info.size.managers,
        )
    try:
        _keys(name, engine, there)
    except ClusterProblem:
        return say("its certificates are lost")
    return ""


def mend(name: str, engine: Engine, there: Remains, told: Progress) -> Mended:
    """Put the lab right; images are built only when something has to be made.

    Raises NoSwarm when it has to be made anew after all.
    """
    images = stock.of(engine, told, there.sources, contained=there.choice.contained)
    provider = registry.make(there.choice, engine, name, image=images.node, size=there.info.size)
    provider.remember = there.sources.marks
    provider.adopt()
    site = Site(name, engine, provider, images, there.info.size)
    keyring = _keys(name, engine, there)
    if keys.cached(name, provider.instance) is None:
        keys.cache(name, provider.instance, keyring)
    job = _Job(site, there, keyring, told)
    if not there.choice.contained or _lacking(there):
        # Found here, because who interrupts the crew waits for what its threads are at.
        images.workstation()
    with told.stage(_title(there)) as stage:
        provider.report = stage.say
        with Crew() as crew:
            provider.check = crew.check
            shell = crew.go(job.workstation) if provider.contained else None
            chains = {node: crew.go(job.engine, node, crew) for node in site.names}
            crew.all(chains.values())
            if shell is not None:
                shell.result()
            else:
                # Where machines are may be known only now: some forget it at a stop.
                job.workstation()
            apis = {node: chain.result() for node, chain in chains.items()}
        job.rejoin(apis)
    if job.started:
        with told.stage(say("Waiting for what ran on the nodes")):
            missing = settling.missing(apis)
        if missing:
            told.note(
                say(
                    "Not yet as before: {missing}. `swarmlab status` shows the services.",
                    missing=missing,
                )
            )
    for api in apis.values():
        api.close()
    return Mended(provider, job.done)


def _lacking(there: Remains) -> bool:
    """Whether a container has to be made again."""
    nodes = there.info.nodes
    states = [there.workstation, *(node.state for node in nodes)]
    return len(nodes) < there.info.expected or NodeState.MISSING in states


class _Job:
    """One repair; `done` collects what was put right, `started` that nodes had to start."""

    def __init__(self, site: Site, there: Remains, keyring: keys.Keys, told: Progress) -> None:
        self._site = site
        self._there = there
        self._keyring = keyring
        self._told = told
        self._at_rest = there.at_rest
        self.done: list[str] = []
        self.started = False

    def workstation(self) -> None:
        """Start the workstation, or make it again."""
        state = self._there.workstation
        if state is NodeState.RUNNING:
            return
        self._say(say("the workstation was {word}", word=_word(state)))
        if state is NodeState.STOPPED:
            site = self._site
            workstation.again(site.engine, site.name, site.machines, self._keyring)
            return
        self._site.make_workstation(lambda: self._keyring)

    def engine(self, node: str, crew: Crew) -> APIClient:
        """The node's engine, answering: the node started or made again where need be."""
        known = self._there.info.node(node)
        state = known.state if known else NodeState.MISSING
        if state is NodeState.MISSING:
            self._say(say("{node} was missing", node=node))
            return self._again(node, crew)
        if state is NodeState.RUNNING:
            self._joined(node)
            try:
                return self._answering(node, crew, _ANSWER_SECONDS)
            except (TimedOut, ClusterProblem):
                self._say(say("{node} did not answer and is restarted", node=node))
            with suppress(UsageError):  # a machine that is not swarmlab's to stop
                self._site.provider.stop(node)
        else:
            self._say(say("{node} was stopped", node=node))
        self.started = True
        # What the engine below refuses is the machine's trouble: the node's disk is not to blame.
        self._site.provider.start(node, self._keyring.on_node(node))
        # A node that was cut off and then paused has kept its packet filter.
        self._joined(node)
        try:
            return self._answering(node, crew, _START_SECONDS)
        except (TimedOut, ClusterProblem) as problem:
            if (trouble := problems.of_machine(problem)) is not None:
                raise trouble from problem
            self._say(say("{node} is made again: {message}", node=node, message=problem.message))
            return self._again(node, crew)

    def _answering(self, node: str, crew: Crew, within: float) -> APIClient:
        api = self._site.answering(node, crew=crew, within=within)
        self._site.furnish(node, api, crew=crew)
        return api

    def _joined(self, node: str) -> None:
        if cutting.join(self._site.lookout(node), node):
            self._say(say("{node} was cut off from the other nodes", node=node))

    def _again(self, node: str, crew: Crew) -> APIClient:
        self._say(
            say(
                "what was started on {node} by hand (Consul, say) and its volumes "
                "went with it: `swarmlab verify` tells what that was, `swarmlab "
                "run` does it again",
                node=node,
            )
        )
        # A disk without its machine holds the membership of a node that is gone.
        for change in self._site.provider.remove(node):
            self._told.note(change)
        return self._site.boot(node, lambda: self._keyring, crew=crew)

    def rejoin(self, apis: Mapping[str, APIClient]) -> None:
        """Bring all engines into one swarm again, and prove it."""
        names, size = self._site.names, self._site.size
        standings = {node: quorum.standing(api) for node, api in apis.items()}
        if self._site.provider.borrowed:
            refusing.other_swarms(apis, self._site.addresses)
        standings = quorum.led(apis, standings)
        main = quorum.main_cluster(standings)
        inside = {n for n, s in standings.items() if s.manager and s.cluster == main}
        leader, members = quorum.speaker({node: apis[node] for node in sorted(inside)})
        # A worker is in the swarm again only once the managers have a leader to tell it so.
        late = [node for node, standing in standings.items() if standing.state == "pending"]
        standings |= {node: quorum.standing(apis[node]) for node in late}
        ids = {member.id for member in members}
        belongs = {n for n, s in standings.items() if s.state == "active" and s.node_id in ids}
        alive = {standings[node].node_id for node in belongs}
        for member in members:
            if member.id not in alive and member.name in names:
                swarm.forget(leader, member, check=lambda: None)
        outside = [node for node in names if node not in belongs]
        tokens = swarm.tokens(leader) if outside else None
        remotes = [self._site.addresses[node] for node in sorted(inside)]
        with Crew() as crew:
            joins = [
                crew.go(self._join, node, apis[node], standings[node], remotes, tokens)
                for node in outside
                if tokens is not None
            ]
            crew.all(joins)
            for node in belongs:
                mine = next(m for m in members if m.id == standings[node].node_id)
                if mine.role != size.role(node) or mine.availability != "active":
                    self._say(
                        say(
                            "{node} was a {role}, {availability}",
                            node=node,
                            role=mine.role,
                            availability=mine.availability,
                        )
                    )
            swarm.settle([apis[node] for node in names], size, check=crew.check)
            agreeing = [
                crew.go(swarm.agree, apis[node], node, size, check=crew.check)
                for node in size.manager_names
            ]
            crew.all(agreeing)

    def _join(
        self,
        node: str,
        api: APIClient,
        standing: swarm.Standing,
        remotes: list[str],
        tokens: swarm.Tokens,
    ) -> None:
        if standing.state != "inactive":
            if self._site.provider.borrowed:
                refusing.own_swarm(api, node, self._site.addresses)
            swarm.leave(api)
        known = self._there.info.node(node)
        if known is not None and known.state is NodeState.RUNNING:
            self._say(say("{node} was not in the swarm", node=node))
        token = tokens.of(self._site.size.role(node))
        with apart.ways(self._site.provider, remotes[0], apart.SWARM):
            swarm.join(api, self._site.addresses[node], remotes, token)

    def _say(self, what: str) -> None:
        self.done.append(what)
        if not self._at_rest:
            self._told.note(say("Mending: {what}.", what=what))


def _keys(name: str, engine: Engine, there: Remains) -> keys.Keys:
    """Raises ClusterProblem when they are lost; those that no node needs are made anew."""
    try:
        return keys.of_lab(engine.client.api, name, there.holders)
    except ClusterProblem:
        if keys.needed(registry.make(there.choice, engine, name), there.info.names):
            raise
        from swarmlab.cluster import tls

        return tls.make_set(name, {})


def _title(there: Remains) -> str:
    if there.complete:
        return say("Looking at the lab")
    return say("Starting the lab again") if there.at_rest else say("Mending the lab")


def _word(state: NodeState) -> str:
    return say("missing") if state is NodeState.MISSING else say("stopped")
