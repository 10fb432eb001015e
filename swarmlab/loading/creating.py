"""Which commands leave something behind on the cluster, so that their step needs a reset.

Read off the words that are typed, where a command can stand: made by Docker (networks, services,
volumes, containers that do not remove themselves, stacks), changed by Docker (scaled, updated,
labelled), or written to a registry over HTTP. What a script of the lab does inside is not seen;
that a reset really undoes its step is proven on a cluster, not here.
"""

from __future__ import annotations

import re

# So many characters behind `docker run` are looked at for `--rm`.
LONGEST = 600

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\n]*", re.MULTILINE)
_ENDS = re.compile(r"[\n;|&]")
# Where a command begins in what is left: at the start or after one of these, assignments first.
# Every repetition is bounded, so that no text takes long.
_START = r"(?:^|[({!]|\b(?:then|do|else|time)(?=[ \t]))[ \t]*(?:\w+=[^\s(){}]*[ \t]+){0,9}"
_WORD = r"[^\s(){}]+"
_COMMAND = re.compile(
    rf"{_START}(?P<program>docker-compose|docker|curl)"
    rf"(?:[ \t]+-{_WORD}(?:[ \t]+(?!-){_WORD})?){{0,9}}(?=[ \t])"
)
_MAKES = re.compile(
    r"[ \t]+(?:(?:network|service|volume|secret|config|container)[ \t]+create"
    r"|stack[ \t]+(?:deploy|up)|service[ \t]+(?:scale|update|rollback)"
    r"|node[ \t]+(?:update|promote|demote))(?![\w-])"
)
_RUNS = re.compile(r"[ \t]+(?:container[ \t]+)?run(?![\w-])")
_REMOVES_ITSELF = re.compile(r"[ \t]--rm(?![\w-])")
_COMPOSE = re.compile(r"[ \t]+compose(?![\w-])")
_UP = re.compile(r"[ \t](up|create)(?![\w.-])")
_WRITES = re.compile(r"[ \t](?:-X[ \t]*|--request[ =])(PUT|POST)\b")


def leaves(run: str) -> str:
    """The first command of `run` that leaves something behind, in few words; or nothing."""
    for part in _ENDS.split(_COMMENT.sub("", run.replace("\\\n", " "))):
        told = _leaves(part)
        if told:
            return told
    return ""


def _leaves(part: str) -> str:
    """The same of one line, or of what stands between two signs that end a command."""
    for found in _COMMAND.finditer(part):
        program, at = found["program"], found.end()
        # The options of these two take values, so that what counts may be anywhere behind.
        if program == "curl":
            written = _WRITES.search(part, found.end("program"))
            return f"curl -X {written[1]}" if written else ""
        if program == "docker-compose" or _COMPOSE.match(part, at):
            up = _UP.search(part, found.end("program"))
            name = program if program == "docker-compose" else "docker compose"
            return f"{name} {up[1]}" if up else ""
        made = _MAKES.match(part, at)
        if made:
            return " ".join(["docker", *made[0].split()])
        if _RUNS.match(part, at) and not _REMOVES_ITSELF.search(part, at, at + LONGEST):
            return "docker run"
    return ""
