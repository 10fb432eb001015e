"""The check of how a service heals: what became of one of its tasks, and what came after."""

from __future__ import annotations

import re
from datetime import datetime

from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Some, Word
from swarmlab.checks.looking import Seen, Unfit, listed, look
from swarmlab.checks.tasks import Instance, Raw, Service, service_named
from swarmlab.words import later, say

# How a task that ran can have ended; rejected and orphaned ones never ran or were lost.
_ENDED = ("failed", "shutdown", "complete")

# What a container ends with that was killed: by `docker rm -f`, by `docker kill`.
_KILLED = 137
_EXIT = re.compile(r"non-zero exit \((\d+)\)")
# A container that is found unhealthy is killed by Swarm itself, if it does not end when asked to.
_BY_SWARM = "unhealthy container"
# What is seen of a container that was removed at a moment when nobody waited for its end.
_REMOVED = "No such container"


def healed(world: World, *, service: Word, slot: Some, killed: bool = False) -> Finding:
    """In the slot runs a task that took the place of one that had run and ended.

    `killed`: its container must have been killed, from outside. One that was asked to stop ends
    well, one that a change of the service replaced was shut down, and one that failed at its own
    work ended with a code of its own. What was seen tells the seconds from the old task's end to
    the new one's running, by the swarm's own time stamps.
    """

    def at() -> Seen:
        found = service_named(world, service)
        of_slot = [task for task in found.tasks if task.get("Slot") == slot]
        new = next((one for one in found.instances() if one.slot == slot), None)
        if new is None:
            states = sorted(f"{task['ID'][:12]} {task['Status']['State']}" for task in of_slot)
            raise Unfit(
                say(
                    "no task runs in slot {slot} (tasks: {states})",
                    slot=slot,
                    states=listed(states),
                )
            )
        raw = next(task for task in of_slot if task["ID"] == new.task)
        olds = [
            task
            for task in of_slot
            if task["Status"]["State"] in _ENDED
            and (task["Status"].get("ContainerStatus") or {}).get("ContainerID")
            and _created(task) < _created(raw)
        ]
        if not olds:
            whole = f"docker service ps {service}"
            return Seen(False, _never_ended(found, new, killed=killed), whole)
        fallen = [task for task in olds if _killed(task)] if killed else olds
        if not fallen:
            return Seen(False, _not_killed(new, max(olds, key=_created)))
        old = max(fallen, key=_created)
        took = _time(raw["Status"]["Timestamp"]) - _time(old["Status"]["Timestamp"])
        why = old["Status"].get("Err") or old["Status"].get("Message", "")
        return Seen(
            True,
            say(
                "{name} runs as task {task} on {node}, {took:.1f} s after task {old} ended on"
                " {node_name} ({state}: {why})",
                name=new.name,
                task=new.task[:12],
                node=new.node,
                took=took,
                old=old["ID"][:12],
                node_name=found.node_name(old["NodeID"]),
                state=old["Status"]["State"],
                why=why,
            ),
        )

    return look(
        say(
            later("in slot {slot} of {service} a new task runs in the place of one that was killed")
            if killed
            else later(
                "in slot {slot} of {service} a new task runs in the place of one that ended"
            ),
            slot=slot,
            service=service,
        ),
        f"docker service ps --filter name={service}.{slot} {service}",
        at,
    )


def _never_ended(found: Service, instance: Instance, *, killed: bool) -> str:
    """That the instance is the first of its slot, and which ones of other slots did end so."""
    first = say(
        "{name} is still its first task, {task}", name=instance.name, task=instance.task[:12]
    )
    others = {
        say("{name} on {node}", name=f"{found.name}.{task['Slot']}", node=node)
        for task in found.tasks
        if task.get("Slot") and (_killed(task) if killed else task["Status"]["State"] == "failed")
        for node in [found.node_name(task["NodeID"])]
    }
    if others:
        words = later("what was killed is {places}") if killed else later("what failed is {places}")
        return first + say("; ") + say(words, places=listed(sorted(others)))
    none = (
        later("no task of {service} was killed")
        if killed
        else later("no task of {service} has failed")
    )
    return first + say("; ") + say(none, service=found.name)


def _killed(task: Raw) -> bool:
    """Whether the task failed because somebody killed its container."""
    status = task["Status"]
    why = str(status.get("Err") or "")
    if status["State"] != "failed" or _BY_SWARM in why:
        return False
    return _exit_code(task) == _KILLED or _REMOVED in why


def _exit_code(task: Raw) -> int:
    """What the task's container ended with; the error tells it also where the container is gone."""
    code = int((task["Status"].get("ContainerStatus") or {}).get("ExitCode") or 0)
    told = _EXIT.search(str(task["Status"].get("Err") or ""))
    return code or (int(told[1]) if told else 0)


def _not_killed(new: Instance, last: Raw) -> str:
    if last["Status"]["State"] != "failed":
        return say(
            "the task before {name} did not fail: it ended as {state}",
            name=new.name,
            state=last["Status"]["State"],
        )
    return say(
        "the task before {name} was not killed: it ended by itself ({why})",
        name=new.name,
        why=last["Status"].get("Err") or say("exit code {code}", code=_exit_code(last)),
    )


def _created(task: Raw) -> float:
    return _time(task["CreatedAt"])


def _time(stamp: str) -> float:
    """Seconds since the epoch of an engine's time stamp (RFC 3339, nanoseconds)."""
    return datetime.fromisoformat(stamp).timestamp()
