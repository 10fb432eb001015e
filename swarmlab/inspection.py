"""Looking at checks: side by side, in the order that `needs` asks for, each with its verdict.

A check that says no has FAILED: that is the student's. A check that cannot look has ERRORED:
that is ours or the machine's, and so is one that says no while a node of the lab is lost. The
caller's thread alone speaks with the listener.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from swarmlab.advice import Advice
from swarmlab.checks.base import Check, Finding, Observer, ObserverFactory, World
from swarmlab.checks.lost import RollCall
from swarmlab.errors import SwarmlabError
from swarmlab.listener import Listener
from swarmlab.model import CheckSpec
from swarmlab.process import redact
from swarmlab.results import CheckResult, Verdict
from swarmlab.sightings import Sightings
from swarmlab.unreached import explained
from swarmlab.wait import Observation, poll
from swarmlab.words import later, say

# Looks mostly wait for answers from elsewhere, so there may be more of them than processors.
WORKERS = 16
POLL_SECONDS = 0.1

# These come from a mistake in a check or a lab file: looking again cannot mend them.
_BUGS = (TypeError, AttributeError, NameError, NotImplementedError)  # the last: an unfinished one


class _Stopped(Exception):
    """The run is being interrupted; nobody waits for this check any more."""


@dataclass(frozen=True)
class Claim:
    """One check to look at: `key` is unique among those looked at together.

    `needs` are keys of others that must pass first. `skip` is a reason not to look at all; a
    claim left out for such a reason holds up nobody.
    """

    key: tuple[int, str]
    spec: CheckSpec
    needs: tuple[tuple[int, str], ...] = ()
    skip: str = ""


def claims(
    number: int, specs: Iterable[CheckSpec], skip: Callable[[CheckSpec], str] | None = None
) -> list[Claim]:
    """The checks of step `number` as claims; `skip` gives the reason for leaving one out."""
    return [
        Claim(
            (number, spec.id),
            spec,
            tuple((number, need) for need in spec.needs),
            skip(spec) if skip else "",
        )
        for spec in specs
    ]


@dataclass
class _Look:
    """What one thread saw; `error` is what kept the last look from seeing."""

    finding: Finding | None = None
    error: Exception | None = None
    waited: float = 0.0
    seconds: float = 0.0


@dataclass
class Inspector:
    """Looks at checks, tells `listener` how each goes, and remembers verdicts for `needs`.

    `advice` has the hints for those that fail; `sightings` remember from command to command since
    when a claim fails.
    """

    checks: Mapping[str, Check]
    observers: Mapping[str, ObserverFactory]
    listener: Listener
    advice: Advice = field(default_factory=Advice)
    sightings: Sightings = field(default_factory=Sightings)
    _known: dict[tuple[int, str], Verdict] = field(default_factory=dict)

    def inspect(
        self, world: World, asked: Sequence[Claim], *, once: bool
    ) -> dict[tuple[int, str], CheckResult]:
        """Look at all; `once` looks a single time, otherwise each may take its `within` seconds.

        Results come in the order asked. Raises nothing of the checks' own.
        """
        results: dict[tuple[int, str], CheckResult] = {}
        left = {claim.key: claim for claim in asked}
        running: dict[Future[_Look], Claim] = {}
        news: queue.SimpleQueue[tuple[CheckSpec, str]] = queue.SimpleQueue()
        stop = threading.Event()
        roll = RollCall(world)
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="check")

        def end(claim: Claim, result: CheckResult) -> None:
            result = self.sightings.noted(claim.key, result)
            results[claim.key] = result
            if not claim.skip:
                self._known[claim.key] = result.verdict
            self.listener.check_ended(result)

        try:
            while left or running:
                for claim in list(left.values()):
                    if claim.skip:
                        del left[claim.key]
                        end(claim, skipped(claim.spec, claim.skip))
                        continue
                    if any(need in left for need in claim.needs) or any(
                        need == other.key for need in claim.needs for other in running.values()
                    ):
                        continue
                    del left[claim.key]
                    reason, need = self._blocked(claim)
                    if reason:
                        end(claim, replace(skipped(claim.spec, reason), blocked_by=need))
                    else:
                        future = pool.submit(self._look, world, claim.spec, once, roll, stop, news)
                        running[future] = claim
                if not running:
                    # Nothing runs and nothing became free: skipped ones may have freed others.
                    if not any(self._free(claim, left) for claim in left.values()):
                        for claim in left.values():
                            ring = say("its checks need each other in a ring")
                            end(claim, skipped(claim.spec, ring))
                        left.clear()
                    continue
                ended, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                self._tell(news)
                for future in ended:
                    claim = running.pop(future)
                    result = _judge(claim.spec, future.result())
                    end(claim, self.advice.given(claim.key[0], result))
        finally:
            stop.set()
            pool.shutdown(wait=not running, cancel_futures=True)
            self.sightings.save()
        return {claim.key: results[claim.key] for claim in asked}

    def watch(self, world: World, specs: Sequence[CheckSpec]) -> list[Watch]:
        """Start the observers of a command; `Watch.end` stops them."""
        return [Watch(spec, self.observers.get(spec.check), world) for spec in specs]

    def unwatch(self, number: int, watches: Sequence[Watch]) -> list[CheckResult]:
        """Stop the observers and say what they saw."""
        results = [self.advice.given(number, watch.end()) for watch in watches]
        for result in results:
            self._known[(number, result.id)] = result.verdict
            self.listener.check_ended(result)
        return results

    def _free(self, claim: Claim, left: Mapping[tuple[int, str], Claim]) -> bool:
        return not any(need in left for need in claim.needs)

    def _blocked(self, claim: Claim) -> tuple[str, str]:
        """Why it makes no sense to look, and the id of the check that says so."""
        for need in claim.needs:
            verdict = self._known.get(need)
            if verdict is not None and verdict is not Verdict.PASSED:
                return say(_DID[verdict], id=need[1]), need[1]
        return "", ""

    def _tell(self, news: queue.SimpleQueue[tuple[CheckSpec, str]]) -> None:
        while True:
            try:
                spec, seen = news.get_nowait()
            except queue.Empty:
                return
            self.listener.check_waiting(spec, seen)

    def _look(
        self,
        world: World,
        spec: CheckSpec,
        once: bool,
        roll: RollCall,
        stop: threading.Event,
        news: queue.SimpleQueue[tuple[CheckSpec, str]],
    ) -> _Look:
        check = self.checks.get(spec.check)
        seen = _Look()
        if check is None:
            seen.error = LookupError(
                say("there is no check {name!r}{near}", name=spec.check, near="")
            )
            return seen

        def look() -> Observation[None]:
            if stop.is_set():
                raise _Stopped
            seen.finding, seen.error = None, None
            begun = time.monotonic()
            try:
                seen.finding = check(world, **spec.params)
            except Exception as error:
                seen.error = explained(error, world)
                return Observation(isinstance(error, _BUGS), cause(seen.error))
            finally:
                seen.seconds = time.monotonic() - begun
            return Observation(seen.finding.passed, redact(seen.finding.actual))

        def report(words: str) -> None:
            if seen.error is not None or not (seen.finding and seen.finding.passed):
                news.put((spec, words))

        waited = poll(look, within=0.0 if once else spec.within, report=None if once else report)
        seen.waited = 0.0 if waited.looks == 1 else waited.seconds
        seen.error = seen.error or roll.excuse(spec.check, seen.finding)
        return seen


class Watch:
    """One observer while its command runs. Nothing that goes wrong in it stops the command."""

    def __init__(self, spec: CheckSpec, factory: ObserverFactory | None, world: World) -> None:
        self.spec = spec
        self._world = world
        self._seen = _Look()
        self._observer: Observer | None = None
        self._start = time.monotonic()
        if factory is None:
            self._seen.error = LookupError(
                say("there is no observer {name!r}{near}", name=spec.check, near="")
            )
            return
        try:
            self._observer = factory(world, **spec.params)
            self._observer.start()
        except Exception as error:
            self._seen.error = error
            self._observer = None

    def end(self) -> CheckResult:
        """Stop watching; the verdict."""
        self._stop()
        roll = RollCall(self._world)
        self._seen.error = self._seen.error or roll.excuse(self.spec.check, self._seen.finding)
        return _judge(self.spec, self._seen)

    def drop(self) -> None:
        """Stop watching because of an interruption; what was seen does not count."""
        self._stop()

    def _stop(self) -> None:
        if self._observer is not None:
            try:
                self._seen.finding = self._observer.finish()
            except Exception as error:
                self._seen.error = error
            self._observer = None
        self._seen.seconds = time.monotonic() - self._start


def skipped(spec: CheckSpec, reason: str) -> CheckResult:
    """A check that was not looked at, and why."""
    return CheckResult(
        spec.id,
        spec.title,
        spec.check,
        Verdict.SKIPPED,
        reason=reason,
        weight=spec.weight,
        telling=spec.telling,
    )


def cause(error: BaseException) -> str:
    """What an exception says, in one line, without secrets and at most 300 characters."""
    if isinstance(error, SwarmlabError):
        text = error.message
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line = re.sub(r"\s+", " ", redact(text)).strip()
    return line if len(line) <= 300 else line[:297] + "..."


_DID = {
    Verdict.FAILED: later("needs {id!r}, which failed"),
    Verdict.ERRORED: later("needs {id!r}, which could not be looked at"),
    Verdict.SKIPPED: later("needs {id!r}, which was skipped"),
}


def _judge(spec: CheckSpec, seen: _Look) -> CheckResult:
    verdict, reason, finding = Verdict.ERRORED, "", None if seen.error else seen.finding
    if seen.error is not None:
        reason = cause(seen.error)
    elif finding is None:
        reason = say("nothing was seen")
    else:
        verdict = Verdict.PASSED if finding.passed else Verdict.FAILED
    hint = spec.hint
    if seen.error is not None:
        # What a student did wrong is not the question where nothing could be seen.
        own = seen.error.hint if isinstance(seen.error, SwarmlabError) else ""
        hint = own or say("`swarmlab status` shows the state of the lab.")
    return CheckResult(
        spec.id,
        spec.title,
        spec.check,
        verdict,
        expected=redact(finding.expected) if finding else "",
        actual=redact(finding.actual) if finding else "",
        source=redact(finding.source) if finding else "",
        hint="" if verdict is Verdict.PASSED else hint,
        reason=reason,
        seconds=seen.seconds,
        waited=seen.waited,
        weight=spec.weight,
        telling=spec.telling,
    )
