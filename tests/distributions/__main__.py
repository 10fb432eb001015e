"""`make test-distributions`: `make lab` on other distributions, as a user who is not root.

    python -m tests.distributions [--only NAME,...] [--to N] [--evidence FILE]

Each is made from its packages once and kept in .cache/distributions; no run changes it. The
engine is this machine's. Exit code 0 when all holds, 1 when something does not, 3 when a
distribution could not be made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from swarmlab import engine
from swarmlab.cluster import lifecycle
from swarmlab.errors import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_PASSED, SwarmlabError
from swarmlab.images import builder
from tests.distributions import trees
from tests.distributions.room import Room, room
from tests.vm.disks import ROOT

LAST = 13
# What `make` ends with when what it ran did not end with 0.
STOPPED = 2


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: whether it went as it must, and what was seen if not."""

    distribution: str
    tried: str
    passed: bool
    seconds: float
    python: str = ""
    seen: str = ""


def say(text: str) -> None:
    """One line, at once even through a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def refusals(inside: Room) -> Iterator[tuple[str, bool, str]]:
    """What is missing is named, with what to type: title, whether it is so, what was said."""
    wanted = "apt-get install python3."  # with its minor version: of the Python at hand
    done = inside.run("make", "engine", venv=False)
    yield "no python3-venv, no root: says what to type", *_refused(done.code, done.output, wanted)
    done = inside.run("make", "engine", environment={"PATH": "/opt/old-python"})
    yield (
        "no Python that is new enough: says so",
        *_refused(done.code, done.output, "swarmlab needs Python 3.11 or newer"),
    )
    done = inside.run("make", "engine", engine=False)
    yield (
        "no engine, no sudo: says whom to ask",
        *_refused(done.code, done.output, "Ask whoever administers this machine"),
    )
    done = inside.run("make", "engine", member=False)
    yield (
        "not in the group docker: says so",
        *_refused(done.code, done.output, "usermod -aG docker"),
    )


def _refused(code: int, output: str, words: str) -> tuple[bool, str]:
    return code == STOPPED and words in output, f"exit code {code}\n{output}"


def whole(inside: Room, name: str, last: int) -> tuple[bool, str]:
    """`make lab`, or less of it when only the first `last` steps are asked for."""
    told = {"SWARMLAB_NAME": name}
    if last >= LAST:
        done = inside.run("make", "lab", environment=told)
        return done.code == 0, done.output
    done = inside.run("make", "engine", environment=told)
    if done.code == 0:
        done = inside.run(".venv/bin/swarmlab", "run", "--to", str(last), environment=told)
    return done.code == 0, done.output


def tried(wanted: trees.Distribution, name: str, last: int) -> Iterator[Finding]:
    """All that is tried on one distribution."""
    with room(trees.tree(wanted, lambda line: say(f"· {line}"))) as inside:
        looks: Iterator[tuple[str, bool, str]] = refusals(inside)
        while True:
            begun = time.monotonic()
            try:
                title, passed, seen = next(looks)
            except StopIteration:
                break
            seconds = round(time.monotonic() - begun, 1)
            yield Finding(wanted.title, title, passed, seconds, "", "" if passed else seen)
        begun = time.monotonic()
        passed, seen = whole(inside, name, last)
        seconds = round(time.monotonic() - begun, 1)
        python = inside.run(".venv/bin/python", "--version").output.strip()
        title = "make lab" if last >= LAST else f"make engine, swarmlab run --to {last}"
        yield Finding(wanted.title, title, passed, seconds, python, "" if passed else seen)


def _images() -> None:
    """Have the images on this machine's engine: building the base takes root."""
    with closing(engine.connect().client) as client:
        builder.ensure(["loaded-node", "workstation"], engine=client)


def _show(found: Finding) -> None:
    say(f"{'✔' if found.passed else '✗'} {found.distribution}: {found.tried} "
        f"({found.seconds:.0f} s{', ' + found.python if found.python else ''})")  # fmt: skip
    for line in found.seen.splitlines()[-30:]:
        say(f"    {line}")


def _record(findings: Sequence[Finding]) -> str:
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    with closing(engine.connect().client) as client:
        version = client.version()
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "engine": version["Version"],
        "kernel": version["KernelVersion"],
        "tried": [{k: v for k, v in asdict(one).items() if v != ""} for one in findings],
    }
    return json.dumps(told, indent=2) + "\n"


def main() -> int:
    """Try what is asked for, show each finding, and keep them if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.distributions", description=__doc__)
    parser.add_argument("--only", default=",".join(trees.ALL), help="names, by commas (all)")
    parser.add_argument("--to", type=int, default=LAST, help=f"the last step ({LAST})")
    parser.add_argument("--evidence", type=Path, help="write what was found to this file")
    args = parser.parse_args()
    unknown = set(args.only.split(",")) - set(trees.ALL)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(trees.ALL)}")
    name = f"distro-{os.getpid()}"
    findings: list[Finding] = []
    try:
        trees.prepare()
        _images()
        for one in args.only.split(","):
            try:
                for found in tried(trees.ALL[one], name, args.to):
                    _show(found)
                    findings.append(found)
            finally:
                lifecycle.down(name)
    except SwarmlabError as error:
        say(str(error))
        return EXIT_ENVIRONMENT
    finally:
        if args.evidence and findings:
            args.evidence.parent.mkdir(parents=True, exist_ok=True)
            args.evidence.write_text(_record(findings), encoding="utf-8")
    return EXIT_PASSED if all(found.passed for found in findings) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
