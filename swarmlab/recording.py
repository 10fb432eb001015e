"""A recorded run of a lab: what each command printed, how long it took, with which versions.

Kept as JSON below the lab's `recordings/`, one file for each image catalog. Times are seconds.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from swarmlab import words
from swarmlab.errors import LabFileError, Problem
from swarmlab.loading.file import content
from swarmlab.model import Command, Lab, Step
from swarmlab.results import RunResult
from swarmlab.varying import normalise
from swarmlab.words import say

RECORDING_VERSION = 1
KIND = "swarmlab-recording"
FOLDER = "recordings"
MOST_BYTES = 16 << 20
"""A recording of the whole chapter has 70 KiB."""


@dataclass(frozen=True)
class RecordedCommand:
    """One command as it was run; `run` is what was typed then."""

    id: str
    run: str
    exit_code: int | None
    output: str
    normalised: str
    seconds: float


@dataclass(frozen=True)
class RecordedCheck:
    """What a check found, and how long it waited for that; `said`: the same in other languages."""

    id: str
    verdict: str
    actual: str
    waited: float
    said: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def seen(self, language: str) -> str:
        """What was found, in that language where the recording has it."""
        return self.said.get(language, self.actual)


@dataclass(frozen=True)
class RecordedStep:
    """One step: `seconds` for its commands and checks together, without reading."""

    id: str
    seconds: float
    commands: tuple[RecordedCommand, ...]
    checks: tuple[RecordedCheck, ...]

    def command(self, command: Command) -> RecordedCommand | None:
        """The recording of that command; None when it was typed otherwise, or not at all."""
        for one in self.commands:
            if one.id == command.id and one.run == command.run:
                return one
        return None


@dataclass(frozen=True)
class Recording:
    """A whole recorded run. `recorded` is UTC in ISO 8601; `versions` names what ran."""

    lab: str
    lab_version: str
    catalog: str
    recorded: str
    data_plane: str
    seconds: float
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    steps: tuple[RecordedStep, ...] = ()

    def step(self, step: Step) -> RecordedStep | None:
        """The recording of that step."""
        return next((one for one in self.steps if one.id == step.id), None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": RECORDING_VERSION,
            "kind": KIND,
            "lab": self.lab,
            "lab_version": self.lab_version,
            "catalog": self.catalog,
            "recorded": self.recorded,
            "data_plane": self.data_plane,
            "seconds": round(self.seconds, 3),
            "versions": dict(self.versions),
            "steps": [
                {
                    "id": step.id,
                    "seconds": round(step.seconds, 3),
                    "commands": [
                        {
                            "id": one.id,
                            "run": one.run.splitlines(),
                            "exit_code": one.exit_code,
                            "seconds": round(one.seconds, 3),
                            # As lists of lines, so that a change can be read in a review.
                            "output": one.output.split("\n"),
                            "normalised": one.normalised.split("\n"),
                        }
                        for one in step.commands
                    ],
                    "checks": [
                        {
                            "id": one.id,
                            "verdict": one.verdict,
                            "actual": one.actual,
                            "waited": round(one.waited, 3),
                            "said": dict(one.said),
                        }
                        for one in step.checks
                    ],
                }
                for step in self.steps
            ],
        }


def of_result(
    result: RunResult, *, catalog: str, versions: Mapping[str, str], language: str = words.MAIN
) -> Recording:
    """The recording of a run that ended a moment ago, during which `language` was spoken."""
    return Recording(
        lab=result.lab,
        lab_version=result.lab_version,
        catalog=catalog,
        recorded=result.started,
        data_plane=result.data_plane,
        seconds=result.seconds,
        versions=MappingProxyType(dict(versions)),
        steps=tuple(
            RecordedStep(
                id=step.id,
                seconds=step.seconds,
                commands=tuple(
                    RecordedCommand(
                        one.id, one.run, one.exit_code, output, normalise(output), one.seconds
                    )
                    for one in step.commands
                    # `swarmlab down` answers in the language that is spoken.
                    for output in (words.english(one.output),)
                ),
                checks=tuple(
                    RecordedCheck(
                        one.id,
                        one.verdict.value,
                        words.english(one.actual),
                        one.waited,
                        MappingProxyType({} if language == words.MAIN else {language: one.actual}),
                    )
                    for one in step.checks
                ),
            )
            for step in result.steps
        ),
    )


def file(lab: Lab, catalog: str) -> Path:
    """Where the recording of the lab with that catalog's images is kept."""
    return lab.folder / FOLDER / f"{catalog}.json"


def save(recording: Recording, path: Path) -> None:
    """Write the recording, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(recording.to_dict(), indent=1, ensure_ascii=False) + "\n"
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def load(lab: Lab, catalog: str = "local") -> Recording | None:
    """The recording of the lab; None when there is none. Raises LabFileError."""
    path = file(lab, catalog)
    name = path.relative_to(lab.folder).as_posix()
    try:
        raw = json.loads(content(path, MOST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(
            lab, name, say("cannot be read: {why}", why=getattr(error, "strerror", None) or error)
        ) from error
    try:
        return _of_dict(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = say(
            "this is no recording that this swarmlab reads ({why}); `swarmlab record` makes one",
            why=repr(error),
        )
        raise _unusable(lab, name, why) from error


def _unusable(lab: Lab, name: str, why: str) -> LabFileError:
    return LabFileError(str(lab.folder), [Problem(name, 0, 0, why)])


def _of_dict(raw: Mapping[str, Any]) -> Recording:
    if raw["kind"] != KIND or raw["version"] != RECORDING_VERSION:
        raise ValueError(f"kind {raw['kind']!r}, version {raw['version']!r}")
    return Recording(
        lab=raw["lab"],
        lab_version=raw["lab_version"],
        catalog=raw["catalog"],
        recorded=raw["recorded"],
        data_plane=raw["data_plane"],
        seconds=float(raw["seconds"]),
        versions=MappingProxyType({str(k): str(v) for k, v in raw["versions"].items()}),
        steps=tuple(
            RecordedStep(
                id=step["id"],
                seconds=float(step["seconds"]),
                commands=tuple(
                    RecordedCommand(
                        one["id"],
                        "\n".join(one["run"]),
                        one["exit_code"],
                        "\n".join(one["output"]),
                        "\n".join(one["normalised"]),
                        float(one["seconds"]),
                    )
                    for one in step["commands"]
                ),
                checks=tuple(
                    RecordedCheck(
                        one["id"],
                        one["verdict"],
                        one["actual"],
                        float(one["waited"]),
                        MappingProxyType({str(k): str(v) for k, v in one.get("said", {}).items()}),
                    )
                    for one in step["checks"]
                ),
            )
            for step in raw["steps"]
        ),
    )


def stale(recording: Recording, lab: Lab) -> tuple[str, ...]:
    """The commands of the lab that the recording does not know as they are: `9.hello`."""
    found = []
    for step in lab.steps:
        recorded = recording.step(step)
        for command in step.commands:
            if recorded is None or recorded.command(command) is None:
                found.append(f"{step.number}.{command.id}")
    return tuple(found)


def differences(recorded: Recording, fresh: Recording) -> str:
    """Where a fresh run printed other words, as a diff for each command; empty: nowhere."""
    before = {(s.id, c.id): c for s in recorded.steps for c in s.commands}
    after = {(s.id, c.id): c for s in fresh.steps for c in s.commands}
    told: list[str] = []
    for key in dict.fromkeys([*before, *after]):
        name = ".".join(key)
        if key not in after or key not in before:
            told.append(
                say("{command}: only in the recording", command=name)
                if key in before
                else say("{command}: only in the fresh run", command=name)
            )
            continue
        # Both are normalised by the rules of today, whatever stands in the file.
        old, new = normalise(before[key].output), normalise(after[key].output)
        if old != new:
            told += difflib.unified_diff(
                old.splitlines(), new.splitlines(), f"recorded {name}", f"fresh {name}", lineterm=""
            )
    return "\n".join(told)
