"""Reads one result from a file that anybody may have written: bounded, checked, or refused.

Nothing of a file is believed but verdicts: titles, weights and sums come from the grader's own lab.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from swarmlab import seal
from swarmlab.digest import digest
from swarmlab.grading import paper
from swarmlab.grading.paper import Paper
from swarmlab.loading.file import content
from swarmlab.model import CheckSpec, Command, Lab, Step
from swarmlab.moments import moment
from swarmlab.results import (
    KIND,
    RESULT_VERSION,
    CheckResult,
    CommandResult,
    RunResult,
    StepResult,
    Verdict,
)
from swarmlab.words import later, say

MOST_BYTES = 4 << 20
"""A result of the whole chapter, outputs included, has a tenth of a MiB."""
MOST_LEVELS = 20
"""Lists and objects within each other: a result has fewer than ten."""
MOST_LETTERS = 100
AHEAD = timedelta(days=1)
"""How far a student's clock may be ahead of the grader's: clocks in wrong time zones are."""

COMMANDS = ("run", "step", "verify")

_CLUSTER = re.compile(r"[a-z0-9]{1,64}")

_SEALS = {
    seal.Broken.MISSING: later("it has no seal, so swarmlab did not write it as it is"),
    seal.Broken.UNKNOWN: later("its seal is of no kind that this swarmlab knows"),
    seal.Broken.CHANGED: later("it was changed after it was written"),
    seal.Broken.OTHER_KEY: later("it is signed with another key than yours"),
    seal.Broken.NOT_SIGNED: later("it is not signed with your key"),
    seal.Broken.NO_KEY: later(
        "it is signed, and there is no key to check that: set SWARMLAB_GRADE_KEY"
    ),
}


class Refused(Exception):
    """The file does not count; the text says why, and shows nothing of what the file holds."""


def read(path: Path, lab: Lab, key: bytes | None, *, called: str) -> Paper:
    """The result in that file. `called` is whose it is where the file does not say.

    With a key it must say so: whoever can name a file could make it anybody's.

    Raises Refused.
    """
    data = _loaded(path)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise Refused(say("it is not a result of swarmlab"))
    if data.get("version") != RESULT_VERSION or isinstance(data["version"], bool):
        raise Refused(
            say(
                "it is not version {version} of results, which this swarmlab reads",
                version=RESULT_VERSION,
            )
        )
    broken = seal.broken(data, key)
    if broken is not None:
        raise Refused(say(_SEALS[broken]))
    _same_lab(data, lab)
    result = _result(data, lab)
    if not result.student:
        if key is not None:
            raise Refused(
                say(
                    "it does not say whose it is, and your key vouches for no file's name: "
                    "made with `--student NAME`, it does"
                )
            )
        if not (name := _name(called)):
            raise Refused(say("its name is no student's, and it says none itself"))
        result = replace(result, student=name)
    return paper.of(lab, result, file=paper.shown(path), signed=key is not None)


def _loaded(path: Path) -> Any:
    try:
        data = content(path, MOST_BYTES)
    except OSError as error:
        raise Refused(
            say("it cannot be read: {why}", why=error.strerror or type(error).__name__)
        ) from None
    if len(data) > MOST_BYTES:
        raise Refused(say("it is larger than {most} MiB", most=MOST_BYTES >> 20))
    try:
        told = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(say("it is not JSON")) from None
    if _deeper(told, MOST_LEVELS):
        raise Refused(say("it is not a result of swarmlab"))
    return told


def _deeper(data: Any, most: int) -> bool:
    """Whether lists and objects stand in each other more than `most` levels deep.

    What can just be read may still be too deep to be written, as for its checksum.
    """
    level = [data]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return any(isinstance(one, dict | list) for one in level)


def _no_number(text: str) -> None:
    raise ValueError(text)


def _same_lab(data: Mapping[str, Any], lab: Lab) -> None:
    if data.get("lab") != lab.id:
        raise Refused(say("it is about another lab than {id}", id=lab.id))
    if data.get("lab_version") != lab.version:
        raise Refused(
            say("it is about another version of the lab than {version}", version=lab.version)
        )
    if data.get("lab_digest") != digest(lab):
        raise Refused(
            say(
                "it is about another content of the lab: made with another "
                "swarmlab, or with changed lab files"
            )
        )


def _result(data: Mapping[str, Any], lab: Lab) -> RunResult:
    """The result, as far as grades need it, with the lab's own weights."""
    cluster, command = _text(data, "cluster"), _text(data, "command")
    if not _CLUSTER.fullmatch(cluster):
        raise Refused(say("it does not say on which cluster it was made"))
    if command not in COMMANDS:
        raise Refused(say("it was made by none of `swarmlab run`, `step` and `verify`"))
    steps = tuple(_step(one, lab) for one in _list(data, "steps", len(lab.steps)))
    if len({step.id for step in steps}) < len(steps):
        raise Refused(say("it has a step twice"))
    result = RunResult(
        lab=lab.id,
        lab_version=lab.version,
        name="",
        command=command,
        cluster=cluster,
        data_plane="",
        started=_time(data),
        seconds=0.0,
        steps=steps,
        student=_name(_text(data, "student")),
    )
    if data.get("verdict") != result.verdict.value or data.get("points") != (
        result.points.to_dict()
    ):
        raise Refused(say("its points or its verdict do not follow from its checks"))
    return result


def _step(data: object, lab: Lab) -> StepResult:
    if not isinstance(data, dict):
        raise Refused(say("it has a step that is none"))
    step = lab.find(_text(data, "id"))
    if step is None or data.get("number") != step.number:
        raise Refused(say("it has a step that the lab does not have"))
    known = {spec.id: spec for spec in step.all_checks}
    checks = tuple(_check(one, known, step) for one in _list(data, "checks", len(known)))
    if len({check.id for check in checks}) < len(checks):
        raise Refused(say("it has a check twice"))
    typed = {command.id: command for command in step.commands}
    commands = tuple(_command(one, typed) for one in _list(data, "commands", len(typed)))
    return StepResult(
        number=step.number,
        id=step.id,
        title=step.title,
        commands=commands,
        checks=checks,
        seconds=0.0,
        done=data.get("done") is True,
    )


def _check(data: object, known: Mapping[str, CheckSpec], step: Step) -> CheckResult:
    if not isinstance(data, dict):
        raise Refused(say("it has a check that is none"))
    spec = known.get(_text(data, "id"))
    if spec is None:
        raise Refused(say("it has a check that the lab does not have"))
    verdict = _verdict(data)
    ended_by = _text(data, "ended_by")
    if ended_by and (verdict is not Verdict.SKIPPED or ended_by != spec.until):
        raise Refused(say("it has a claim that is over before its time"))
    return CheckResult(
        id=spec.id,
        title=spec.title,
        check=spec.check,
        verdict=verdict,
        weight=spec.weight if spec in step.checks else 0.0,
        blocked_by=_text(data, "blocked_by"),
        ended_by=ended_by,
        telling=spec.telling,
    )


def _command(data: object, known: Mapping[str, Command]) -> CommandResult:
    if not isinstance(data, dict) or _text(data, "id") not in known:
        raise Refused(say("it has a command that the lab does not have"))
    command = known[data["id"]]
    return CommandResult(
        command.id, command.run, command.where.value, _verdict(data), None, "", 0.0
    )


def _verdict(data: Mapping[str, Any]) -> Verdict:
    try:
        return Verdict(data.get("verdict"))
    except ValueError:
        raise Refused(say("it has a check or a command without a verdict")) from None


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise Refused(say("its {name!r} is missing or no text", name=name))
    return value


def _list(data: Mapping[str, Any], name: str, most: int) -> Sequence[object]:
    value = data.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise Refused(say("its {name!r} are missing, or more than the lab has", name=name))
    return value


def _name(value: str) -> str:
    name = " ".join(value.split())
    if len(name) > MOST_LETTERS or not name.isprintable():
        raise Refused(say("the student's name in it is no name"))
    return name


def _time(data: Mapping[str, Any]) -> str:
    value = _text(data, "started")
    then = moment(value)
    if then is None:
        raise Refused(say("it does not say when it was made, as swarmlab writes that"))
    if then > datetime.now(UTC) + AHEAD:
        raise Refused(say("it says that it was made more than a day from now"))
    return value
