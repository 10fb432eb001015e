"""The observer that keeps asking while a command runs."""

from __future__ import annotations

import time
from collections import Counter
from threading import Event, Thread

from swarmlab.checks.base import Finding, World
from swarmlab.checks.http import asking, fits
from swarmlab.checks.kinds import Path, Port, Seconds, Some, Status
from swarmlab.checks.looking import counted, listed, shown
from swarmlab.checks.web import Answer, get, vouch
from swarmlab.errors import EnvironmentProblem
from swarmlab.wait import PATIENCE, patient
from swarmlab.words import say

_AFTER = 15.0  # patient seconds that may pass after `finish` until enough requests were made
_BLIND = 5.0  # patient seconds between two requests in which something could have gone by unseen
_KEPT = 50  # wrong answers kept for the evidence; a long command may bring thousands


class Steady:
    """New connections to all nodes in turn until the end; every answer must be right.

    `every` is the pause between two requests in seconds. At least `at_least` requests are made:
    after `finish` the watching goes on until they are, for fifteen patient seconds at most. Fewer,
    of which none was wrong, are an error: nobody did anything wrong, and nothing is proven. What
    was seen tells the longest pause: a count of requests alone would not show that nobody looked
    while it mattered, and a pause of five (patient) seconds is an error, not a pass.
    """

    def __init__(
        self,
        world: World,
        *,
        path: Path,
        status: Status = 200,
        body: str | None = None,
        at_least: Some = 60,
        every: Seconds = 0.05,
        port: Port = 80,
    ) -> None:
        self._world = world
        self._path = path
        self._status = status
        self._body = body
        self._at_least = at_least
        self._every = every
        self._port = port
        self._made = 0
        self._by_node: Counter[str] = Counter()
        self._wrong_count = 0
        self._wrong: list[Answer] = []
        self._started = 0.0
        self._last = 0.0
        self._pause = 0.0
        self._broken: Exception | None = None
        self._begun = Event()
        self._ending = Event()
        self._enough = Event()
        self._given_up = Event()
        self._thread = Thread(target=self._watch, name="http.steady", daemon=True)

    def start(self) -> None:
        """Begin to watch; returns once the first answer (or its absence) was seen."""
        self._started = self._last = time.monotonic()
        self._thread.start()
        self._begun.wait()

    def finish(self) -> Finding:
        """Stop, and say what was seen.

        Raises EnvironmentProblem for a node that was lost, when nothing was asked for long, and
        when too little was asked.
        """
        # Before the rest is caught up on: a thread that slept until now has seen nothing.
        asleep = time.monotonic() - self._last
        self._ending.set()
        self._enough.wait(patient(_AFTER))
        self._given_up.set()
        self._thread.join()
        if self._broken is not None:
            raise self._broken
        vouch(self._world, self._wrong)
        pause = max(self._pause, asleep)
        if pause > max(patient(_BLIND), 2 * self._every):
            raise EnvironmentProblem(
                say(
                    "The watching of {path} was interrupted for {pause:.1f} s, so what happened"
                    " then is not known.",
                    path=self._path,
                    pause=pause,
                ),
                hint=say("This machine is very busy; run the step again when it is not."),
            )
        if self._wrong_count == 0 and self._made < self._at_least:
            raise EnvironmentProblem(
                say(
                    "Only {made} of {at_least} requests for {path} were answered in time, none of"
                    " them wrong, so too little was seen.",
                    made=self._made,
                    at_least=self._at_least,
                    path=self._path,
                ),
                hint=say(
                    "The answers come slowly here; run the step again when this machine is less"
                    " busy, or give it more time: {patience}=3.",
                    patience=PATIENCE,
                ),
                evidence=self._seen(),
            )
        pause_between = f"; sleep {self._every:g}"
        return Finding(
            passed=self._wrong_count == 0,
            expected=self._expected(),
            actual=self._seen(),
            # To be typed in a second window, while the command runs.
            source=asking(self._world, self._port, self._path, self._at_least, pause_between),
        )

    def _watch(self) -> None:
        try:
            while not self._over():
                node = self._world.nodes[self._made % len(self._world.nodes)]
                self._note(get(self._world, node, self._port, self._path))
                self._begun.set()
                if self._made >= self._at_least:
                    self._enough.set()
                # Before the end of the command either event may be what ends this pause.
                (self._given_up if self._ending.is_set() else self._ending).wait(self._every)
        except Exception as error:
            self._broken = error
        finally:
            self._begun.set()
            self._enough.set()

    def _over(self) -> bool:
        return self._given_up.is_set() or (self._ending.is_set() and self._enough.is_set())

    def _note(self, answer: Answer) -> None:
        now = time.monotonic()
        self._pause = max(self._pause, now - self._last)
        self._last = now
        self._made += 1
        self._by_node[answer.node] += 1
        if not fits(answer, self._status, self._body):
            self._wrong_count += 1
            self._wrong = [*self._wrong, answer][:_KEPT]

    def _expected(self) -> str:
        body = f" {shown(self._body)}" if self._body is not None else ""
        return say(
            "{status}{body} for every one of at least {at_least} requests for {path}, over {nodes},"
            " all the while",
            status=self._status,
            body=body,
            at_least=self._at_least,
            path=self._path,
            nodes=listed(self._world.nodes),
        )

    def _seen(self) -> str:
        shares = listed(f"{node} {self._by_node[node]}" for node in self._world.nodes)
        seen = say(
            "{made} ({shares}) in {took:.1f} s, longest pause {pause:.1f} s, {wrong_count} wrong",
            made=counted(self._made, "request"),
            shares=shares,
            took=self._last - self._started,
            pause=self._pause,
            wrong_count=self._wrong_count,
        )
        if self._wrong:
            kinds = Counter(f"{answer.node}: {answer}" for answer in self._wrong)
            seen += say("; ") + say(", ").join(
                f"{count} × {what}" for what, count in kinds.most_common(4)
            )
        return seen
