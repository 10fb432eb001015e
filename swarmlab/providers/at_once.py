"""Work on several machines side by side, where the failure of one hides that of no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from typing import Generic, TypeVar

from swarmlab.errors import SwarmlabError

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of it: a result for each node that has one, an error for each other."""

    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, SwarmlabError] = field(default_factory=dict)


def each(nodes: Iterable[str], work: Callable[[str], T], stop: Event | None = None) -> Outcome[T]:
    """`work` for every node. Whatever it raises on purpose is collected, in the nodes' order.

    All of it ends before anything else is raised: nothing is left running. `stop` is set when the
    user interrupts, for work that would take long.
    """
    names = list(nodes)
    outcome: Outcome[T] = Outcome()
    if not names:
        return outcome
    with ThreadPoolExecutor(len(names), thread_name_prefix="machines") as pool:
        futures = {name: pool.submit(work, name) for name in names}
        try:
            wait(futures.values())
        except BaseException:
            if stop is not None:
                stop.set()
            raise
    for name, future in futures.items():
        error = future.exception()
        if error is None:
            outcome.done[name] = future.result()
        elif isinstance(error, SwarmlabError):
            outcome.failed[name] = error
        else:
            raise error
    return outcome


def must(nodes: Iterable[str], work: Callable[[str], T], stop: Event | None = None) -> dict[str, T]:
    """The same, raising the first failure once all have ended."""
    outcome = each(nodes, work, stop)
    for error in outcome.failed.values():
        raise error
    return outcome.done
