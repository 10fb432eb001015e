"""Random moves of a student on a real lab, and a simple model of what must hold after each.

The model: `done` is how many steps are done, always the first ones. `broken` is a done step that
was undone by hand. `loose` is a step of which something was typed by hand that is on no record,
until that step is run or reset. Whatever was done before, `step`, `goto` and `run` end with exactly
the steps done that they promise, all of them proven; and whatever way led there, a cluster with so
many steps done, nothing broken and nothing loose looks as it did the first time.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from swarmlab.authoring import snapshot
from swarmlab.authoring.snapshot import Snapshot
from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.cluster import lifecycle
from swarmlab.inspection import Inspector, claims
from swarmlab.listener import SilentListener
from swarmlab.loader import load_builtin
from swarmlab.model import CheckSpec, Step
from swarmlab.results import Verdict
from swarmlab.session import Session

LAB = load_builtin("service-discovery")
LAST = 13
"""The step after this one takes the lab away."""

UNDOABLE = (3, 7, 10)
"""Steps whose reset leaves alone what the steps before them claim."""

UNCHANGING = tuple(
    step.number for step in LAB.steps if not any(check.before for check in step.checks)
)
"""Steps that leave nothing behind: their checks hold before them, too."""

UNTOUCHED = tuple(
    step.number for step in LAB.steps if not any(check.telling for check in step.checks)
)
"""Steps whose checks hold where nothing was done yet: they only say that nothing is left."""

CHANGED_SECONDS = 180.0
"""So long a cluster may take to look again as it did: tasks end, networks go."""

ONCE_MORE = "Something typed by hand may be in its way"


class Lab:
    """One lab, used as a student does: by commands, and by hand in the workstation."""

    def __init__(self, name: str) -> None:
        self.name = name

    def swarmlab(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "swarmlab", *words, "--name", self.name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def result(self, *words: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, result, and what was said meanwhile."""
        run = self.swarmlab(*words, "--json")
        assert run.stdout, run.stderr
        return run.returncode, json.loads(run.stdout), run.stderr

    def done(self) -> list[int]:
        run = self.swarmlab("steps", "--json")
        return [step["number"] for step in json.loads(run.stdout)["steps"] if step["done"]]

    def typed(self, number: int, commands: int | None = None) -> None:
        """Type the first commands of a step (default: all), waiting for what each brings."""
        step = _step(number)
        chosen = step.commands[:commands]
        with lifecycle.up(self.name) as cluster, Session(cluster.workstation) as shell:
            for command in chosen:
                outcome = shell.run(command.run, timeout=command.timeout)
                assert outcome.exit_code is not None, (command.id, outcome.output)
                self._awaited(cluster, number, command.checks)
            if len(chosen) == len(step.commands):
                self._awaited(cluster, number, step.checks)

    def undone(self, number: int) -> None:
        """Undo a step by hand."""
        with lifecycle.up(self.name) as cluster, Session(cluster.workstation) as shell:
            for command in _step(number).reset:
                assert shell.run(command.run, timeout=command.timeout).exit_code == 0

    def _awaited(self, cluster: Any, number: int, checks: tuple[CheckSpec, ...]) -> None:
        looking = Inspector(CHECKS, OBSERVERS, SilentListener())
        found = looking.inspect(cluster, claims(number, checks), once=False)
        wrong = [one for one in found.values() if one.verdict is not Verdict.PASSED]
        assert not wrong, wrong


class Walk:
    """One sequence of moves; `told` is what was done, for whoever must repeat it."""

    def __init__(self, lab: Lab, seed: int, *, top: int) -> None:
        """`top` is the last step that moves go to."""
        self._lab = lab
        self._random = random.Random(seed)
        self._top = top
        self.done = 0
        self.broken = 0
        self.loose = 0
        self.told: list[str] = []
        # What the cluster looked like, by the number of steps done.
        self._pictures: dict[int, Snapshot] = {}

    def begin(self) -> None:
        """A fresh lab, somewhere in the chapter."""
        lifecycle.down(self._lab.name)
        lifecycle.up(self._lab.name).close()
        there = self._random.randint(0, self._top - 1)
        if there:
            self._told(f"run --to {there}", lambda: self._run_on(there))

    def moves(self, count: int) -> None:
        for _ in range(count):
            name, move = self._choice()
            self._told(name, move)

    def _told(self, name: str, move: Callable[[], None]) -> None:
        begun = time.monotonic()
        self.told.append(name)
        move()
        self.told[-1] += f" ({time.monotonic() - begun:.0f} s)"
        assert self._lab.done() == list(range(1, self.done + 1))
        if not self.broken and not self.loose:
            self._looks_as_ever()

    def _looks_as_ever(self) -> None:
        with lifecycle.up(self._lab.name) as cluster:
            before = self._pictures.get(self.done)
            if before is None:
                self._pictures[self.done] = snapshot.calm(snapshot.take, cluster)
                return
            changed = snapshot.restored(snapshot.take, cluster, before, CHANGED_SECONDS)
            assert not changed, changed

    def _choice(self) -> tuple[str, Callable[[], None]]:
        near = [n for n in range(self.done - 1, self.done + 3) if 1 <= n <= self._top]
        number, other = self._random.choice(near), self._random.choice(near)
        first, last = min(number, other), max(number, other)
        following = self.done + 1
        moves: list[tuple[str, Callable[[], None]]] = [
            (f"step {number}", lambda: self._step(number)),
            (f"step {number} twice", lambda: self._twice(number)),
            (f"goto {number}", lambda: self._goto(number)),
            (f"reset {number}", lambda: self._reset(number)),
            (f"run --from {first} --to {last}", lambda: self._run_from(first, last)),
            (f"run --to {number}", lambda: self._run_on(number)),
            (f"verify {number}", lambda: self._verify(number)),
            ("verify", self._verify_all),
        ]
        if following <= self._top and not self.broken and not self.loose:
            moves.append((f"{following} by hand", lambda: self._by_hand(following)))
            moves.append((f"half of {following} by hand", lambda: self._half(following)))
        undoable = [n for n in UNDOABLE if n <= self.done]
        if undoable and not self.broken:
            wrong = self._random.choice(undoable)
            moves.append((f"undo {wrong} by hand", lambda: self._undo(wrong)))
        return self._random.choice(moves)

    # swarmlab's own moves.

    def _proven(self, words: list[str], start: int, last: int) -> dict[str, Any]:
        """The command ends with the steps up to `last` done and proven; it ran from `start`."""
        code, result, said = self._lab.result(*words)
        assert code == 0, (words, said, _wrong(result))
        assert result["verdict"] == "passed"
        numbers = [step["number"] for step in result["steps"] if step["commands"]]
        if not self.loose:
            assert ONCE_MORE not in said, said
            assert numbers == list(range(start, last + 1)), (numbers, start, last)
        if self.broken >= (start if numbers else last + 1):
            self.broken = 0
        if self.loose in numbers:
            self.loose = 0
        self.done = last
        return result

    def _start(self, number: int) -> int:
        """Where a command that must reach `number` begins to run steps."""
        missing = min(number, self.done + 1)
        return min(missing, self.broken) if self.broken else missing

    def _step(self, number: int) -> None:
        self._proven(["step", str(number)], self._start(number), number)

    def _twice(self, number: int) -> None:
        self._step(number)
        self._step(number)

    def _goto(self, number: int) -> None:
        self._proven(["goto", str(number)], self._start(number), number - 1)
        if self.broken >= number:
            self.broken = 0

    def _run_from(self, first: int, last: int) -> None:
        words = ["run", "--from", str(first), "--to", str(last)]
        self._proven(words, self._start(first), last)

    def _run_on(self, last: int) -> None:
        missing = self.done + 1
        again = self.broken if 0 < self.broken <= last else 0
        start = again or missing
        # What still holds is only looked at, and steps after `last` stay as they are.
        stays = self.done > last and not again and not self.loose
        before, broken = self.done, self.broken
        if stays:
            code, result, said = self._lab.result("run", "--to", str(last))
            assert code == 0, (said, _wrong(result))
            assert not any(step["commands"] for step in result["steps"])
            self.done, self.broken = before, broken
            return
        if self.loose:
            # What was typed by hand may have ended what some step claims: then that is done again.
            code, result, said = self._lab.result("run", "--to", str(last))
            assert code == 0, (said, _wrong(result))
            ran = any(step["commands"] for step in result["steps"])
            self.done = last if ran else max(before, last)
            self.broken = 0 if ran or broken <= last else broken
            if ran and self.loose <= last:
                self.loose = 0
            return
        self._proven(["run", "--to", str(last)], start, last)

    def _reset(self, number: int) -> None:
        code, result, said = self._lab.result("reset", str(number))
        assert (code, result["steps"]) == (0, []), said
        self.done = min(self.done, number - 1)
        self.broken = self.broken if self.broken < number else 0
        if self.done < self.loose <= number:
            self.loose = 0

    def _verify(self, number: int) -> None:
        code, result, said = self._lab.result("verify", str(number))
        (seen,) = result["steps"]
        holds = seen["verdict"] in ("passed", "skipped")
        assert code == (0 if holds else 1), said
        if number <= self.done and not self.loose:
            assert holds == (number != self.broken), _wrong(result)
        elif number > self.done and not self.loose:
            holding = UNCHANGING if self.done else UNTOUCHED
            assert seen["verdict"] != "passed" or number in holding, number
        if seen["verdict"] == "passed" and number == self.done + 1:
            assert "is now recorded as done" in said
            self.done = number
            self.loose = 0 if self.loose == number else self.loose

    def _verify_all(self) -> None:
        code, result, said = self._lab.result("verify")
        assert [step["number"] for step in result["steps"]] == list(range(1, self.done + 1))
        if self.loose:
            assert code in (0, 1), said
        else:
            assert code == (1 if self.broken else 0), (said, _wrong(result))

    # By hand.

    def _by_hand(self, number: int) -> None:
        self._lab.typed(number)
        assert self._lab.done() == list(range(1, self.done + 1)), "nobody was told yet"
        code, result, said = self._lab.result("verify", str(number))
        assert code == 0, (said, _wrong(result))
        assert "is now recorded as done" in said
        self.done = number

    def _half(self, number: int) -> None:
        self._lab.typed(number, self._random.randint(1, len(_step(number).commands)))
        self.loose = self.done + 1

    def _undo(self, number: int) -> None:
        self._lab.undone(number)
        self.broken = number
        code, result, said = self._lab.result("verify", str(number))
        assert code == 1, (said, result)


def _step(number: int) -> Step:
    return next(step for step in LAB.steps if step.number == number)


def _wrong(result: dict[str, Any]) -> list[str]:
    """What did not pass, in a line each."""
    return [
        f"step {step['number']} {part['id']}: {part.get('actual', '')} {part['reason']}"
        for step in result["steps"]
        for part in [*step["commands"], *step["checks"]]
        if part["verdict"] in ("failed", "errored")
    ]
