"""Which lab the running command is about, so that every command it advises names that lab.

A hint is written where the trouble is known, far from the command line: "`swarmlab up` mends the
lab". Typed as it stands it would go to the lab `default`. So whoever shows words to a student
passes them through `named`.
"""

from __future__ import annotations

import re
import shlex

DEFAULT = "default"
CHAPTER = "service-discovery"
"""The lab whose steps are meant when a command names none."""

# Commands that take --name; the others (doctor, images, handout ...) are about no lab.
_COMMANDS = (
    "up|down|stop|start|status|topology|run|steps|step|goto|reset|verify|env|ip|record"
    "|walk|shell|ssh|logs|fault|support-bundle"
)
# And of those, the commands that take --lab.
_OF_STEPS = ("run", "walk", "steps", "step", "goto", "reset", "verify", "record")
_ADVISED = re.compile(rf"`swarmlab ({_COMMANDS})(?![\w-])([^`]*)`")

_current = DEFAULT
_lab = CHAPTER


def choose(name: str) -> None:
    """Say which lab the command is about; once, when its options are read."""
    global _current
    _current = name


def current() -> str:
    """The lab of the running command."""
    return _current


def choose_lab(lab: str) -> None:
    """Say whose steps the command is about: a lab's id or folder."""
    global _lab
    _lab = lab


def options(name: str | None = None) -> str:
    """What ends a command about steps: ` --name NAME`, ` --lab LAB`, each where it is needed."""
    return option(name) + ("" if _lab == CHAPTER else f" --lab {shlex.quote(_lab)}")


def option(name: str | None = None) -> str:
    """` --name NAME` for a lab that is not the default one, to end a command with."""
    chosen = _current if name is None else name
    return "" if chosen == DEFAULT else f" --name {chosen}"


def named(text: str) -> str:
    """The text, each advised command (`swarmlab up`, in backquotes) naming the lab."""
    if _current == DEFAULT and _lab == CHAPTER:
        return text

    def add(found: re.Match[str]) -> str:
        # `down --all` is about every lab; `fault heal --all` about all of one; help about none.
        if (
            "--name" in found[2]
            or "--help" in found[2]
            or (found[1] == "down" and "--all" in found[2])
        ):
            return found[0]
        if found[1] == "ssh":
            # What follows the node is the command that runs there.
            return f"`swarmlab ssh{option()}{found[2]}`"
        ending = options() if found[1] in _OF_STEPS and "--lab" not in found[2] else option()
        return f"`swarmlab {found[1]}{found[2]}{ending}`"

    return _ADVISED.sub(add, text)
