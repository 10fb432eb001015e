"""How far a student is: a small file in the user's state folder, one a lab name.

The cluster itself is never described here (Docker is the state store); only which steps were
done on which cluster. A step is written as begun before the first thing of it is changed and as
done after all its checks passed, so the file is true even when swarmlab is killed in between.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.naming import CHAPTER
from swarmlab.state import lab_folder
from swarmlab.words import say

PROGRESS_VERSION = 1
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StudentProgress:
    """Ids of steps: `done` are proven, `begun` were started (or half undone) and not proven.

    `place` is the step at which a guided tour was left; empty when there was none.
    `lab` is the id of the lab whose steps they are.
    """

    cluster: str = ""
    done: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    place: str = ""
    lab: str = CHAPTER

    @property
    def touched(self) -> frozenset[str]:
        """Steps that may have left something on the cluster."""
        return self.done | self.begun


class ProgressStore:
    """Progress in the steps of `lab` on the cluster `name`.

    Kept in `folder` (default: that cluster's state folder). A cluster is one lab's at a time.
    """

    def __init__(self, name: str, folder: Path | None = None, lab: str = CHAPTER) -> None:
        self._name = name
        self._lab = lab
        self.path = (folder or lab_folder(name)) / "progress.json"

    def load(self, cluster: str) -> StudentProgress:
        """Progress on that cluster; of another cluster than the recorded one: nothing done.

        A place that was recorded while there was no cluster is that of whichever comes next.
        Raises UsageError when steps of another lab have been begun on this very cluster.
        """
        recorded = self._read()
        if recorded.cluster != cluster or not cluster:
            ahead = not recorded.cluster and recorded.lab == self._lab
            place = recorded.place if ahead else ""
            return StudentProgress(cluster, place=place, lab=self._lab)
        if recorded.lab != self._lab and recorded.touched:
            raise UsageError(
                say(
                    "The cluster {name!r} is in use for the lab {other}, not {lab}.",
                    name=self._name,
                    other=recorded.lab,
                    lab=self._lab,
                ),
                hint=say(
                    "Give this lab a cluster of its own with --name, or take the other away with "
                    "`swarmlab down`."
                ),
            )
        return replace(recorded, lab=self._lab)

    @property
    def cluster(self) -> str:
        """The cluster that the record is about, for one that cannot be asked its id; or empty."""
        return self._read().cluster

    def done(self) -> frozenset[str]:
        """Ids of the steps recorded as done, whichever cluster is up."""
        recorded = self._read()
        return recorded.done if recorded.lab == self._lab else NONE

    def done_on(self, cluster: str) -> frozenset[str]:
        """Ids of the steps of this lab that are done on that cluster; raises nothing."""
        recorded = self._read()
        return recorded.done if (recorded.cluster, recorded.lab) == (cluster, self._lab) else NONE

    def begin(self, cluster: str, step: str) -> None:
        """Record, before anything of the step is changed, that it is not done but begun."""
        now = self.load(cluster)
        self._write(replace(now, done=now.done - {step}, begun=now.begun | {step}))

    def finish(self, cluster: str, step: str) -> None:
        """Record that all the step's checks passed."""
        now = self.load(cluster)
        self._write(replace(now, done=now.done | {step}, begun=now.begun - {step}))

    def undo(self, cluster: str, step: str) -> None:
        """Record that nothing of the step is left."""
        now = self.load(cluster)
        self._write(replace(now, done=now.done - {step}, begun=now.begun - {step}))

    def stay(self, cluster: str, step: str) -> None:
        """Record the step at which a guided tour is.

        Without a cluster only where nothing is recorded of one: it may be on another engine.
        """
        if not cluster and self._read().touched:
            return
        now = self.load(cluster)
        if now.place != step:
            self._write(replace(now, place=step))

    def clear(self) -> None:
        """Forget everything; the lab is gone. Raises EnvironmentProblem."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _read(self) -> StudentProgress:
        # A file that cannot be understood says nothing: the student starts anew, which every
        # step allows, instead of being stopped by it.
        try:
            data: Any = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return StudentProgress()
        if not isinstance(data, dict) or data.get("version") != PROGRESS_VERSION:
            return StudentProgress()
        cluster = data.get("cluster")
        if not isinstance(cluster, str):
            return StudentProgress()
        done, begun = _texts(data.get("done")), _texts(data.get("begun"))
        place, lab = data.get("place"), data.get("lab", CHAPTER)
        return StudentProgress(
            cluster,
            done - begun,
            begun,
            place if isinstance(place, str) else "",
            lab if isinstance(lab, str) else "",
        )

    def _write(self, progress: StudentProgress) -> None:
        text = json.dumps(
            {
                "version": PROGRESS_VERSION,
                "cluster": progress.cluster,
                "lab": progress.lab,
                "done": sorted(progress.done),
                "begun": sorted(progress.begun),
                "place": progress.place,
            },
            indent=2,
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> EnvironmentProblem:
        return EnvironmentProblem(
            say(
                "Your progress could not be written to {path}: {why}.",
                path=self.path,
                why=error.strerror or error,
            ),
            hint=say("Make the folder writable, or set XDG_STATE_HOME to one that is."),
        )


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        return frozenset()
    return frozenset(one for one in value if isinstance(one, str))
