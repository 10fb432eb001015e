"""Runs jobs that need each other's results, several at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Set
from graphlib import TopologicalSorter
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside a job to leave it early, after another one failed or Ctrl-C."""


def run(
    jobs: Mapping[str, Callable[[threading.Event], T]],
    needs: Mapping[str, Set[str]],
    *,
    workers: int,
) -> dict[str, T]:
    """Run every job after those it needs, at most `workers` at a time; results by name.

    Of the jobs that may start, the one that most others wait for goes first.

    Each job is given an event that is set when it should stop (by raising `Stopped`). The first
    error of a job is raised once the others were told. The threads are daemons, so an
    interrupted process need not wait for them: its closed connections end their work.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter(
        {name: set(needs.get(name, set())) & set(jobs) for name in jobs}
    )
    sorter.prepare()
    stop = threading.Event()
    ended: queue.SimpleQueue[tuple[str, T | None, BaseException | None]] = queue.SimpleQueue()
    results: dict[str, T] = {}
    waiting: list[str] = []
    running: dict[str, threading.Thread] = {}

    def work(name: str) -> None:
        try:
            ended.put((name, jobs[name](stop), None))
        except BaseException as error:
            ended.put((name, None, error))

    try:
        while sorter.is_active():
            waiting.extend(sorter.get_ready())
            waiting.sort(
                key=lambda name: sum(name in after for after in needs.values()), reverse=True
            )
            while waiting and len(running) < workers:
                name = waiting.pop(0)
                running[name] = threading.Thread(target=work, args=(name,), daemon=True)
                running[name].start()
            name, result, error = ended.get()
            running.pop(name).join()
            if error is not None:
                raise error
            results[name] = result  # type: ignore[assignment]
            sorter.done(name)
    except BaseException:
        stop.set()
        for thread in running.values():
            thread.join(timeout=2)
        raise
    return results
