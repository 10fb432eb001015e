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

_LOOK_SECONDS = 0.2


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

        def heard(line: str) -> None:
            nonlocal last
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
        return command.Ended(ended.code, tuple(self.harmless(line) for line in ended.tail))

    def harmless(self, text: str) -> str:
        """The text without any of the hidden secrets."""
        # The longest first: one may be the beginning of another.
        for value in sorted({one for one in self._hidden() if one}, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text

    def _env(self) -> Mapping[str, str]:
        return {
            "MACHINE_STORAGE_PATH": str(self._store),
            # Else it reports each failure, with details of this machine, to its makers.
            "MACHINE_BUGSNAG_API_TOKEN": os.environ.get("MACHINE_BUGSNAG_API_TOKEN", "no-report"),
        }


def last(ended: command.Ended) -> str:
    """The last line that it said; empty when it said nothing."""
    return ended.tail[-1] if ended.tail else ""


def failed(what: str, ended: command.Ended, hint: str = "") -> EnvironmentProblem:
    """The error for what docker-machine could not do, with its own words."""
    return EnvironmentProblem(
        what,
        evidence="\n".join(ended.tail)[-600:] or say("exit code {code}", code=ended.code),
        hint=hint
        or say(
            "What docker-machine or its driver says there is to be put right; then run the command"
            " again."
        ),
    )
