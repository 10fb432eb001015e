"""One question to several of whom any may be silent: nobody is waited for long before the next.

Whoever is silent costs a moment instead of the whole time limit of a call. A question that is
still open when its asker has enough ends in its own thread, at its own limit; nobody waits for
it, the end of the program neither.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

from swarmlab.wait import patient

K = TypeVar("K")
T = TypeVar("T")

APART = 1.0
"""Seconds in which an engine that is well has answered; then the next one is asked beside it."""


class Inquiry(Generic[K, T]):
    """A question that is put to one after another; answers come as they come."""

    def __init__(self, question: Callable[[K], T]) -> None:
        self._question = question
        self._answers: queue.SimpleQueue[tuple[K, Future[T]]] = queue.SimpleQueue()
        self.open: list[K] = []
        """Who was asked and has not answered yet; one who was asked twice stands here twice."""

    def put(self, to: K) -> None:
        """Ask one more, beside those that are open."""
        self.open.append(to)
        Thread(target=self._ask, args=(to,), name="inquiry", daemon=True).start()

    def answer(self, within: float | None = None) -> tuple[K, Future[T]] | None:
        """The next answer or failure, and whose it is; None when none came in that many seconds.

        Without `within`: as long as a call may take, which has a limit of its own.
        """
        try:
            who, answer = self._answers.get(timeout=None if within is None else patient(within))
        except queue.Empty:
            return None
        self.open.remove(who)
        return who, answer

    def _ask(self, whom: K) -> None:
        answer: Future[T] = Future()
        try:
            answer.set_result(self._question(whom))
        except BaseException as error:
            answer.set_exception(error)
        self._answers.put((whom, answer))


def in_turn(
    asked: Iterable[K],
    question: Callable[[K], T],
    *,
    apart: float = APART,
    late: Callable[[K], object] = lambda who: None,
) -> Iterator[tuple[K, Future[T]]]:
    """Ask the first; the next when that failed or was silent for `apart` seconds, and so on.

    Answers and failures come as they come, until all have told; `late` is called with everybody
    who let the next one be asked. Who has enough of it stops.
    """
    inquiry = Inquiry(question)
    left = list(asked)
    while left or inquiry.open:
        if left:
            inquiry.put(left.pop(0))
        told = inquiry.answer(apart if left else None)
        if told is not None:
            yield told
            continue
        for who in inquiry.open:
            late(who)
