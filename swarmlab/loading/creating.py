"""Which commands leave something behind on the cluster, so that their step needs a reset.

Read off the words that are typed, where a command can stand, behind `sudo` and the like too: made
or taken away by Docker (networks, services, volumes, containers that do not remove themselves,
stacks), changed by Docker (scaled, updated, labelled, connected, stopped), or written over HTTP.
What a script of the lab does inside is not seen; that a reset really undoes its step is proven on
a cluster, not here.
"""

from __future__ import annotations

import re

# So many characters behind `docker run` are looked at for `--rm`.
LONGEST = 600

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\n]*", re.MULTILINE)
_ENDS = re.compile(r"[\n;|&]")
# Where a command begins in what is left: at the start or after one of these, assignments first.
# Every repetition is bounded, so that no text takes long.
_WORD = r"[^\s(){}]+"
_SET = r"(?:\w+=[^\s(){}]*[ \t]+)"
_BEGINS = r"(?:^|[({!]|\b(?:then|do|else|elif|if|while|until|time)(?=[ \t]))"
# What runs the command behind it; of options with a value each takes the next word, or not.
_RUNNER = re.compile(
    rf"(?:(?:sudo|env|xargs|exec|command)(?:[ \t]+-{_WORD}(?:[ \t]+(?!-){_WORD})?){{0,2}}"
    rf"|docker-machine[ \t]+ssh[ \t]+{_WORD})[ \t]+[\"']?{_SET}{{0,9}}"
).pattern
_START = rf"{_BEGINS}[ \t]*{_SET}{{0,9}}(?:{_RUNNER}){{0,2}}"
_COMMAND = re.compile(
    rf"{_START}(?P<program>docker-compose|docker|curl)"
    rf"(?:[ \t]+-{_WORD}(?:[ \t]+(?!-){_WORD})?){{0,9}}(?=[ \t])"
)
_CHANGES = re.compile(
    r"[ \t]+(?:(?:network|service|volume|secret|config|container)[ \t]+(?:create|rm|prune)"
    r"|network[ \t]+(?:connect|disconnect)"
    r"|stack[ \t]+(?:deploy|up|rm|down)|service[ \t]+(?:scale|update|rollback)"
    r"|node[ \t]+(?:update|promote|demote|rm)|swarm[ \t]+(?:init|join|leave|update)"
    r"|(?:container[ \t]+)?(?:create|rm|stop|kill|start|pause|unpause|rename|update))(?![\w-])"
)
_RUNS = re.compile(r"[ \t]+(?:container[ \t]+)?run(?![\w-])")
_REMOVES_ITSELF = re.compile(r"[ \t]--rm(?![\w-])")
_COMPOSE = re.compile(r"[ \t]+compose(?![\w-])")
_UP = re.compile(r"[ \t](up|create|down|rm|stop|kill)(?![\w.-])")
_WRITES = re.compile(r"[ \t](?:-X[ \t]*|--request[ =])(PUT|POST|PATCH|DELETE)\b")
# Data is sent, by options alone or behind others that take no value; with -G it is a question.
_SENDS = re.compile(
    r"[ \t](-[sSfikLv]{0,9}[dTF]|--(?:data(?:-[a-z]{1,12})?|json|form|upload-file))(?![\w-])"
)
_ASKS = re.compile(r"[ \t](?:-[sSfikLv]{0,9}G|--get)(?![\w-])")
# The proxy is told by questions.
_TELLS = re.compile(r"/v1/docker-flow-proxy/(reconfigure|remove|put)\b")


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
            return _written(part, found.end("program"))
        if program == "docker-compose" or _COMPOSE.match(part, at):
            up = _UP.search(part, found.end("program"))
            name = program if program == "docker-compose" else "docker compose"
            return f"{name} {up[1]}" if up else ""
        changed = _CHANGES.match(part, at)
        if changed:
            return " ".join(["docker", *changed[0].split()])
        if _RUNS.match(part, at) and not _REMOVES_ITSELF.search(part, at, at + LONGEST):
            return "docker run"
    return ""


def _written(part: str, at: int) -> str:
    """What a curl whose name ends at `at` writes; or nothing."""
    if written := _WRITES.search(part, at):
        return f"curl -X {written[1]}"
    if told := _TELLS.search(part, at):
        return f"curl .../{told[1]}"
    sent = _SENDS.search(part, at)
    return f"curl {sent[1]}" if sent and not _ASKS.search(part, at) else ""
