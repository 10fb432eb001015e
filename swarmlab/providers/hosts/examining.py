"""The first look at all machines: whether a lab can be made of them, before any of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem
from swarmlab.providers import at_once
from swarmlab.providers.hosts import facts, guards, reaching
from swarmlab.providers.hosts.guards import Consent
from swarmlab.providers.hosts.machines import Machines
from swarmlab.providers.hosts.snapshot import Snapshot
from swarmlab.providers.hosts.trouble import Trouble
from swarmlab.words import say


def examine(machines: Machines, lab: str, consent: Consent) -> dict[str, Snapshot]:
    """What each machine holds; the machines then know their addresses.

    Raises EnvironmentProblem with everything that speaks against any of them.
    """

    def entered(node: str) -> Engine:
        reaching.guarded(machines[node])
        return machines.engine(node)

    engines = at_once.each(machines, entered)
    addresses = at_once.each(
        engines.done, lambda node: reaching.address(machines[node], machines.engine(node).target)
    )
    seen = at_once.each(engines.done, lambda node: facts.look(machines.engine(node), lab))
    for node, address in addresses.done.items():
        machines.know(replace(machines[node], address=address, api=machines.engine(node).api))
    wrong = [
        Trouble(node, error.message.rstrip(".。"), error.hint)
        for failed in (engines.failed, addresses.failed, seen.failed)
        for node, error in failed.items()
    ]
    wrong += guards.troubles(machines.all(), seen.done, addresses.done, consent)
    order = list(machines)
    refuse(
        sorted(wrong, key=lambda one: order.index(one.node)), say("Nothing on them was touched.")
    )
    return {node: seen.done[node].found for node in machines}


def refuse(wrong: Sequence[Trouble], touched: str) -> None:
    """Raises EnvironmentProblem with all that is wrong, if anything is, and what was touched."""
    if not wrong:
        return
    raise EnvironmentProblem(
        say("One thing speaks against a lab on these machines. {touched}", touched=touched)
        if len(wrong) == 1
        else say(
            "{count} things speak against a lab on these machines. {touched}",
            count=len(wrong),
            touched=touched,
        ),
        evidence="\n".join(map(str, wrong)),
        hint=say("Mend what is named above and run the command again."),
    )
