"""When to look again, and what to do about what we see.

Three things make us look at gossip:

- an event of this node's engine, which comes at once;
- a change in what the managers know, asked every second, since events of other
  nodes do not reach us;
- and nothing at all, every ten seconds, so that no mistake can last.

After a change we look twice a second until gossip and managers agree: gossip
needs a moment to get round.
"""

import http.client
import threading
import time
from collections.abc import Callable

from mesh import apply, view
from mesh.apply import ApplyError
from mesh.engine import Engine, EngineError, listen
from mesh.plan import NODE, Plan, plans
from mesh.swarm import WAIT, Managers, Swarm

IDLE = 1.0  # seconds between two looks at what managers know
RESTLESS = 0.4  # the same while something is on its way
PATIENCE = 20.0  # seconds to wait for gossip and managers to agree
SLOW = 10.0  # seconds after which we look without any reason

TROUBLES = (OSError, http.client.HTTPException, EngineError, ApplyError)


class Keeper:
    """Keeps this node's rules in step; knows what it has put where."""

    def __init__(self, engine: Engine, managers: Managers, say: Callable[[str], None]) -> None:
        self.engine = engine
        self.managers = managers
        self.say = say
        self.done: dict[str, tuple[int, Plan]] = {}
        self.swarm: Swarm | None = None
        self.looked = float("-inf")
        self.changed = float("-inf")
        self.settled = False

    def step(self, woken: bool) -> None:
        """Look at what managers know, and at gossip when there is a reason to.

        `woken`: the engine reported an event. Raises one of TROUBLES.
        """
        now = time.monotonic()
        known = self.managers.ask(now)
        if woken or known != self.swarm:
            self.changed = now
            self.settled = False
        self.swarm = known
        if self.reason_to_look(now):
            self.looked = now
            self.reconcile()

    def reason_to_look(self, now: float) -> bool:
        """Has something changed lately, or is it time anyway?

        Each look at gossip makes the engine write a few lines into its log, so we
        do not look without reason. A worker has nobody to ask and looks always.
        """
        if self.swarm is None:
            return True
        return self.restless(now) or now - self.looked >= SLOW

    def restless(self, now: float) -> bool:
        """Is a change still on its way through gossip, as far as managers can tell?"""
        on_its_way = self.swarm is not None and not self.settled
        return on_its_way and now - self.changed < PATIENCE

    def pause(self) -> float:
        """Seconds until the next step, should no event come first."""
        return RESTLESS if self.restless(time.monotonic()) else IDLE

    def reconcile(self) -> None:
        """Look, plan, and apply what differs from what we did before."""
        here = apply.sandboxes()
        seen = view.look(self.engine, here, self.swarm)
        self.settled = self.swarm is not None and view.agrees(seen, self.swarm)
        problems = []
        for plan in plans(seen):
            try:
                self.put(here.get(plan.sandbox, 0), plan)
            except ApplyError as problem:  # one network's trouble is not the others'
                problems.append(problem)
        for sandbox in self.done.keys() - here.keys() - {NODE}:
            del self.done[sandbox]  # it went with its rules: nothing to clean up
            self.say(f"{sandbox}: gone")
        if problems:
            raise problems[0]

    def put(self, inode: int, plan: Plan) -> None:
        """Apply one plan, unless this very namespace has it already."""
        there, before = self.done.get(plan.sandbox, (inode, nothing(plan.sandbox)))
        if (there, before) == (inode, plan):
            return
        if there != inode:
            before = nothing(plan.sandbox)
        apply.apply(plan, before)
        self.done[plan.sandbox] = (inode, plan)
        if plan.words != before.words:
            self.say(f"{plan.sandbox}: {plan.words}")


def nothing(sandbox: str) -> Plan:
    """What we know to be in a namespace that we have not touched yet."""
    return Plan(sandbox, words="")


def keep(say: Callable[[str], None]) -> None:
    """Keep the rules in step for ever."""
    event = threading.Event()
    listen(event.set)
    keeper = Keeper(Engine(), Managers(Engine(timeout=WAIT)), say)
    trouble = ""
    woken = False
    while True:
        try:
            keeper.step(woken)
            trouble = ""
        except TROUBLES as problem:
            # Whatever it was, the rules stay as they are and we try again. What
            # stays wrong is told once, not every second.
            keeper.looked = float("-inf")
            if str(problem) != trouble:
                trouble = str(problem)
                say(f"cannot look or apply, will try again: {trouble}")
        woken = event.wait(keeper.pause())
        event.clear()


def once(show: bool, say: Callable[[str], None]) -> None:
    """Look one time, then apply the plans, or with `show` only print them.

    Raises one of TROUBLES.
    """
    known = Managers(Engine(timeout=WAIT)).ask(time.monotonic())
    seen = view.look(Engine(), apply.sandboxes(), known)
    for plan in plans(seen):
        if show:
            say(described(plan, seen))
        else:
            apply.apply(plan, nothing(plan.sandbox))
            say(f"{plan.sandbox}: {plan.words}")


def described(plan: Plan, seen: view.View) -> str:
    """A plan as a student wants to read it."""
    names = {network.sandbox: network.name for network in seen.networks}
    place = "this node" if plan.sandbox == NODE else f"network {names[plan.sandbox]}"
    vips = " ".join(sorted(plan.vips)) or "none"
    head = f"# {place} ({plan.sandbox})\n"
    if plan.sandbox != NODE:
        head += f"# addresses to answer for: {vips}\n"
    return head + (plan.rules or "# no rules\n")


def clean(say: Callable[[str], None]) -> None:
    """Take everything of ours out of all namespaces of this node. Raises ApplyError."""
    for sandbox in [*apply.sandboxes(), NODE]:
        apply.clean(sandbox)
        say(f"{sandbox}: cleaned")
