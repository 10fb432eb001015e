"""Since when a claim fails, in words that say no more than what was looked at."""

from __future__ import annotations

from datetime import UTC, datetime

from swarmlab.moments import moment
from swarmlab.results import Since
from swarmlab.words import say

# Looks this close together are one look to a person, in seconds.
_NOW = 5.0


def words(since: Since, now: datetime | None = None) -> str:
    """`first seen now; last seen to hold at 14:02:11 (3 min ago)`; empty when not known."""
    now = now or datetime.now(UTC)
    failing = moment(since.failing)
    if failing is None:
        return ""
    if (now - failing).total_seconds() < _NOW:
        first = say("first seen now")
    else:
        first = say("so at every look since {time}", time=_told(failing, now))
    held = moment(since.held)
    if held is None:
        return say("{first}; never seen to hold on this cluster", first=first)
    return say("{first}; last seen to hold at {time}", first=first, time=_told(held, now))


def _told(then: datetime, now: datetime) -> str:
    """The time of day here, with the day where it is another one, and how long ago that is."""
    local, here = then.astimezone(), now.astimezone()
    clock = f"{local:%H:%M:%S}" if local.date() == here.date() else f"{local:%Y-%m-%d %H:%M}"
    return say("{clock} ({ago} ago)", clock=clock, ago=_ago((now - then).total_seconds()))


def _ago(seconds: float) -> str:
    if seconds < 100:
        return say("{seconds} s", seconds=max(0, round(seconds)))
    if seconds < 100 * 60:
        return say("{minutes} min", minutes=round(seconds / 60))
    if seconds < 48 * 3600:
        return say("{hours} h", hours=round(seconds / 3600))
    return say("{days} days", days=round(seconds / 86400))
