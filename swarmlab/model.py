"""What a lab is: frozen, pure values that the loader makes from the lab's files.

Nothing here runs, waits or talks to an engine. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any


class Where(Enum):
    """Where a command is typed: in the workstation, or on the student's own machine."""

    WORKSTATION = "workstation"
    HOST = "host"


@dataclass(frozen=True)
class CheckSpec:
    """One thing that must be true on the live cluster.

    `check` names a function of `swarmlab.checks` and `params` are its arguments. `within` is how
    long the check may take to become true after a command, in seconds; `verify` looks once.
    `until` is the id of a later step whose doing ends this claim (`None`: it holds to the end).
    `needs` are ids of checks of the same step without which this one makes no sense: when one of
    them does not pass, this one is skipped and says why. `before` is a regular expression for
    what the check must see (in English) when the step is still to be done; empty when it holds
    then already. `untouched` says that it holds all the same on a lab where nothing was done yet.
    """

    id: str
    check: str
    title: str
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    hint: str = ""
    within: float = 20.0
    until: str | None = None
    needs: tuple[str, ...] = ()
    weight: float = 1.0
    before: str = ""
    untouched: bool = False

    @property
    def telling(self) -> bool:
        """Whether that it holds tells that something was done: it cannot hold by itself."""
        return bool(self.before) and not self.untouched


@dataclass(frozen=True)
class Command:
    """What the student types, complete, as printed.

    `exit_codes` are the codes that count as done (empty: any). `checks` are looked at right
    after the command and never again: they hold only at this moment. `during` are observers
    that watch from just before the command starts until it and `checks` are over.
    """

    id: str
    run: str
    where: Where = Where.WORKSTATION
    exit_codes: tuple[int, ...] = (0,)
    timeout: float = 120.0
    checks: tuple[CheckSpec, ...] = ()
    during: tuple[CheckSpec, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """A typical wrong move: what is typed, the check that must catch it, and the hint.

    `command` is typed in place of the step's command with the id `instead`, or right after the
    one with the id `after`, the commands before typed as printed; with neither, after the whole
    step. With `go_on` the rest of the step is typed too. `caught_by` is the id of a check of this
    step, or `STEP/CHECK` for a check of an earlier one; `also` are others that fail because of it,
    which show that they can. `seen` is a regular expression, searched
    in what the check saw (in English), that tells this mistake from others which the same check
    catches (empty: whatever it saw).
    """

    id: str
    title: str
    command: Command
    caught_by: str
    hint: str
    instead: str = ""
    after: str = ""
    go_on: bool = False
    seen: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One numbered step of a lab.

    `checks` hold from the end of the step on (see `CheckSpec.until`); `reset` commands undo the
    step. `reset_covered_by` are ids of earlier steps whose own reset undoes this step as well, so
    that resetting both needs only theirs. `text` maps a language tag (`en`) to Markdown, where a
    line `[command: ID]` marks the place of a command. `question` is one to think about and
    `answer` is the teacher's; both may hold Markdown within a line. `minutes` is what a class
    typically takes for the step, reading and thinking included (0: not known); `demonstrate` is
    what a teacher shows. `nudge` and `pointer` help a student who is stuck: the one turns the
    mind the right way, the other names what to use; the solution is the commands.
    """

    number: int
    id: str
    title: str
    section: str
    commands: tuple[Command, ...]
    checks: tuple[CheckSpec, ...]
    reset: tuple[Command, ...] = ()
    reset_covered_by: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    text: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    question: str = ""
    answer: str = ""
    minutes: float = 0.0
    demonstrate: str = ""
    nudge: str = ""
    pointer: str = ""

    @property
    def removes_lab(self) -> bool:
        """Whether the step may take the lab away; only commands of the host can."""
        return any(command.where is Where.HOST for command in self.commands)

    @property
    def all_checks(self) -> tuple[CheckSpec, ...]:
        """The checks and observers of its commands in order, then its own."""
        of_commands = [c for command in self.commands for c in (*command.checks, *command.during)]
        return (*of_commands, *self.checks)

    def catcher(self, mistake: Mistake) -> tuple[str, str]:
        """The ids of the step and of the check that must catch a mistake of this step."""
        return self.place(mistake.caught_by)

    def place(self, name: str) -> tuple[str, str]:
        """The ids of the step and of the check that a mistake of this step calls so."""
        step, _, check = name.rpartition("/")
        return step or self.id, check

    @property
    def worth(self) -> float:
        """Points for all that holds from the end of the step on; what only passes earns none."""
        return sum(check.weight for check in self.checks)


@dataclass(frozen=True)
class Lab:
    """A whole lab: its steps in order, and the folder its files come from.

    `managers` is how many a swarm must have for its steps, at the least. `catalog` names the
    images that its commands and checks speak of; empty: swarmlab's own.
    """

    id: str
    title: str
    version: str
    steps: tuple[Step, ...]
    folder: Path
    managers: int = 1
    catalog: str = ""

    @property
    def files(self) -> Path:
        """The folder whose content lies in the workstation's working directory."""
        return self.folder / "files"

    @property
    def worth(self) -> float:
        """Points for the whole lab."""
        return sum(step.worth for step in self.steps)

    def find(self, name: str | int) -> Step | None:
        """The step with that number or id, or None."""
        wanted = str(name)
        for step in self.steps:
            if wanted in (str(step.number), step.id):
                return step
        return None
