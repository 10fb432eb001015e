"""What must fit together within a step, and among the steps: ids, needs, resets, ends of claims."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Mapping, Sequence

from swarmlab.loading import mistakes
from swarmlab.loading.creating import leaves
from swarmlab.loading.fields import Fields, Notes
from swarmlab.model import Command, Step, Where
from swarmlab.words import later, say

Places = Mapping[int, Fields]
"""Where each step, command, check and mistake stands, by identity: ids may be used twice."""


def inside(fields: Fields, step: Step, places: Places) -> None:
    """What must fit together within one step."""
    checks = step.all_checks
    for message, named in (
        (later("two of its commands have the id {id!r}"), step.commands),
        (later("two of its checks have the id {id!r}"), checks),
        (later("two of its mistakes have the id {id!r}"), step.mistakes),
    ):
        for one, place in _twice([(item.id, places[id(item)]) for item in named]):
            fields.notes.add(place.place("id"), fields.told(say(message, id=one)))
    known = {check.id for check in checks}
    for check in checks:
        place = places[id(check)]
        for need in check.needs:
            if need not in known:
                told = fields.notes.none_of(need, known)
                what = say("{text} is no check of this step{near}", **told)
                place.wrong_item("needs", need, what)
        if check.untouched and not check.before:
            place.wrong("untouched", say("untouched has a meaning only beside before"))
    for ring in _rings({check.id: check.needs for check in checks}):
        words = say("these checks need each other: {ids}", ids=say(", ").join(ring))
        first = next(check for check in checks if check.id in ring)
        fields.notes.add(places[id(first)].place("needs"), fields.told(words))
    for command in step.commands:
        _at_its_moment(command, known, places)
    for mistake in step.mistakes:
        mistakes.inside(places[id(mistake)], mistake, step)


def _at_its_moment(command: Command, known: Container[str], places: Places) -> None:
    """What has no effect on the checks of a command, which hold at their moment only."""
    for check in (*command.checks, *command.during):
        for name in ("until", "before", "untouched"):
            if getattr(check, name):
                words = later("it is looked at only after its command: {name} has no meaning here")
                places[id(check)].wrong(name, say(words, name=name))
    beside = {check.id for check in command.checks}
    for check in command.checks:
        for need in check.needs:
            if need in known and need not in beside:
                words = later(
                    "{need!r} is not looked at beside it: a check of a command needs only others"
                    " under that command's checks"
                )
                places[id(check)].wrong_item("needs", need, say(words, need=need))
    for check in command.during:
        if check.needs:
            words = later("it watches whatever the checks say: needs has no meaning here")
            places[id(check)].wrong("needs", say(words))


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


def together(notes: Notes, steps: Sequence[Step], places: Places) -> None:
    """What must fit together among the steps."""
    ids: dict[str, int] = {}
    earlier: dict[str, int] = {}
    numbers: dict[int, int] = {}
    highest = 0
    for position, step in enumerate(steps):
        ids.setdefault(step.id, position)
    for position, step in enumerate(steps):
        fields = places[id(step)]
        number = fields.place("number")
        if step.id and ids[step.id] < position:
            notes.add(fields.place("id"), say("the step id {id!r} is used twice", id=step.id))
        if step.number in numbers:
            first = numbers[step.number]
            notes.add(
                number,
                say(
                    "the step number {number} is used twice, first in line {line}",
                    number=step.number,
                    line=first,
                ),
            )
        elif 0 < step.number <= highest:
            notes.add(
                number,
                say(
                    "step {number} must have a higher number than those before it",
                    number=step.number,
                ),
            )
        numbers.setdefault(step.number, number.line)
        highest = max(highest, step.number)
        for mistake in step.mistakes:
            mistakes.together(places[id(mistake)], mistake, steps, position)
        for other in step.reset_covered_by:
            if other not in earlier:
                notes.add(
                    fields.item("reset_covered_by", other),
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


def _twice(named: Sequence[tuple[str, Fields]]) -> list[tuple[str, Fields]]:
    """The ids that stand twice, and the last place where each is written.

    A command without an id has one by its position, which is written nowhere.
    """
    times = Counter(one for one, _ in named)
    written = {one: place for one, place in named if place.value("id") is not None}
    return [(one, written[one]) for one in sorted(written) if one and times[one] > 1]


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
