"""Looks on while a student types a step: its checks become true as the state goes by.

Two threads look, because they must not hold each other up. One follows the moments, the checks
that belong to commands and hold only just after them: in the order of the commands, often, and
each command's together, so that one which was true before does not count. The other looks at the
checks of the step itself, which may take longer. Nothing is changed and nothing is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

from swarmlab.advice import Advice
from swarmlab.checks.base import Check, ObserverFactory, World
from swarmlab.inspection import Inspector, Watch, claims
from swarmlab.listener import SilentListener
from swarmlab.model import CheckSpec, Command, Step
from swarmlab.results import CheckResult, Verdict
from swarmlab.wait import Observation, poll

MOMENT_SECONDS = 0.15
"""Pause between two looks at a moment; a moment may be over within a second."""
STATE_SECONDS = 0.8
"""Pause between two looks at the step's own checks."""
_FOREVER = float("inf")


@dataclass(frozen=True)
class Row:
    """One check as it stands: its last result, or None when it was not looked at yet.

    `moment`: it belongs to a command. `waits`: it will be looked at once the commands before
    that have been typed. `over`: its moment has gone by, and it stays as it was.
    """

    spec: CheckSpec
    result: CheckResult | None = None
    moment: bool = False
    waits: bool = False
    over: bool = False

    @property
    def passed(self) -> bool:
        return self.result is not None and self.result.verdict is Verdict.PASSED


class Onlooker:
    """One step being typed in a live lab; a context manager that looks while it is open."""

    def __init__(
        self,
        step: Step,
        world: World,
        *,
        checks: Mapping[str, Check],
        observers: Mapping[str, ObserverFactory],
        advice: Advice | None = None,
    ) -> None:
        self.step = step
        self._world = world
        self._inspector = Inspector(checks, observers, SilentListener(), advice or Advice())
        self._moments = [c for c in step.commands if c.checks]
        self._at = 0
        self._watches: list[Watch] = []
        self._results: dict[str, CheckResult] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._changed = False
        self._whole = False
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Onlooker:
        # How things stand before anything is typed: without it, a change could come unseen.
        self._state()
        for pause, look in ((MOMENT_SECONDS, self._moment), (STATE_SECONDS, self._state)):
            thread = threading.Thread(
                target=self._go_on, args=(pause, look), name="onlooker", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for watch in self._watches:
            watch.drop()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All checks of the step, in the order in which they become true."""
        with self._guard:
            rows = []
            for place, command in enumerate(self._moments):
                for spec in (*command.checks, *command.during):
                    seen = self._results.get(spec.id)
                    rows.append(Row(spec, seen, True, place > self._at, place < self._at))
            own = [Row(spec, self._results.get(spec.id)) for spec in self.step.checks]
            return (*rows, *own)

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """What was seen last of each check that was looked at."""
        return tuple(row.result for row in self.rows if row.result is not None)

    @property
    def unseen(self) -> tuple[Command, ...]:
        """The commands whose moment was not seen yet."""
        with self._guard:
            return tuple(self._moments[self._at :])

    @property
    def proven(self) -> bool:
        """Whether everything was seen: each moment in its order, then the whole step at once.

        A step of which everything was true before anything was typed proves nothing.
        """
        with self._guard:
            of_moments = [s.id for c in self._moments for s in (*c.checks, *c.during)]
            seen = all(
                one in self._results and self._results[one].verdict is Verdict.PASSED
                for one in of_moments
            )
            return self._changed and self._at == len(self._moments) and seen and self._whole

    def _go_on(self, pause: float, look: Callable[[], None]) -> None:
        def once() -> Observation[None]:
            if not self._stop.is_set():
                look()
            return Observation(self._stop.is_set(), "")

        poll(once, within=_FOREVER, every=pause)

    def _moment(self) -> None:
        if self._at == len(self._moments):
            return
        command = self._moments[self._at]
        number = self.step.number
        if command.during and not self._watches:
            self._watches = self._inspector.watch(self._world, command.during)
        found = self._inspector.inspect(self._world, claims(number, command.checks), once=True)
        over = all(result.verdict is Verdict.PASSED for result in found.values())
        watched = self._inspector.unwatch(number, self._watches) if over else []
        with self._guard:
            for result in (*found.values(), *watched):
                self._results[result.id] = result
            if over:
                self._watches = []
                self._at += 1
                self._changed = True

    def _state(self) -> None:
        with self._guard:
            after_all = self._at == len(self._moments)
        asked = claims(self.step.number, self.step.checks)
        found = self._inspector.inspect(self._world, asked, once=True)
        whole = all(result.verdict is Verdict.PASSED for result in found.values())
        with self._guard:
            for result in found.values():
                self._results[result.id] = result
            self._changed = self._changed or not whole
            self._whole = whole and after_all
