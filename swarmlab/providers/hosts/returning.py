"""The end of a lab on machines of somebody's own: each is given back as it was found."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from swarmlab.engine import Engine
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, SwarmlabError
from swarmlab.images import sources
from swarmlab.providers import at_once
from swarmlab.providers.hosts import cleaning, gate, reaching, record
from swarmlab.providers.hosts.belonging import Whose
from swarmlab.providers.hosts.machines import Machines
from swarmlab.providers.hosts.pictures import Pictures
from swarmlab.providers.hosts.snapshot import Snapshot
from swarmlab.providers.network import LabNetwork
from swarmlab.providers.problems import explained
from swarmlab.size import Size
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_REACH_SECONDS = 15.0


class Returned(LabNetwork):
    """Machines that a lab has borrowed: which lab that is, what they held, how they go back."""

    borrowed = True

    def __init__(
        self, engine: Engine, lab: str, machines: Machines, *, size: Size, kept: Mapping[str, Any]
    ) -> None:
        """`kept` is what the lab's labels say of the machines."""
        super().__init__(engine, lab, size=size, settings=kept)
        self._machines = machines
        self._found: dict[str, Snapshot] = {}
        self._turn = Lock()

    @property
    def _whose(self) -> Whose:
        return Whose(self._lab, self.instance)

    def _recognize(self) -> None:
        """Find out which lab of its name it is, as far as its own engine still tells."""
        if not self.instance:
            with suppress(EnvironmentProblem):
                self.adopt()
        if not self.instance:
            with suppress(EnvironmentProblem):
                self.instance = record.instance(self._api, self._lab)

    def left(self) -> tuple[str, ...]:
        """While the lab's own engine has its network, all of them; then those that are asked."""
        with suppress(EnvironmentProblem):
            self.adopt()
            return tuple(self._machines)
        self._recognize()
        # One that does not answer is not known to have nothing: `remove` will tell.
        there = at_once.each(self._machines, self._holds)
        empty = {node for node, holds in there.done.items() if not holds}
        return tuple(node for node in self._machines if node not in empty)

    def _holds(self, node: str) -> bool:
        """Whether anything of the lab is on the machine."""
        with explained(say("looking for the lab on {node}", node=node)):
            return cleaning.holds(self._machines.api(node), self._whose)

    def remove(self, node: str) -> tuple[str, ...]:
        self._recognize()
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
            self._whose,
            found,
            lambda what: self.report(say("{node}: {what}", node=node, what=what)),
            self._turn,
            self._addresses(),
            Pictures(self._pulled(node)),
        )

    def _pulled(self, node: str) -> tuple[str, ...]:
        """What the lab has its nodes pull, as its own engine tells, or else the gate."""
        with explained(say("asking the gate of {node}", node=node)):
            marks = [self.remember, gate.marks(self._machines.api(node), self._whose)]
        return sources.told({"Labels": one} for one in marks).pulled

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
                kept = gate.found(self._machines.api(node), self._whose)
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
