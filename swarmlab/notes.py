"""The runner's sentences: what it does and why, in the student's language."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from swarmlab.errors import LabAbsent, UsageError
from swarmlab.model import CheckSpec, Lab, Step
from swarmlab.words import later, say


def no_longer_holds(number: int) -> str:
    """A step that was done is not so any more."""
    return say(
        "Step {number} no longer holds: it is done again, with all that follows.", number=number
    )


def nothing_done() -> str:
    """There is nothing to verify."""
    return say("No step is done yet, so there is nothing to look at.")


def recorded(step: Step) -> str:
    """A step that was typed by hand counts from now on; what of it nobody has seen is said."""
    words = say("Step {number} is now recorded as done.", number=step.number)
    unseen = sum(len(command.checks) + len(command.during) for command in step.commands)
    if not unseen:
        return words
    one = later("1 check belongs to the moment of a command and was not looked at.")
    many = later("{count} checks belong to the moment of a command and were not looked at.")
    return f"{words} {say(one if unseen == 1 else many, count=unseen)}"


def holds_early(number: int, missing: int) -> str:
    """A step holds that was typed by hand, and one before it is not done."""
    return say(
        "Step {number} holds, but it is not recorded as done: step {missing} is missing. Typed by "
        "hand, each step is verified before the next is typed.",
        number=number,
        missing=missing,
    )


def uncounted(lab: Lab, numbers: Sequence[int], done: Collection[str]) -> str:
    """Why those steps earn nothing yet, and what to type so that they do."""
    missing = next(step.number for step in lab.steps if step.id not in done)
    verify = "swarmlab verify " + " ".join(
        str(step.number)
        for step in lab.steps
        if missing <= step.number <= numbers[-1] and step.id not in done
    )
    listed = say(", ").join(map(str, numbers))
    if missing in numbers:
        one = later(
            "Not counted yet: step {numbers}, which is on no record. If it was typed by hand, "
            "`{verify}` counts it."
        )
        many = later(
            "Not counted yet: steps {numbers}, which are on no record. If they were typed by hand, "
            "`{verify}` counts them."
        )
        return say(one if len(numbers) == 1 else many, numbers=listed, verify=verify)
    one = later(
        "Not counted yet: step {numbers}. Steps count in their order, and step {missing} is not "
        "done. Once it holds, `{verify}` counts what was typed by hand; `{run}` does it for you."
    )
    many = later(
        "Not counted yet: steps {numbers}. Steps count in their order, and step {missing} is not "
        "done. Once it holds, `{verify}` counts what was typed by hand; `{run}` does it for you."
    )
    return say(
        one if len(numbers) == 1 else many,
        numbers=listed,
        missing=missing,
        verify=verify,
        run=f"swarmlab run --to {numbers[-1]}",
    )


def typed_ahead(number: int) -> str:
    """A claim does not hold, and the step that ends it does: it must have been typed by hand."""
    return say(
        "Step {number} holds, which ends some of this. Was it typed by hand? `swarmlab verify "
        "{number}` records it.",
        number=number,
    )


def once_more(number: int) -> str:
    """A step failed, and what was typed by hand may be in its way."""
    return say(
        "Step {number} failed. Something typed by hand may be in its way: all from the last step "
        "back to step {number} is undone, and it is run once more.",
        number=number,
    )


def along(first: int, last: int) -> str:
    """Steps that are run because others need them."""
    one = later("Step {first} is missing and will be run along first.")
    many = later("Steps {first} to {last} are missing and will be run along first.")
    return say(one if first == last else many, first=first, last=last)


def looking(first: int, last: int) -> str:
    """Steps that are looked at instead of run."""
    one = later("Step {first} is done already: looking whether that still holds.")
    many = later("Steps {first} to {last} are done already: looking whether that still holds.")
    return say(one if first == last else many, first=first, last=last)


def over(lab: Lab, spec: CheckSpec, touched: Collection[str]) -> str:
    """Why a claim is not looked at: a later step ended it. Empty while it is to hold.

    `touched` are the ids of the steps that were begun or done.
    """
    if spec.until is None or spec.until not in touched:
        return ""
    step = lab.find(spec.until)
    if step is None:
        return spec.until
    return say(
        "no longer to be so since step {number} ({title})", number=step.number, title=step.title
    )


def nothing_between(first: int | None, last: int | None) -> UsageError:
    """The steps asked for are in the wrong order."""
    hint = say("Give the earlier step to `--from` and the later one to `--to`.")
    message = say(
        "Step {first} comes after step {last}: there is nothing to run.", first=first, last=last
    )
    return UsageError(message, hint=hint)


def nothing_to_clean_up() -> str:
    """The last step is asked for where there is no lab."""
    return say("There is no lab, so there is nothing to clean up.")


def no_lab(name: str) -> LabAbsent:
    """There is no lab to look at, and what makes one."""
    hint = say("`swarmlab up` makes one; `swarmlab run` makes one and runs the chapter.")
    return LabAbsent(say("There is no running lab named {name!r}.", name=name), hint=hint)


def no_step(number: int, lab: str, first: int, last: int) -> UsageError:
    """There is no such step, and which there are."""
    hint = say("Steps go from {first} to {last}.", first=first, last=last)
    return UsageError(say("There is no step {number} in {lab}.", number=number, lab=lab), hint=hint)


def reset_failed(number: int, reason: str) -> tuple[str, str]:
    """A step could not be undone, and what to do then."""
    why = reason or say("it failed")
    message = say("Step {number} could not be reset: {reason}.", number=number, reason=why)
    return message, say("`swarmlab down`, then `swarmlab up`, gives a fresh lab.")
