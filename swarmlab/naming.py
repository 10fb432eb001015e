"""Which lab the running command is about, so that every command it advises names that lab.

A hint is written where the trouble is known, far from the command line: "`swarmlab up` mends the
lab". Typed as it stands it would go to the lab `default`. So whoever shows words to a student
passes them through `named`.
"""

from __future__ import annotations

import re

DEFAULT = "default"

# Commands that take --name; the others (doctor, images, handout ...) are about no lab.
_COMMANDS = (
    "up|down|stop|start|status|topology|run|steps|step|goto|reset|verify|env|ip|record"
    "|walk|shell|ssh|logs|fault|support-bundle"
)
_ADVISED = re.compile(rf"`swarmlab ({_COMMANDS})(?![\w-])([^`]*)`")

_current = DEFAULT


def choose(name: str) -> None:
    """Say which lab the command is about; once, when its options are read."""
    global _current
    _current = name


def current() -> str:
    """The lab of the running command."""
    return _current


def option(name: str | None = None) -> str:
    """` --name NAME` for a lab that is not the default one, to end a command with."""
    chosen = _current if name is None else name
    return "" if chosen == DEFAULT else f" --name {chosen}"


def named(text: str) -> str:
    """The text, each advised command (`swarmlab up`, in backquotes) naming the lab."""
    if _current == DEFAULT:
        return text

    def add(found: re.Match[str]) -> str:
        if "--name" in found[2] or "--all" in found[2]:
            return found[0]
        if found[1] == "ssh":
            # What follows the node is the command that runs there.
            return f"`swarmlab ssh{option()}{found[2]}`"
        return f"`swarmlab {found[1]}{found[2]}{option()}`"

    return _ADVISED.sub(add, text)
