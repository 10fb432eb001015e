"""Nodes on machines that exist already: their engines become the nodes of one swarm for a while."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from threading import Event, Lock
from typing import Any

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, SwarmlabError, UsageError
from swarmlab.images import carrying, catalog, recipe
from swarmlab.providers import at_once
from swarmlab.providers.base import ENGINE_PORT, Info, Node, NodeState
from swarmlab.providers.hosts import cleaning, examining, gate, ports, reaching, record
from swarmlab.providers.hosts.machines import image, settings, told
from swarmlab.providers.hosts.needs import GATE_PORT
from swarmlab.providers.hosts.snapshot import Snapshot, take
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.providers.network import LabNetwork
from swarmlab.providers.problems import explained
from swarmlab.size import UNKNOWN, Size
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_LOOK_SECONDS = 1.0
_REACH_SECONDS = 15.0
# Where the machines' own network is in the range that Swarm takes its overlay networks from:
# half of RFC 2544's, which no real network has.
_OVERLAYS = ("198.19.0.0/16",)
_USUAL = "10."


class Hosts(LabNetwork):
    """The machines that a hosts file names, as the nodes of one lab."""

    name = "hosts"
    borrowed = True

    def __init__(
        self, engine: Engine, lab: str, chosen: Mapping[str, Any], size: Size = UNKNOWN
    ) -> None:
        """`chosen` is what `machines.settings` made. Raises UsageError for anything else, and
        for a size that is not that of the machines.
        """
        self._machines, self._consent = told(chosen, lab)
        if size.count not in (0, len(self._machines)):
            raise UsageError(
                say(
                    "The hosts file names {machines} machines, and a lab of {size} has {nodes} "
                    "nodes.",
                    machines=len(self._machines),
                    size=size,
                    nodes=size.count,
                ),
                hint=say(
                    "Give --managers and --workers that make as many, or neither: then all "
                    "become managers."
                ),
            )
        super().__init__(engine, lab, size=size, settings=chosen)
        self._found: dict[str, Snapshot] = {}
        self._stop = Event()
        self._turn = Lock()

    # -- before anything is touched, and the first touch ------------------------------------

    def prepare(self, reach: str = "auto", publish: str = "") -> None:
        """Look at all machines, and refuse with all that speaks against them; then begin.

        Raises EnvironmentProblem.
        """
        self.report(say("looking at the machines"))
        self._found = examining.examine(self._machines, self._lab, self._consent)
        self._settings = settings(self._machines.all(), self._consent)
        addresses = [host.address for host in self._machines.all()]
        self.avoided = tuple(IPv4Network(f"{one}/24", strict=False) for one in addresses)
        if any(one.startswith(_USUAL) for one in addresses):
            self.overlays = _OVERLAYS
        super().prepare(reach, publish)
        if self._consent.leave_swarm:
            at_once.must(self._machines, self._leave)
        record.write(self._api, self._lab, self._found, self._labels(labels.ROLE_VOLUME))
        self.report(say("bringing the gate's image"))
        at_once.must(self._machines, self._give, self._stop)
        self.report(say("trying the machines' ports"))
        wrong = at_once.must(self._machines, self._ports)
        examining.refuse(
            [one for found in wrong.values() for one in found],
            say("What was begun there is taken back."),
        )

    def _leave(self, node: str) -> None:
        """Out of the swarm that it is in, as the user wants; then it is looked at anew."""
        if self._found[node].swarm:
            with explained(say("taking {node} out of its swarm", node=node)):
                cleaning.leave(self._machines.api(node))
            self._found[node] = take(self._machines.engine(node), self._lab)

    def _give(self, node: str) -> None:
        reference = recipe.reference(gate.IMAGE)
        carrying.carry(
            self._engine,
            self._machines.api(node),
            node,
            {_inside(): reference},
            tell=self.report,
            check=self._check,
        )

    def _check(self) -> None:
        """Called while an image is under way; raises when the user has interrupted."""
        if self._stop.is_set():
            raise EnvironmentProblem(say("Interrupted."))

    def _ports(self, node: str) -> list[Trouble]:
        engine, host = self._machines.engine(node), self._machines[node]
        api: Any = engine.client.api
        with explained(say("trying the ports of {node}", node=node)):
            return ports.troubles(
                api,
                image(api, _inside()),
                self._lab,
                node,
                address=host.address,
                path=host.socket,
                engine=str(api.info()["ID"]),
            )

    # -- nodes -------------------------------------------------------------------------------

    def create(self, node: str) -> None:
        api = self._machines.api(node)
        if not image(api, _inside()):
            self._give(node)
        with explained(say("making the gate of {node}", node=node)):
            gate.create(
                api,
                self._lab,
                node,
                image=image(api, _inside()),
                socket=self._machines[node].socket,
                rename=self._consent.rename,
                marks={labels.INSTANCE: self.instance},
            )

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        api = self._machines.api(node)
        with explained(say("opening the gate of {node}", node=node)):
            if not gate.there(api, self._lab):
                self.create(node)
            gate.start(api, self._lab, self._machines[node].address, files, self._known(node))

    def stop(self, node: str) -> None:
        raise _owned(
            say("{node} is a machine of your own, which swarmlab does not stop.", node=node),
            "sudo systemctl stop docker docker.socket",
        )

    def pause(self, node: str) -> None:
        raise _owned(
            say("{node} is a machine of your own, which swarmlab does not pause.", node=node),
            "sudo pkill -STOP dockerd",
        )

    def last_words(self, node: str) -> str | None:
        with explained(say("looking at the gate of {node}", node=node)):
            return gate.last_words(self._machines.api(node), self._lab)

    def check_kernel(self, node: str) -> None:
        """Nothing can be told so early: it is tried once the node has its images."""

    def address(self, node: str) -> str:
        return self._machines[node].address

    def certs(self, node: str) -> Path | None:
        return None

    def place(self, node: str) -> Node:
        host = self._machines[node]
        return Node(
            node,
            host.address,
            NodeState.RUNNING,
            ports={ENGINE_PORT: (host.address, GATE_PORT)},
            engine_port=GATE_PORT,
            api=host.api,
        )

    def info(self) -> Info:
        if not self.instance:
            with suppress(EnvironmentProblem):
                self.adopt()
        seen = at_once.must(self._machines, self._seen)
        return Info(tuple(seen.values()), self.instance, self._size)

    def _seen(self, node: str) -> Node:
        """Whether anything answers at its gate; what it is, finds out who asks it."""
        there = self.place(node)
        if not there.address:
            return replace(there, state=NodeState.STOPPED)
        try:
            socket.create_connection((there.address, GATE_PORT), timeout=_LOOK_SECONDS).close()
        except OSError as error:
            why = error.strerror or str(error)
            return replace(there, state=NodeState.STOPPED, detail=say("no answer: {why}", why=why))
        return there

    # -- the end -----------------------------------------------------------------------------

    def left(self) -> tuple[str, ...]:
        """While the lab's own engine has its network, all of them; then those that are asked."""
        with suppress(EnvironmentProblem):
            self.adopt()
            return tuple(self._machines)
        # One that does not answer is not known to have nothing: `remove` will tell.
        there = at_once.each(self._machines, self._holds)
        empty = {node for node, holds in there.done.items() if not holds}
        return tuple(node for node in self._machines if node not in empty)

    def _holds(self, node: str) -> bool:
        """Whether anything of the lab is on the machine."""
        with explained(say("looking for the lab on {node}", node=node)):
            return cleaning.holds(self._machines.api(node), self._lab)

    def remove(self, node: str) -> tuple[str, ...]:
        place = self._machines[node].place
        try:
            engine = self._patiently(node)
        except EngineUnreachable as error:
            raise EngineUnreachable(
                _not_cleaned(node, place, error),
                evidence=error.evidence,
                hint=say(
                    "When it answers again, `swarmlab down` does the rest; `swarmlab down "
                    "--forget-lost` forgets machines that never will, with what the lab left there."
                ),
            ) from error
        except SwarmlabError as error:
            raise _uncleaned(node, place, error) from error
        try:
            left = self._clean(node, engine)
        except SwarmlabError as error:
            raise _uncleaned(node, place, error) from error
        return tuple(
            say("{node} ({place}): {what}", node=node, place=place, what=one) for one in left
        )

    def _clean(self, node: str, engine: Engine) -> list[str]:
        found = self._known(node)
        if found is None and not self._holds(node):
            return []
        return cleaning.clean(
            engine,
            self._lab,
            found,
            lambda what: self.report(say("{node}: {what}", node=node, what=what)),
            self._turn,
            self._addresses(),
        )

    def _addresses(self) -> set[str]:
        """The machines' addresses; those that neither the lab nor the file tells are found out."""
        found = set()
        for host in self._machines.all():
            with suppress(SwarmlabError):
                found.add(host.address or reaching.address(host, reaching.target(host)))
        return found

    def _patiently(self, node: str) -> Engine:
        """The machine's engine; one that is just starting, or very busy, is waited for."""
        failures: list[EngineUnreachable] = []

        def look() -> Observation[Engine]:
            try:
                return Observation(True, say("it answers"), self._machines.engine(node))
            except EngineUnreachable as error:
                failures.append(error)
                return Observation(False, error.message)

        engine = poll(look, within=_REACH_SECONDS, every=1.0).last.value
        if engine is None:
            raise failures[-1]
        return engine

    def _known(self, node: str) -> Snapshot | None:
        """The machine's snapshot: from this process, the lab's own engine, or the gate."""
        if node not in self._found:
            self._found |= record.read(self._api, self._lab)
        if node not in self._found:
            with explained(say("asking the gate of {node}", node=node)):
                kept = gate.found(self._machines.api(node), self._lab)
            if kept is not None:
                self._found[node] = kept
        return self._found.get(node)


def _uncleaned(node: str, place: str, error: SwarmlabError) -> EnvironmentProblem:
    """Never an EngineUnreachable: a machine that answered, however badly, is not lost."""
    return EnvironmentProblem(
        _not_cleaned(node, place, error), evidence=error.evidence, hint=error.hint
    )


def _not_cleaned(node: str, place: str, error: SwarmlabError) -> str:
    return say(
        "The machine of {node} ({place}) was not cleaned. {why}",
        node=node,
        place=place,
        why=error.message,
    )


def _owned(what: str, command: str) -> UsageError:
    """Why swarmlab leaves a machine alone, with the command that does so there."""
    return UsageError(what, hint=say("Do so there: `{command}`.", command=command))


def _inside() -> str:
    """What the gate's image is called on a machine."""
    return str(catalog.load().images[gate.IMAGE].inside)
