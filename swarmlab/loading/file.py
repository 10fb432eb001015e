"""Reads a lab's files, which anybody may have made: bounded, and never waiting for what never ends.

Labs come in bundles and archives from others. A pipe or a device in the place of a file would be
read for ever.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from swarmlab.words import say


def content(path: Path, most: int) -> bytes:
    """The file's first `most` bytes and one more, if there are more: that shows it.

    Raises OSError, also for what is not a regular file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, say("it is not a file"))
    with path.open("rb") as file:
        return file.read(most + 1)


def there(path: Path) -> bool:
    """Whether there is something of that name; no name that no file can have is there."""
    try:
        return path.exists()
    except OSError:
        return False
