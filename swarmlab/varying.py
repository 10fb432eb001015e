"""What in a command's output differs from run to run: identifiers, addresses, times, places.

`pieces` cuts an output into what stays and what varies, for readers; `normalise` puts a marked
placeholder for each varying piece, so that two runs can be compared word by word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OPEN, CLOSE = "⟨", "⟩"

_DAYS = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_ROW = r"^[a-z0-9]{12} {3,}"

# Kind and pattern, the more special first: what one rule has taken no other looks at. A pattern's
# groups are the pieces that vary; without groups it is the whole match.
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.MULTILINE))
    for kind, pattern in (
        # HTTP's Date header, and the last lines of `drill`.
        ("date", rf"{_DAYS}, \d\d [A-Z][a-z]{{2}} \d{{4}} \d\d:\d\d:\d\d GMT"),
        ("date", rf"{_DAYS} [A-Z][a-z]{{2}} +\d+ \d\d:\d\d:\d\d \d{{4}}"),
        # Docker's ages: `Running 14 seconds ago`, `less than a second ago`.
        ("age", r"(less than a second|about an? (?:minute|hour)|\d+ (?:second|minute|hour)s?) ago"),
        # How the mesh shared sixty requests out; a count that stands alone is exact.
        ("count", r"^ +(\d+) 200\n +(\d+) 503$"),
        # The fingerprint in a join token; identifiers of containers and of the swarm's objects.
        ("fingerprint", r"\b[a-z0-9]{50}\b"),
        ("id", r"\b(?:[0-9a-f]{64}|[a-z0-9]{25}|[0-9a-f]{12})\b"),
        # In the first column of Docker's tables an id may look like a word.
        ("id", r"^([a-z0-9]{12}) {3,}"),
        ("hash", r"\b[0-9a-f]{32}\b"),
        # Where Swarm put a task, and how many of a service's tasks ran at that moment.
        ("node", rf"{_ROW}.*?\b(swarm-\d+)\b"),
        ("node", r"^proxy\.\d+ (swarm-\d+) [0-9a-f]{32}"),
        ("count", rf"{_ROW}.* (\d+)/\d+ "),
        # Consul's counters, and the numbers of a DNS answer.
        ("number", r"\"(?:Create|Modify)Index\": ?(\d+)"),
        ("number", r"^X-Consul-(?:Index|Lastcontact): (\d+)"),
        ("number", r"\bid: (\d+)$"),
        ("number", r"Query time: (\d+) msec"),
        ("address", r"\b(?:10|172|192)(?:\.\d{1,3}){3}\b"),
        ("version", r"\b\d+\.\d+\.\d+\+dfsg\d+\b"),
        ("name", r"The lab '([^'\n]+)' is gone"),
    )
)

# A network that is still in use is asked for again: how often depends on the machine.
_AGAIN = re.compile(
    r"^Error response from daemon: .*(?:active endpoints|in use).*\n?", re.MULTILINE
)
_SPACES = re.compile(r" {2,}")


@dataclass(frozen=True)
class Piece:
    """A part of an output; `kind` says what varies (`id`, `address`, ...), empty: it stays."""

    text: str
    kind: str = ""


def pieces(output: str) -> tuple[Piece, ...]:
    """The output in parts that stay and parts that vary; together they are the output."""
    taken: list[tuple[int, int, str]] = []
    for kind, pattern in _RULES:
        for found in pattern.finditer(output):
            groups = range(1, pattern.groups + 1) if pattern.groups else (0,)
            for group in groups:
                start, end = found.span(group)
                if all(end <= other[0] or start >= other[1] for other in taken):
                    taken.append((start, end, kind))
    parts: list[Piece] = []
    at = 0
    for start, end, kind in sorted(taken):
        if start > at:
            parts.append(Piece(output[at:start]))
        parts.append(Piece(output[start:end], kind))
        at = end
    if at < len(output):
        parts.append(Piece(output[at:]))
    return tuple(parts)


def normalise(output: str) -> str:
    """The output with `⟨kind⟩` for each piece that varies, and columns two spaces apart."""
    marked = "".join(
        f"{OPEN}{part.kind}{CLOSE}" if part.kind else part.text
        for part in pieces(_AGAIN.sub("", output))
    )
    return "\n".join(_SPACES.sub("  ", line).rstrip() for line in marked.splitlines())
