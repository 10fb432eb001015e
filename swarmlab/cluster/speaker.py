"""Who speaks for a lab's swarm: the managers are asked side by side, and anew while they vote.

A manager hands a question on to the leader. Where the leader has just fallen silent, its answer
takes the engine's own 20 seconds and is none; the same question, asked again, is answered as soon
as the others have voted, which they begin to do 10 to 20 seconds after they last heard of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.checks.looking import listed
from swarmlab.checks.tasks import leaderless
from swarmlab.errors import EnvironmentProblem
from swarmlab.inquiry import Inquiry
from swarmlab.progress import Progress
from swarmlab.wait import Observation, poll
from swarmlab.words import say

_APART = 0.5  # seconds until the next one is asked, too
_EVERY = 1.0  # seconds until all are asked anew
_VOTE_SECONDS = 30.0
_NO_QUORUM_SECONDS = 2.0  # where too few managers run for a vote

Swarm = dict[str, Any]


class Speaker:
    """Finds the manager that tells of the swarm.

    `nodes` are asked in that order; `down` has those that do not run, each with why, in words;
    `voting` says whether the managers that run can have a leader. `late` is told who is silent.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        ask: Callable[[str], Swarm],
        *,
        down: Mapping[str, str],
        voting: bool,
        late: Callable[[str], object],
    ) -> None:
        self._nodes = nodes
        self._inquiry = Inquiry(ask)
        self._down = down
        self._voting = voting
        self._late = late
        self.failures: dict[str, Exception] = {}
        """Of each node that was asked in vain, why."""

    @property
    def silent(self) -> list[str]:
        """The nodes that were asked, and still owe the first answer."""
        return [node for node in self._nodes if node in self._inquiry.open]

    def find(self, told: Progress) -> tuple[str, Swarm] | None:
        """The manager and what it tells; None when there is none, for the reason in `failures`.

        Waits for a vote, and says so, as long as one can be expected.
        """
        found = self._round()
        if not found.done and not self._down:
            # All of them run, so they may only be busy: then nothing has to be said.
            found = self._round()
        if found.done:
            return found.value
        with ExitStack() as stack:
            if self._voting:
                told.note(self._amiss())
                stack.enter_context(told.stage(say("Waiting for the managers to choose a leader")))
            within = _VOTE_SECONDS if self._voting else _NO_QUORUM_SECONDS
            return poll(self._round, within=within, every=_EVERY).last.value

    def _round(self) -> Observation[tuple[str, Swarm]]:
        """Ask all of them once more, beside what is open; over when one tells or none ever will."""
        for node in self._nodes:
            self._inquiry.put(node)
            told = self._inquiry.answer(_APART)
            if told is None:
                for one in self.silent:
                    self._late(one)
                continue
            who, answer = told
            try:
                swarm = answer.result()
            except (DockerException, RequestException, EnvironmentProblem) as error:
                self.failures[who] = error
                continue
            return Observation(True, who, (who, swarm))
        return Observation(not self._hopeful(), say("no manager has a leader"))

    def _hopeful(self) -> bool:
        """Whether somebody may yet tell: one who is silent, or one who misses a leader."""
        if self._inquiry.open:
            return True
        refused = (error for error in self.failures.values() if isinstance(error, APIError))
        return self._voting and any(map(leaderless, refused))

    def _amiss(self) -> str:
        """What is wrong, as far as it is known, and what to do."""
        if self._down:
            troubles = [
                say("{node} does not run: {detail}", node=node, detail=detail)
                for node, detail in self._down.items()
            ]
            return say(
                "{troubles}; `swarmlab up` mends the lab.", troubles=say("; ").join(troubles)
            )
        return say(
            "{nodes} do not tell of the swarm yet; `swarmlab status` shows how they are.",
            nodes=listed(self._nodes),
        )
