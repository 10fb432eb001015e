"""From the fields of a mistake to the mistake, and what must fit together about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarmlab.advice import MOST
from swarmlab.loading.fields import Fields
from swarmlab.model import Command, Mistake, Step, Where
from swarmlab.words import say

FIELDS = ("id", "title", "run", "instead", "after", "go_on", "caught_by", "also", "seen", "hint")


def read(fields: Fields, run: str, what: str) -> Mistake:
    """The mistake of the step `what`; `run` is what is typed, with its images filled in."""
    mistake_id = fields.slug("id")
    if mistake_id:
        fields.what = say("{what}, mistake {id!r}", what=what, id=mistake_id)
    return Mistake(
        id=mistake_id,
        title=fields.text("title"),
        # A wrong move may well end with an error; what counts is what the check sees then.
        command=Command(id=mistake_id, run=run, exit_codes=()),
        caught_by=fields.text("caught_by"),
        hint=fields.text("hint"),
        instead=fields.text("instead", ""),
        after=fields.text("after", ""),
        go_on=fields.flag("go_on"),
        seen=fields.pattern("seen"),
        also=tuple(fields.texts("also")),
    )


def inside(fields: Fields, mistake: Mistake, step: Step) -> None:
    """What must fit together within the step: its commands, and its own checks."""
    known = [command.id for command in step.commands]
    for name, command in (("instead", mistake.instead), ("after", mistake.after)):
        if command and command not in known:
            told = fields.notes.none_of(command, known)
            fields.wrong(name, say("{text} is no command of this step{near}", **told))
    if mistake.instead and mistake.after:
        fields.wrong("after", say("it is typed instead of a command or after one, not both"))
    if _typed_when_gone(mistake, step):
        fields.wrong("run", say("it would be typed when the lab has been taken away"))
    if mistake.go_on and not (mistake.instead or mistake.after):
        fields.wrong(
            "go_on", say("after the whole step nothing is left to type: name instead or after")
        )
    for field, name in _named(mistake):
        if "/" in name:
            continue
        checks = [check.id for check in step.all_checks]
        if name not in checks:
            told = fields.notes.none_of(name, checks)
            words = say("{text} is no check of this step{near}", **told)
            fields.wrong_item(field, name, words)
        elif problem := _unseen(mistake, name, step):
            fields.wrong_item(field, name, problem)


def _named(mistake: Mistake) -> list[tuple[str, str]]:
    """Each check that the mistake makes fail, and the field that says so."""
    named = [("caught_by", mistake.caught_by), *(("also", name) for name in mistake.also)]
    return [(field, name) for field, name in named if name]


def _unseen(mistake: Mistake, wanted: str, step: Step) -> str:
    """Why the check would not be looked at when the mistake is made; empty when it would be."""
    ids = [command.id for command in step.commands]
    place = mistake.instead or mistake.after
    if place and place not in ids:
        return ""
    here = ids.index(place) if place else len(ids) - 1
    for number, command in enumerate(step.commands):
        observers = [check.id for check in command.during]
        if wanted in observers and number < here:
            return say("it watches {id!r} only, which is over before the mistake", id=command.id)
        of_command = (*observers, *(check.id for check in command.checks))
        if wanted in of_command and number > here and not mistake.go_on:
            return say(
                "it belongs to {id!r}, which is typed only with `go_on: true`", id=command.id
            )
    return ""


def _typed_when_gone(mistake: Mistake, step: Step) -> bool:
    """Whether a command that takes the lab away is typed before the mistake, or after it."""
    ids = [command.id for command in step.commands]
    if mistake.go_on:
        typed = step.commands
    elif mistake.instead in ids:
        typed = step.commands[: ids.index(mistake.instead)]
    elif mistake.after in ids:
        typed = step.commands[: ids.index(mistake.after) + 1]
    else:
        typed = step.commands
    return any(command.where is Where.HOST and command.id != mistake.instead for command in typed)


def shown(steps: Sequence[Step], places: Mapping[int, Fields]) -> None:
    """Whether each mistake's hint can be shown: of those that look alike, only the first are."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for step in steps:
        for mistake in step.mistakes:
            hints = alike.setdefault((*step.catcher(mistake), mistake.seen), [])
            if not mistake.hint or mistake.hint in hints:
                continue
            hints.append(mistake.hint)
            if len(hints) > MOST:
                message = say(
                    "its hint is never shown: {most} before it are caught by {check!r} and look "
                    "the same; give it a seen of its own",
                    most=MOST,
                    check=mistake.caught_by,
                )
                places[id(mistake)].wrong("seen", message)


def together(fields: Fields, mistake: Mistake, steps: Sequence[Step], position: int) -> None:
    """Whether checks of other steps are such that are looked at while this step is done."""
    for field, name in _named(mistake):
        if "/" in name:
            _elsewhere(fields, field, name, steps, position)


def _elsewhere(
    fields: Fields, field: str, named: str, steps: Sequence[Step], position: int
) -> None:
    name, _, wanted = named.rpartition("/")
    earlier = {step.id: step for step in steps[:position]}
    other = earlier.get(name)
    if other is None:
        told = fields.notes.none_of(name, earlier)
        fields.wrong_item(field, named, say("{text} is no earlier step{near}", **told))
        return
    # The checks of commands hold only at their moment, which is over.
    lasting = {check.id: check for check in other.checks}
    check = lasting.get(wanted)
    if check is None:
        fields.wrong_item(
            field,
            named,
            say(
                "{text} is no lasting check of the step {step!r}{near}",
                step=name,
                **fields.notes.none_of(wanted, lasting),
            ),
        )
        return
    ends = [step.id for step in steps[: position + 1]]
    if check.until in ends:
        words = say("{check!r} holds only until the step {step}", check=named, step=check.until)
        fields.wrong_item(field, named, words)
