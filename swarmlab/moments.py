"""Moments as swarmlab writes them into its files, and as it reads them back.

A file can have been changed by anybody, and dates at the ends of the calendar cannot be reckoned
with. So only what swarmlab itself would have written is a moment.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_WRITTEN = re.compile(r"2[0-9]{3}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}\+00:00")


def now() -> str:
    """This moment: UTC to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def moment(text: str) -> datetime | None:
    """The moment of the years 2000 to 2999 that is written so, or None."""
    if not _WRITTEN.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
