"""Every error that swarmlab raises on purpose: what happened, why, and what to do next.

One root, so that the command line needs one `except`. An error carries its exit code; nothing
below the command line ends the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130
EXIT_UNHEARD = 141
"""Whoever read the output went away before its end, as shells say it of other programs."""


class Unheard(BrokenPipeError):
    """Whoever read standard output went away (`swarmlab steps | head`); no more is written."""


class SwarmlabError(Exception):
    """Something swarmlab can explain.

    `message` says what happened and why in one or two sentences; `hint` says what to do next;
    `evidence` is what was seen (the end of a log, say), shown below the message and never
    needed to understand it. None of the three may hold a secret.
    """

    exit_code = EXIT_ENVIRONMENT

    def __init__(self, message: str, *, hint: str = "", evidence: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = evidence

    def __str__(self) -> str:
        parts = [self.message]
        if self.evidence:
            parts.append(self.evidence)
        if self.hint:
            parts.append(f"Hint: {self.hint}")
        return "\n".join(parts)


class UsageError(SwarmlabError):
    """The command line asks for something that does not exist: a step, a node, a lab."""

    exit_code = EXIT_USAGE


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a lab file; `line` and `column` count from 1, 0 when unknown."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        where = self.file
        if self.line:
            where += f":{self.line}:{self.column}" if self.column else f":{self.line}"
        return f"{where}: {self.message}"


class LabFileError(SwarmlabError):
    """A lab file that cannot be used; `problems` lists everything wrong in it at once."""

    exit_code = EXIT_USAGE

    def __init__(self, lab: str, problems: Sequence[Problem]) -> None:
        # Not at the top: words raises errors itself.
        from swarmlab.words import say

        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            say("The lab {lab} has a problem.", lab=lab)
            if count == 1
            else say("The lab {lab} has {count} problems.", lab=lab, count=count),
            evidence="\n".join(str(problem) for problem in self.problems),
            hint=say("Mend the lines named above and run the command again."),
        )


class EnvironmentProblem(SwarmlabError):
    """The machine, its engine or its network is not as the lab needs it."""


class EngineUnreachable(EnvironmentProblem):
    """No Docker engine answers, or it does not let this user in."""


class MachineUnknown(EnvironmentProblem):
    """What became of a machine elsewhere cannot be told any more."""


class ClusterProblem(EnvironmentProblem):
    """The lab's cluster is not, or not yet, in the state that was waited for."""


class ImageProblem(EnvironmentProblem):
    """An image could not be built, fetched or loaded."""


class LabBusy(EnvironmentProblem):
    """Another swarmlab command is changing the same lab."""


class LabAbsent(EnvironmentProblem):
    """The command needs a running lab and there is none."""


class TimedOut(EnvironmentProblem):
    """A wait ended without success; `observation` is what was last seen."""

    def __init__(self, what: str, seconds: float, observation: str, *, hint: str = "") -> None:
        # Not at the top: words raises errors itself.
        from swarmlab.words import say

        self.observation = observation
        super().__init__(
            say(
                "Waited {seconds:.0f} s for {what}; last seen: {observation}",
                seconds=seconds,
                what=what,
                observation=observation,
            ),
            hint=hint,
        )
