"""What must fit together within a step, and among the steps: ids, needs, resets, ends of claims."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from swarmlab.loading import mistakes, nodes
from swarmlab.loading.creating import leaves
from swarmlab.loading.fields import Fields, Notes
from swarmlab.model import Step, Where
from swarmlab.words import later, say

Places = Mapping[int, Fields]
"""Where each check and mistake stands, by identity: ids may be missing or used twice."""


def inside(fields: Fields, step: Step, places: Places) -> None:
    """What must fit together within one step."""
    of_commands = [c for command in step.commands for c in (*command.checks, *command.during)]
    checks = step.all_checks
    for message, ids in (
        (later("two of its commands have the id {id!r}"), [one.id for one in step.commands]),
        (later("two of its checks have the id {id!r}"), [one.id for one in checks]),
        (later("two of its mistakes have the id {id!r}"), [one.id for one in step.mistakes]),
    ):
        for one in _twice(ids):
            fields.wrong("number", say(message, id=one))
    known = {check.id for check in checks}
    for check in checks:
        place = places[id(check)]
        for need in check.needs:
            if need not in known:
                told = fields.notes.none_of(need, known)
                place.wrong("needs", say("{text} is no check of this step{near}", **told))
        if check.untouched and not check.before:
            place.wrong("untouched", say("untouched has a meaning only beside before"))
    for ring in _rings({check.id: check.needs for check in checks}):
        fields.wrong("checks", say("these checks need each other: {ids}", ids=say(", ").join(ring)))
    for check in of_commands:
        for name in ("until", "before", "untouched"):
            if getattr(check, name):
                places[id(check)].wrong(
                    name,
                    say(
                        "it is looked at only after its command: {name} has no meaning here",
                        name=name,
                    ),
                )
    for mistake in step.mistakes:
        mistakes.inside(places[id(mistake)], mistake, step)


def undone(step: Step, fields: Fields) -> None:
    """Whether a step that leaves something behind says how that is undone.

    One that takes the lab away leaves nothing, whatever it takes away before.
    """
    if step.reset or step.reset_covered_by or step.removes_lab:
        return
    for command, item in zip(step.commands, fields.items("commands"), strict=True):
        what = leaves(command.run) if command.where is Where.WORKSTATION else ""
        if what:
            fields.notes.add(
                item,
                say(
                    "{what}, command {id!r}: `{typed}` leaves something behind, and the step"
                    " has no reset (nor reset_covered_by) that takes it away",
                    what=fields.what,
                    id=command.id,
                    typed=what,
                ),
            )


def together(
    notes: Notes, steps: Sequence[Step], items: Sequence[nodes.Node], places: Places
) -> None:
    """What must fit together among the steps."""
    ids: dict[str, int] = {}
    earlier: dict[str, int] = {}
    numbers: dict[int, int] = {}
    highest = 0
    for position, step in enumerate(steps):
        ids.setdefault(step.id, position)
    for position, (step, node) in enumerate(zip(steps, items, strict=True)):
        if step.id and ids[step.id] < position:
            notes.add(node, say("the step id {id!r} is used twice", id=step.id))
        if step.number in numbers:
            first = numbers[step.number]
            notes.add(
                node,
                say(
                    "the step number {number} is used twice, first in line {line}",
                    number=step.number,
                    line=first,
                ),
            )
        elif 0 < step.number <= highest:
            notes.add(
                node,
                say(
                    "step {number} must have a higher number than those before it",
                    number=step.number,
                ),
            )
        numbers.setdefault(step.number, node.line)
        highest = max(highest, step.number)
        for mistake in step.mistakes:
            mistakes.together(places[id(mistake)], mistake, steps, position)
        for other in step.reset_covered_by:
            if other not in earlier:
                notes.add(
                    node,
                    say(
                        "reset_covered_by: {text} is no earlier step{near}",
                        **notes.none_of(other, earlier),
                    ),
                )
        earlier.setdefault(step.id, position)
        for check in step.checks:
            if check.until is None:
                continue
            place = places[id(check)]
            if check.until not in ids:
                told = notes.none_of(check.until, ids)
                place.wrong("until", say("{text} is no step{near}", **told))
            elif ids[check.until] <= position:
                place.wrong("until", say("it must name a later step, not {id!r}", id=check.until))


def _twice(ids: Sequence[str]) -> list[str]:
    return sorted(one for one, times in Counter(ids).items() if one and times > 1)


def _rings(needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """What is left when everything that can be looked at in order is taken away."""
    open_needs = {name: {one for one in wanted if one in needs} for name, wanted in needs.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in open_needs.items():
        for one in wanted:
            needed_by[one].append(name)
    free = deque(name for name, wanted in open_needs.items() if not wanted)
    while free:
        done = free.popleft()
        del open_needs[done]
        for name in needed_by[done]:
            open_needs[name].discard(done)
            if not open_needs[name]:
                free.append(name)
    return [sorted(open_needs)] if open_needs else []
