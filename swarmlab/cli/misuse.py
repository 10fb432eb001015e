"""A command line that makes no sense: what the parser says of it, in plainer words, and what next.

The parser's sentences change from version to version of Typer, and are English alone. Those that
are known are said in our own words; one that is not known stands as it is.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

from swarmlab.cli.anywhere import in_its_place
from swarmlab.errors import UsageError
from swarmlab.words import later, say

_NEAR = r"(?:\.? (?:\(Possible options: |Did you mean (?:one of: )?)(?P<near>[^?)]*)[?)])?\.?"
_VALUE = r"Invalid value for '(?P<name>[^']*)'(?: \(env var: '\w+'\))?: (?P<why>.*)"

# A wrong letter, or two in a long word: `stats` for `start` is, `help` for `shell` is not.
_ALIKE = 0.7

# What the parser says, and what is said instead of it, with the same names.
_FORMS = (
    (
        re.compile(rf"No such command '(?P<name>[^']*)'{_NEAR}"),
        later("There is no command {name!r}."),
    ),
    (
        re.compile(rf"No such option:? '?(?P<name>-[^ '.]*)'?{_NEAR}"),
        later("There is no option {name}."),
    ),
    (re.compile(r"Missing command\."), later("A command is missing.")),
    (
        re.compile(r"Missing option '(?P<name>[^']*)' \(env var: '(?P<variable>\w+)'\).*", re.S),
        later("The option {name} is missing; the variable {variable} can stand in for it."),
    ),
    (
        re.compile(r"Missing option '(?P<name>[^']*)'.*", re.S),
        later("The option {name} is missing."),
    ),
    (
        re.compile(r"Missing argument '(?P<name>[^']*)'.*", re.S),
        later("The argument {name!r} is missing."),
    ),
    (
        re.compile(r"Option '(?P<name>[^']*)' requires an argument\."),
        later("The option {name} needs a value after it."),
    ),
    (
        re.compile(r"Option '(?P<name>[^']*)' does not take a value\."),
        later("The option {name} takes no value."),
    ),
    (
        re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((?P<words>.*)\)", re.S),
        later("Too much on the command line: {words}"),
    ),
    (re.compile(_VALUE, re.S), later("The value of {name} is of no use: {why}.")),
)
_REASONS = (
    (
        re.compile(r"(?:Input should be|.* is not) a valid int.*", re.S),
        later("it must be a whole number"),
    ),
    (
        re.compile(r"Input should be less than or equal to (?P<most>\d+)"),
        later("it can be at most {most}"),
    ),
    (
        re.compile(r"Input should be greater than or equal to (?P<least>\d+)"),
        later("it must be at least {least}"),
    ),
    (
        re.compile(r".* is not in the range (?P<least>\d+)<=x<=(?P<most>\d+)"),
        later("it must be from {least} to {most}"),
    ),
    (
        re.compile(r"(?:Value error, )?'(?P<value>.*?)' is not one of (?P<known>.*)", re.S),
        later("{value!r} is none of {known}"),
    ),
)


def misused(error: Any) -> UsageError:
    """The error to show for what the parser raised; its context says of which command."""
    text = str(error.format_message()).strip()
    near: list[str] = []
    wrong = ""
    for pattern, message in _FORMS:
        if found := pattern.fullmatch(text):
            values = found.groupdict(default="")
            wrong = values.get("name", "")
            near = _near(wrong, values.pop("near", "").replace("'", ""))
            if "why" in values:
                values["why"] = _reason(values["why"].strip().rstrip("."))
            text = say(message, **values)
            break
    hints = [say("Did you mean {name}?", name=say(" or ").join(near))] if near else []
    if wrong.startswith("-") and error.ctx is not None:
        root = error.ctx.find_root().command
        if placed := in_its_place(root, getattr(root, "line", ()), wrong):
            hints = [say("{option} stands after the command: `{line}`.", option=wrong, line=placed)]
    usage = ""
    if error.ctx is None:
        hints.append(say("With --help in its place the command tells how it is used."))
    else:
        usage, command = error.ctx.get_usage(), error.ctx.command_path
        hints.append(say("`{command} --help` tells how it is used.", command=command))
    return UsageError(text, evidence=usage, hint=" ".join(hints))


def _near(wrong: str, offered: str) -> list[str]:
    """Of the parser's guesses those that are no further off than a slip of the fingers."""
    word = wrong.lstrip("-")
    return [
        one
        for one in offered.split(", ")
        if one
        and word
        and (
            one.lstrip("-").startswith(word)
            or SequenceMatcher(None, word, one.lstrip("-")).ratio() >= _ALIKE
        )
    ]


def _reason(why: str) -> str:
    for pattern, message in _REASONS:
        if found := pattern.fullmatch(why):
            return say(message, **found.groupdict())
    return why
