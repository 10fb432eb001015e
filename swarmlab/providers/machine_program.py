"""The docker-machine program: run, its lines told while it lasts, ended when it takes too long."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from swarmlab.errors import EnvironmentProblem, TimedOut
from swarmlab.images import command
from swarmlab.images.schedule import Stopped
from swarmlab.process import HIDDEN
from swarmlab.wait import patient
from swarmlab.words import later, say

NAME = "docker-machine"
WHERE = later(
    "Its project is archived: the last binaries are at github.com/docker/machine/releases, those "
    "of GitLab's fork at gitlab.com/gitlab-org/ci-cd/docker-machine. Put one on the PATH under "
    "that name, and beside it the driver that it is to use."
)
SECRET = re.compile(
    r"pass|secret|token|credential|auth(?!-?url|orized)"
    r"|(?:api|private|access|consumer|application|account|service|encryption)-?key(?!-?(?:file|path))",
    re.I,
)
"""Names of driver options whose values are shown and kept nowhere."""

# What comes before the list of all options, and behind it.
_USAGE = "Incorrect Usage."
_WRONG = ("flag provided but not defined", "invalid value", "flag needs an argument")
_HELP = "Usage: docker-machine "
# A name is always given: an option that wants a value has taken it.
_NAMELESS = "no machine name specified"
_FLAGS = "Error setting machine configuration from flags provided"
_CANNOT = "driver does not support"
_LOOK_SECONDS = 0.2
_ASK_SECONDS = 30.0
_LONG = 4  # characters of a secret that is found in no other word by chance


class Program:
    """docker-machine with one store. `hidden` tells secrets that may turn up in what it says."""

    def __init__(self, store: Path, hidden: Callable[[], Sequence[str]] = tuple) -> None:
        self._store = store
        self._hidden = hidden

    def path(self) -> str:
        """Where it is. Raises EnvironmentProblem when it is not on the PATH."""
        found = shutil.which(NAME)
        if found is None:
            raise EnvironmentProblem(
                say("docker-machine is not installed here, or not on the PATH."), hint=say(WHERE)
            )
        return found

    def run(
        self,
        *words: str,
        within: float,
        tell: Callable[[str], None] = lambda line: None,
        check: Callable[[], None] = lambda: None,
    ) -> command.Ended:
        """Run it to its end, `within` seconds at most; each of its lines goes to `tell`.

        `check` raises when the work is called off; the program is then ended with all that it
        started, and that error is raised. Raises TimedOut, EnvironmentProblem.
        """
        stop, over = threading.Event(), threading.Event()
        why: list[BaseException] = []
        begun = time.monotonic()
        last = say("it said nothing")

        listed = False

        def heard(line: str) -> None:
            nonlocal last, listed
            listed = listed or line == _USAGE or line.startswith(_HELP)
            if listed and not _wrong(line):
                return
            last = self.harmless(line)
            tell(last)

        def watch() -> None:
            while not over.wait(_LOOK_SECONDS):
                try:
                    check()
                    if time.monotonic() - begun > within:
                        raise TimedOut(
                            f"`{NAME} {words[0]} {words[-1]}`",
                            within,
                            last,
                            hint=say("Look with `docker-machine ls`, then run the command again."),
                        )
                except BaseException as error:
                    why.append(error)
                    stop.set()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            ended = command.run(
                [self.path(), *words], tell=heard, stop=stop, env=self._env(), own_group=True
            )
        except Stopped:
            raise why[0] from None
        finally:
            over.set()
        shown = tuple(self.harmless(line) for line in ended.tail)
        return command.Ended(ended.code, shown, ended.raw)

    def state(self, node: str) -> str:
        """Its word for the machine's state; empty for none, and when it cannot be asked."""
        try:
            ended = self.run("status", node, within=patient(_ASK_SECONDS))
        except EnvironmentProblem:
            return ""
        return answer(ended) if ended.code == 0 else ""

    def address(self, node: str) -> str:
        """The machine's address. Raises EnvironmentProblem when it knows none."""
        ended = self.run("ip", node, within=patient(_ASK_SECONDS))
        if ended.code != 0 or not answer(ended):
            words = say("docker-machine does not know the address of {node}.", node=node)
            raise failed(words, ended)
        return answer(ended)

    def harmless(self, text: str) -> str:
        """The text without any of the hidden secrets."""
        # The longest first: one may be the beginning of another.
        for value in sorted({one for one in self._hidden() if one}, key=len, reverse=True):
            found = re.escape(value)
            # Of a short one too much would be hidden: each 1 in each address.
            found = found if len(value) >= _LONG else rf"(?<!\w){found}(?!\w)"
            text = re.sub(found, HIDDEN, text)
        return text

    def _env(self) -> Mapping[str, str]:
        return {
            "MACHINE_STORAGE_PATH": str(self._store),
            # Else it reports each failure, with details of this machine, to its makers.
            "MACHINE_BUGSNAG_API_TOKEN": os.environ.get("MACHINE_BUGSNAG_API_TOKEN", "no-report"),
        }


def last(ended: command.Ended) -> str:
    """The last line that it said, to be shown; empty when it said nothing."""
    return ended.tail[-1] if ended.tail else ""


def answer(ended: command.Ended) -> str:
    """The same as it was said: a secret may look like a part of it."""
    return ended.raw[-1] if ended.raw else ""


def wrong_option(ended: command.Ended) -> bool:
    """Whether it knows an option not, or not with that value: then it lists all that it knows."""
    return ended.code != 0 and _wrong(answer(ended))


def nameless(ended: command.Ended) -> bool:
    """Whether an option without a value has taken the machine's name for one."""
    return _NAMELESS in answer(ended).lower()


def wrong_flags(ended: command.Ended) -> bool:
    """Whether the driver will not have its options as they are, or lacks one."""
    return answer(ended).startswith(_FLAGS)


def _wrong(line: str) -> bool:
    return line.startswith(_WRONG) or _NAMELESS in line.lower()


def failed(what: str, ended: command.Ended, hint: str = "") -> EnvironmentProblem:
    """The error for what docker-machine could not do, with its own words."""
    tail = ended.tail[-1:] if wrong_option(ended) else ended.tail
    if _CANNOT in answer(ended):
        hint = say("That driver only takes machines over: do it on the machine itself.")
    return EnvironmentProblem(
        what,
        evidence="\n".join(tail)[-600:] or say("exit code {code}", code=ended.code),
        hint=hint
        or say(
            "What docker-machine or its driver says there is to be put right; then run the command"
            " again."
        ),
    )
