"""Work side by side: a handful of threads whose failure or interruption ends them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Stopped(Exception):
    """This piece of work was called off because another one failed or the user interrupted."""


class Crew:
    """A pool of threads for one stage of work.

    Leaving the block waits for all work. When the block ends with an error, work that has not
    begun is dropped, and work that is waiting ends at its next call of `check`.
    """

    def __init__(self, size: int = 16) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="crew")
        self._stopped = Event()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=error is not None)

    def go(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a piece of work in a thread of its own."""
        return self._pool.submit(work, *args, **kwargs)

    def check(self) -> None:
        """Raises Stopped when the work is called off."""
        if self._stopped.is_set():
            raise Stopped

    def all(self, futures: Iterable[Future[T]]) -> list[T]:
        """The results in order, once all are there; the first failure calls the rest off.

        Raises that failure, and not the Stopped of those that were called off for it.
        """
        pending = list(futures)
        done, _ = wait(pending, return_when=FIRST_EXCEPTION)
        for future in done:
            error = future.exception()
            if error is not None and not isinstance(error, Stopped):
                self._stopped.set()
                raise error
        return [future.result() for future in pending]


def each(work: Callable[[str], T], items: Iterable[str], *, size: int = 16) -> list[T]:
    """`work` on every item side by side; the results in order. Raises the first failure."""
    with Crew(size) as crew:
        return crew.all([crew.go(work, item) for item in items])
