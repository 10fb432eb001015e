"""One image from its folder, through the engine's classic builder."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from docker import DockerClient

from swarmlab.errors import ImageProblem
from swarmlab.images import command, context, internet, recipe, schedule
from swarmlab.images import engine as transport
from swarmlab.images.command import Say
from swarmlab.process import redact
from swarmlab.words import say

_TAIL_LINES = 20
_SILENCE_SECONDS = 600.0

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def build(
    engine: DockerClient,
    folder: Path,
    *,
    name: str,
    target: str,
    args: Mapping[str, str],
    labels: Mapping[str, str],
    tell: Say,
    stop: Event,
) -> None:
    """Build `folder` as `target`; every line of output goes to `tell`.

    Build containers are removed whatever happens. Raises ImageProblem with the last lines of
    the output, and schedule.Stopped when `stop` is set meanwhile.
    """
    params = {
        "t": target,
        "rm": "1",
        "forcerm": "1",
        "version": "1",
        "buildargs": json.dumps({**internet.arguments(), **args}),
        "networkmode": internet.network(),
        "labels": json.dumps(dict(labels)),
    }
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with (
        _prepared(folder, transport.architecture(engine), name, tell, stop) as ready,
        tempfile.TemporaryFile() as tar,
    ):
        context.write_tar(ready, tar)
        tar.seek(0)
        with transport.request(
            engine,
            "POST",
            "/build",
            params=params,
            data=transport.blocks(tar),
            silence=_SILENCE_SECONDS,
        ) as response:
            for message in transport.messages(response):
                if stop.is_set():
                    raise schedule.Stopped(name)
                if error := message.get("error"):
                    raise failure(name, redact(str(error)), tail)
                for line in _lines(message):
                    tail.append(line)
                    tell(line)


def _lines(message: Mapping[str, object]) -> Iterator[str]:
    """The lines of a message, without secrets and the colours that the builder puts on errors."""
    text = str(message.get("stream") or message.get("status") or "")
    for line in _COLOURS.sub("", text).splitlines():
        if line.strip():
            yield redact(line.strip())


def failure(name: str, reason: str, tail: Iterable[str]) -> ImageProblem:
    """The error of a build that failed for `reason`; a full disk is told apart."""
    evidence = "\n".join(tail)
    if "no space left on device" in f"{reason}\n{evidence}".lower():
        return ImageProblem(
            say("Building the image {name} stopped: the Docker engine's disk is full.", name=name),
            hint=say(
                "Free some space (`docker system df` shows who holds it), then run the command "
                "again."
            ),
            evidence=evidence,
        )
    return ImageProblem(
        say("Building the image {name} failed: {reason}", name=name, reason=reason.strip()),
        hint=say(
            "What the build said last shows which of its steps failed; most often it is the "
            "network. Mend that and run the command again: what is built already stays."
        ),
        evidence=evidence,
    )


def tag(engine: DockerClient, image: str, reference: str) -> None:
    """Give an image the name `reference`, NAME:TAG, taking it from another that had it."""
    name, _, version = reference.rpartition(":")
    engine.api.tag(image, name, version, force=True)


def tag_latest(engine: DockerClient, target: str) -> None:
    """Give a finished image the tag `latest` too, for people who look around by hand."""
    tag(engine, target, f"{target.rpartition(':')[0]}:latest")


@contextmanager
def _prepared(folder: Path, architecture: str, name: str, tell: Say, stop: Event) -> Iterator[Path]:
    """The folder itself, or a copy in which its `prepare` hook has run.

    A hook fetches what a build container cannot: pip settings of the machine hold outside of
    containers only. It is a Python program, called as
    `prepare FOLDER ARCHITECTURE` with swarmlab's own Python, which SWARMLAB_PYTHON names too:
    the copy may lie where the machine allows no program to be started (noexec).
    """
    hook = folder / "prepare"
    if not hook.is_file():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=f"swarmlab-{name}-") as scratch:
        copy = Path(scratch) / "context"
        for file in context.files(folder):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / file, copy / file)
        ended = command.run(
            [sys.executable, str(copy / "prepare"), str(copy), architecture],
            tell=tell,
            stop=stop,
            env={"SWARMLAB_PYTHON": sys.executable, **internet.trusted()},
            own_group=True,
        )
        if ended.code != 0:
            reason = say("its prepare hook ended with exit code {code}", code=ended.code)
            raise failure(name, reason, ended.tail)
        yield copy


def labels(keys: recipe.Keys, name: str, source: str) -> dict[str, str]:
    """What an image says about itself: the key of its content and where that came from."""
    return {recipe.LABEL: keys.key(name), recipe.SOURCE: source}
