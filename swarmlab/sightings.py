"""Since when claims fail: a small file beside a student's progress, kept from command to command.

It only makes the evidence of a failed check say more. So whatever is wrong with the file is
passed over: no command fails because of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from swarmlab.moments import moment, now
from swarmlab.results import CheckResult, Since, Verdict

SIGHTINGS_VERSION = 1
MOST_BYTES = 1 << 20


class Sightings:
    """When each claim on `cluster` was last seen to hold, and from when on it was seen to fail.

    Kept in `folder`, where that is there; without one, for the life of this object only. A look
    that could not see says nothing and changes nothing.
    """

    def __init__(
        self, folder: Path | None = None, cluster: str = "", clock: Callable[[], str] = now
    ) -> None:
        self._path = folder / "sightings.json" if folder is not None else None
        self._cluster = cluster
        self._clock = clock
        self._seen = self._read()

    def noted(self, key: tuple[int, str], result: CheckResult) -> CheckResult:
        """The result, with since when it fails if it does."""
        name = f"{key[0]}/{key[1]}"
        if result.verdict is Verdict.PASSED:
            self._seen[name] = Since("", self._clock())
        elif result.verdict is Verdict.FAILED:
            before = self._seen.get(name, Since(""))
            self._seen[name] = replace(before, failing=before.failing or self._clock())
            return replace(result, since=self._seen[name])
        return result

    def begin(self, number: int) -> None:
        """The step is about to be run anew: how long its claims failed before no longer counts."""
        for name, since in self._seen.items():
            if name.startswith(f"{number}/"):
                self._seen[name] = replace(since, failing="")

    def save(self) -> None:
        """Keep all this for the next command, if the lab is still there."""
        if self._path is None or not self._cluster:
            return
        text = json.dumps(
            {
                "version": SIGHTINGS_VERSION,
                "cluster": self._cluster,
                "claims": {name: since.to_dict() for name, since in sorted(self._seen.items())},
            },
            indent=1,
        )
        # A lab that is gone has no folder any more, and gets none because of this.
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".sightings.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def _read(self) -> dict[str, Since]:
        try:
            data: Any = json.loads(self._text())
            if data["version"] != SIGHTINGS_VERSION or data["cluster"] != self._cluster:
                return {}
            return {
                str(name): Since(_time(one["failing"]), _time(one["held"]))
                for name, one in data["claims"].items()
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return {}

    def _text(self) -> str:
        if self._path is None or not self._cluster:
            return ""
        with self._path.open("rb") as file:
            return file.read(MOST_BYTES).decode()


def _time(value: object) -> str:
    """A time as it was written; raises ValueError or TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(value)
    if value and moment(value) is None:
        raise ValueError(value)
    return value
