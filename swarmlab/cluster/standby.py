"""A lab at rest: stopped whole, with all that it holds, until `lifecycle.start`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from swarmlab import engine as engines
from swarmlab import state
from swarmlab.cluster import refusing
from swarmlab.cluster import remains as remaining
from swarmlab.cluster.crew import each
from swarmlab.cluster.lock import lock
from swarmlab.cluster.remains import Remains
from swarmlab.engine import Engine
from swarmlab.errors import LabAbsent
from swarmlab.progress import Progress, SilentProgress
from swarmlab.providers import registry
from swarmlab.providers.base import NodeState
from swarmlab.providers.problems import explained
from swarmlab.words import say


@dataclass(frozen=True)
class Stopped:
    """What `stop` stopped: names of containers as Docker shows them, and of nodes elsewhere."""

    name: str
    containers: tuple[str, ...] = ()
    seconds: float = 0.0
    machines: tuple[str, ...] = ()


def stop(name: str = state.DEFAULT_LAB, progress: Progress | None = None) -> Stopped:
    """Stop the lab's nodes and workstation; all that they hold stays. Content when they are.

    Raises LabAbsent when there is no node, LabBusy and others.
    """
    told = progress or SilentProgress()
    begun = time.monotonic()
    with lock(state.checked(name)):
        engine = engines.connect()
        try:
            there = present(name, engine)
            with explained(say("looking at the lab")):
                running = remaining.running(engine, name)
            # Of the other nodes all run in containers that are among those.
            machines = tuple(
                node.name
                for node in there.info.nodes
                if node.name in there.machines and node.state is NodeState.RUNNING
            )
            if running or machines:
                with told.stage(say("Stopping the lab")) as stage:
                    provider = registry.make(there.choice, engine, name)
                    provider.report = stage.say
                    each(provider.stop, machines)
                    remaining.halt(engine, running)
        finally:
            engine.client.close()
    return Stopped(name, running, time.monotonic() - begun, machines)


def present(name: str, engine: Engine) -> Remains:
    """What there is of the lab. Raises LabAbsent when that is no node, MachineUnknown where it
    cannot be told what there is."""
    there = remaining.look(engine, name)
    refusing.lost(there)
    if not there.info.nodes:
        raise LabAbsent(
            say("There is no lab named {name!r}.", name=name), hint=say("`swarmlab up` makes one.")
        )
    return there
