"""Nodes on machines that exist already: their engines become the nodes of one swarm for a while."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from threading import Event
from typing import Any

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.images import carrying, catalog, recipe
from swarmlab.providers import at_once
from swarmlab.providers.base import ENGINE_PORT, Info, Node, NodeState
from swarmlab.providers.hosts import belonging, between, cleaning, examining, gate, ports, record
from swarmlab.providers.hosts.machines import image, kept, told
from swarmlab.providers.hosts.needs import GATE_PORT
from swarmlab.providers.hosts.returning import Returned
from swarmlab.providers.hosts.snapshot import take
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.providers.problems import explained
from swarmlab.size import UNKNOWN, Size
from swarmlab.words import say

_LOOK_SECONDS = 1.0


class Hosts(Returned):
    """The machines that a hosts file names, as the nodes of one lab."""

    name = "hosts"

    def __init__(
        self, engine: Engine, lab: str, chosen: Mapping[str, Any], size: Size = UNKNOWN
    ) -> None:
        """`chosen` is what `machines.settings` made. Raises UsageError for anything else, and
        for a size that is not that of the machines.
        """
        machines, self._consent = told(chosen, lab)
        if size.count not in (0, len(machines)):
            raise UsageError(
                say(
                    "The hosts file names {machines} machines, and a lab of {size} has {nodes} "
                    "nodes.",
                    machines=len(machines),
                    size=size,
                    nodes=size.count,
                ),
                hint=say(
                    "Give --managers and --workers that make as many, or neither: then all "
                    "become managers."
                ),
            )
        super().__init__(engine, lab, machines, size=size, kept=kept(machines.all(), self._consent))
        self._stop = Event()

    # -- before anything is touched, and the first touch ------------------------------------

    def prepare(self, reach: str = "auto", publish: str = "") -> None:
        """Look at all machines, and refuse with all that speaks against them; then begin.

        Raises EnvironmentProblem.
        """
        self.report(say("looking at the machines"))
        self._found = examining.examine(self._machines, self._lab, self._consent)
        self._settings = kept(self._machines.all(), self._consent)
        addresses = [host.address for host in self._machines.all()]
        self.avoided = tuple(IPv4Network(f"{one}/24", strict=False) for one in addresses)
        self.keep_clear(*addresses)
        super().prepare(reach, publish)
        if self._consent.leave_swarm:
            at_once.must(self._machines, self._leave)
        record.write(self._api, self._lab, self._found, self._labels(labels.ROLE_VOLUME))
        self.report(say("bringing the gate's image"))
        at_once.must(self._machines, self._give, self._stop)
        # From here on the machines are this lab's: another that comes finds the name taken.
        at_once.must(self._machines, self.create)
        self.report(say("trying the machines' ports"))
        found = at_once.must(self._machines, self._ports)
        wrong = [one for troubles in found.values() for one in troubles]
        examining.refuse(
            wrong or self._between(),
            say("What was begun there is taken back."),
        )

    def _between(self) -> list[Trouble]:
        """Tried only where the ports are free."""
        self.report(say("trying the ways between the machines"))
        return between.troubles(
            {host.node: host.address for host in self._machines.all()},
            self._size.manager_names,
            self._machines.api,
            lambda node: image(self._machines.api(node), _inside()),
            self._whose,
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
                self._whose,
                node,
                address=host.address,
                path=host.socket,
                engine=str(api.info()["ID"]),
            )

    # -- nodes -------------------------------------------------------------------------------

    def create(self, node: str) -> None:
        api = self._machines.api(node)
        with explained(say("making the gate of {node}", node=node)):
            if gate.there(api, self._whose):
                return
        if not image(api, _inside()):
            self._give(node)
        with explained(say("making the gate of {node}", node=node)):
            made = gate.create(
                api,
                self._whose,
                node,
                image=image(api, _inside()),
                socket=self._machines[node].socket,
                rename=self._consent.rename,
                marks=self.remember,
            )
        if not made:
            taken = belonging.occupied(node, self._lab)
            raise EnvironmentProblem(
                say("{node}: {what}.", node=node, what=taken.what), hint=taken.mend
            )

    def start(self, node: str, files: Mapping[str, bytes]) -> None:
        api = self._machines.api(node)
        with explained(say("opening the gate of {node}", node=node)):
            if not gate.there(api, self._whose):
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
        self._recognize()
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


def _owned(what: str, command: str) -> UsageError:
    """Why swarmlab leaves a machine alone, with the command that does so there."""
    return UsageError(what, hint=say("Do so there: `{command}`.", command=command))


def _inside() -> str:
    """What the gate's image is called on a machine."""
    return str(catalog.load().images[gate.IMAGE].inside)
