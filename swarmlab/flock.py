"""A lock that the kernel gives back when its holder dies, however it dies."""

from __future__ import annotations

import sys
from typing import IO

_FAR = 1 << 20
"""Windows locks bytes, also against reading: one far behind whatever is written in the file."""


def take(file: IO[str]) -> bool:
    """Lock an open file without waiting; False when another process holds it."""
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
