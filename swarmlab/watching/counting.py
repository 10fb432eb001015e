"""HAProxy's own counters: how often each instance answered what, and what is new since a while."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_NO_ROUTE = "5xx"
WINDOW = 10.0
"""Seconds of answers that count as the last ones."""


@dataclass(frozen=True, order=True)
class Answered:
    """How often a proxy answered so since its HAProxy began (or last read its configuration).

    `service` is empty for requests that no route led anywhere; `status` is `2xx` and its like.
    """

    service: str
    status: str
    count: int = 0


def answered(page: str) -> tuple[Answered, ...] | None:
    """The counters on HAProxy's statistics page (as CSV), zeros left out; None: no such page.

    Whatever answers in a proxy's place may say what it likes.
    """
    try:
        return _counted(list(csv.DictReader(page.lstrip("# ").splitlines())))
    except (csv.Error, LookupError, TypeError, ValueError):
        return None


def _counted(rows: list[dict[str, str]]) -> tuple[Answered, ...] | None:
    if not rows or "pxname" not in rows[0]:
        return None
    fronts: Counter[str] = Counter()
    backs: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for status in _CLASSES:
            count = int(row.get(f"hrsp_{status}") or 0)
            if row["svname"] == "BACKEND":
                backs[_service(row["pxname"]), status] += count
            elif row["svname"] == "FRONTEND":
                fronts[status] += count
    for (_, status), count in backs.items():
        fronts[status] -= count
    found = [Answered(service, status, count) for (service, status), count in backs.items()]
    # What a frontend answered itself for want of a route: a 503. (Its other answers are pages
    # of its own, this one too, and refusals of what is no HTTP: health checks, say.)
    found.append(Answered("", _NO_ROUTE, fronts[_NO_ROUTE]))
    return tuple(sorted(one for one in found if one.count > 0))


def _service(backend: str) -> str:
    """The service that a backend is for: `go-demo` for `go-demo-be8080`."""
    return re.sub(r"-be\d*$", "", backend)


@dataclass(frozen=True)
class Rise:
    """New answers of one instance between two looks."""

    instance: str
    service: str
    status: str
    count: int


class Traffic:
    """What came in during the last seconds, from counters that are looked at again and again."""

    def __init__(self) -> None:
        self._before: dict[str, dict[tuple[str, str], int]] = {}
        self._rises: deque[tuple[float, Rise]] = deque()

    def note(
        self, now: float, counters: Iterable[tuple[str, str, tuple[Answered, ...]]]
    ) -> list[Rise]:
        """What is new since the last look, from instance, container and counters of each.

        `now` is in seconds of any clock that only goes forward. A container that is seen for the
        first time only begins to be counted. Counters that fell begin anew: HAProxy has read
        another configuration.
        """
        found: list[Rise] = []
        seen: dict[str, dict[tuple[str, str], int]] = {}
        for instance, container, counts in counters:
            after = {(one.service, one.status): one.count for one in counts}
            before = self._before.get(container)
            seen[container] = after
            if before is None:
                continue
            if any(after.get(key, 0) < count for key, count in before.items()):
                before = {}
            for (service, status), count in after.items():
                new = count - before.get((service, status), 0)
                if new > 0:
                    found.append(Rise(instance, service, status, new))
        self._before = seen
        self._rises.extend((now, rise) for rise in found)
        while self._rises and self._rises[0][0] <= now - WINDOW:
            self._rises.popleft()
        return found

    def recent(self) -> dict[str, Counter[tuple[str, str]]]:
        """Answers of the last seconds: for each instance, service and status with their number."""
        found: dict[str, Counter[tuple[str, str]]] = {}
        for _, rise in self._rises:
            found.setdefault(rise.instance, Counter())[rise.service, rise.status] += rise.count
        return found
