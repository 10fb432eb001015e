"""Which hints a failed check gives: those of the typical mistakes that would look just so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from swarmlab import words
from swarmlab.model import Mistake, Step
from swarmlab.results import CheckResult, Verdict

MOST = 3
"""So many hints a student can weigh up, and they still fit beside the evidence."""


class Advice:
    """The typical mistakes of a lab's steps, by the check that catches them."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        all_steps = tuple(steps)
        numbers = {step.id: step.number for step in all_steps}
        self._by_check: dict[tuple[int, str], list[tuple[str, Mistake]]] = {}
        for step in all_steps:
            for mistake in step.mistakes:
                name, check = step.catcher(mistake)
                caught = self._by_check.setdefault((numbers[name], check), [])
                caught.append((f"{step.id}/{mistake.id}", mistake))

    def given(self, number: int, result: CheckResult) -> CheckResult:
        """The result of a check of step `number`, with the hints of matching mistakes if any."""
        if result.verdict is not Verdict.FAILED:
            return result
        # Mistakes are described once, in English, whatever the student reads.
        seen = words.english(result.actual)
        matching = [
            (name, mistake)
            for name, mistake in self._by_check.get((number, result.id), ())
            if re.search(mistake.seen, seen)
        ]
        matching.sort(key=lambda one: not one[1].seen)
        hints = list(dict.fromkeys(mistake.hint for _, mistake in matching))[:MOST]
        if not hints:
            return result
        mark = "• " if len(hints) > 1 else ""
        return replace(
            result,
            hint="\n".join(mark + hint for hint in hints),
            mistakes=tuple(name for name, mistake in matching if mistake.hint in hints),
        )
