"""The runner's sentences: what it does and why, in the student's language."""

from __future__ import annotations

from swarmlab.model import Step
from swarmlab.words import later, say


def no_longer_holds(number: int) -> str:
    """A step that was done is not so any more."""
    return say(
        "Step {number} no longer holds: it is done again, with all that follows.", number=number
    )


def nothing_done() -> str:
    """There is nothing to verify."""
    return say("No step is done yet, so there is nothing to look at.")


def recorded(number: int) -> str:
    """A step that was typed by hand counts from now on."""
    return say("Step {number} is now recorded as done.", number=number)


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


def superseded(step: Step) -> str:
    """Why a claim is not looked at: a later step ended it."""
    return say(
        "no longer to be so since step {number} ({title})", number=step.number, title=step.title
    )


def nothing_between(first: int | None, last: int | None) -> tuple[str, str]:
    """The steps asked for are in the wrong order."""
    hint = say("Give the earlier step to `--from` and the later one to `--to`.")
    message = say(
        "Step {first} comes after step {last}: there is nothing to run.", first=first, last=last
    )
    return message, hint


def nothing_to_clean_up() -> str:
    """The last step is asked for where there is no lab."""
    return say("There is no lab, so there is nothing to clean up.")


def no_lab(name: str) -> tuple[str, str]:
    """There is no lab to look at, and what makes one."""
    hint = say("`swarmlab up` makes one; `swarmlab run` makes one and runs the chapter.")
    return say("There is no running lab named {name!r}.", name=name), hint


def no_step(number: int, lab: str, first: int, last: int) -> tuple[str, str]:
    """There is no such step, and which there are."""
    hint = say("Steps go from {first} to {last}.", first=first, last=last)
    return say("There is no step {number} in {lab}.", number=number, lab=lab), hint


def reset_failed(number: int, reason: str) -> tuple[str, str]:
    """A step could not be undone, and what to do then."""
    why = reason or say("it failed")
    message = say("Step {number} could not be reset: {reason}.", number=number, reason=why)
    return message, say("`swarmlab down`, then `swarmlab up`, gives a fresh lab.")
