"""Which commands leave something behind on the cluster, so that their step needs a reset.

Read off the words that are typed, where a command can stand: made by Docker (networks, services,
volumes, containers that do not remove themselves, stacks), changed by Docker (scaled, updated,
labelled), or written to a registry over HTTP. What a script of the lab does inside is not seen;
that a reset really undoes its step is proven on a cluster, not here.
"""

from __future__ import annotations

import re

# Where a command begins: at a line's start or after one of these; assignments may come first.
_START = r"(?:^|[;&|({!]|\b(?:then|do|else|time)(?=[ \t]))[ \t]*(?:\w+=[^\s;&|(){}]*[ \t]+)*"
_WORD = r"[^\s;&|(){}]+"
_DOCKER = rf"docker(?:[ \t]+-{_WORD})*[ \t]+"
_SPACE = r"[ \t]+"
_COMPOSE = rf"(?:docker-compose|docker{_SPACE}compose)"
_LEAVES = re.compile(
    rf"{_START}(?:"
    rf"(?P<create>{_DOCKER}(?:network|service|volume|secret|config|container){_SPACE}create\b)"
    rf"|(?P<run>{_DOCKER}(?:container{_SPACE})?run\b)(?P<options>[^\n;&|]*)"
    rf"|(?P<compose>{_COMPOSE}\b)(?:{_SPACE}{_WORD})*?{_SPACE}(?P<verb>up|create)\b"
    rf"|(?P<stack>{_DOCKER}stack{_SPACE}(?:deploy|up)\b)"
    rf"|(?P<change>{_DOCKER}(?:service{_SPACE}(?:scale|update|rollback)"
    rf"|node{_SPACE}(?:update|promote|demote))\b)"
    rf"|(?P<write>curl\b)[^\n;|]*?{_SPACE}(?:-X{_SPACE}?|--request[ =])(?P<method>PUT|POST)\b"
    r")",
    re.MULTILINE,
)
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\n]*", re.MULTILINE)
_REMOVES_ITSELF = re.compile(r"(?:^|[ \t])--rm\b")


def leaves(run: str) -> str:
    """The first command of `run` that leaves something behind, in few words; or nothing."""
    text = _COMMENT.sub("", run.replace("\\\n", " "))
    for found in _LEAVES.finditer(text):
        if found["run"] and _REMOVES_ITSELF.search(found["options"]):
            continue
        if found["compose"]:
            return f"{_plain(found['compose'])} {found['verb']}"
        if found["write"]:
            return f"curl -X {found['method']}"
        first = next(found[one] for one in ("create", "run", "stack", "change") if found[one])
        return _plain(first)
    return ""


def _plain(words: str) -> str:
    """The words without the options between them."""
    return " ".join(word for word in words.split() if not word.startswith("-"))
