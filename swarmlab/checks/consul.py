"""Checks of Consul, asked over HTTP at the nodes themselves.

A refused port 8500 is a finding: the student may not have started Consul there.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Count, Node, Nodes, Word, Words
from swarmlab.checks.looking import (
    Seen,
    Unfit,
    by_node,
    chosen,
    counted,
    from_each,
    judge,
    listed,
    look,
    over,
    shown,
)
from swarmlab.checks.web import Answer, get_each
from swarmlab.words import say

PORT = 8500
_ALIVE = 1  # the member states of Serf: 1 alive, 2 leaving, 3 left, 4 failed


def leader(world: World, *, node: Node = "swarm-1") -> Finding:
    """The Consul on the node knows an elected leader."""

    def at() -> Seen:
        answer = get_each(world, chosen(world, [node]), PORT, "/v1/status/leader")[node]
        name = decoded(answer)
        if not isinstance(name, str) or not name:
            return Seen(
                False, say("Consul on {node} knows no leader ({answer})", node=node, answer=answer)
            )
        return Seen(True, say("the leader is {name}", name=name))

    return look(
        say("Consul on {node} has elected a leader", node=node),
        f"curl -sS {node}:{PORT}/v1/status/leader",
        at,
    )


def members(
    world: World, *, alive: Count = 3, servers: Count = 1, nodes: Nodes | None = None
) -> Finding:
    """At every node Consul lists that many members alive, that many of them servers."""
    asked = chosen(world, nodes or [])

    def at() -> Seen:
        troubles = {}
        seen = ""
        for node, answer in get_each(world, asked, PORT, "/v1/agent/members").items():
            found = decoded(answer)
            if not isinstance(found, list):
                troubles[node] = told(answer)
                continue
            living = [one for one in found if one.get("Status") == _ALIVE]
            of_servers = [one for one in living if one.get("Tags", {}).get("role") == "consul"]
            seen = say(
                "{living} alive ({part}), {of_servers}",
                living=counted(len(living), "member"),
                part=listed(sorted(str(one.get("Name")) for one in living)),
                of_servers=counted(len(of_servers), "server"),
            )
            if (len(living), len(of_servers)) != (alive, servers):
                troubles[node] = f"{seen}{_missing(world, asked, living, alive)}"
        return judge(by_node(troubles), say("{seen}, at {asked}", seen=seen, asked=listed(asked)))

    return look(
        say(
            "{alive} alive, {servers}, at {asked}",
            alive=counted(alive, "member"),
            servers=counted(servers, "server"),
            asked=listed(asked),
        ),
        from_each(asked, told_by("/v1/agent/members", ".[] | [.Name, .Status, .Tags.role]")),
        at,
    )


def key(
    world: World,
    *,
    key: Word,
    value: str,
    flags: int | None = None,
    nodes: Nodes | None = None,
) -> Finding:
    """At every node the key holds exactly these bytes, decoded from JSON and asked raw."""
    asked = chosen(world, nodes or [])
    path = kv(key)
    wanted = value.encode()

    def at() -> Seen:
        forms = over((path, f"{path}?raw"), lambda form: get_each(world, asked, PORT, form))
        entries, raws = forms.values()
        troubles = {}
        for node in asked:
            entry = _entry(entries[node], key)
            if isinstance(entry, str):
                troubles[node] = entry
            elif (stored := _value(entry)) != wanted:
                troubles[node] = text(stored)
            elif flags is not None and entry.get("Flags") != flags:
                troubles[node] = say("flags {part}", part=entry.get("Flags"))
            elif raws[node].status != 200 or raws[node].body != wanted:
                troubles[node] = say("raw {raws}", raws=told(raws[node]))
        and_flags = say(" with flags {flags}", flags=flags) if flags is not None else ""
        return judge(
            by_node(troubles),
            say("{value} at {asked}", value=text(wanted) + and_flags, asked=listed(asked)),
        )

    return look(
        say(
            "{key} is {wanted}{what} at {asked}",
            key=key,
            wanted=text(wanted),
            what="" if flags is None else say(" with flags {flags}", flags=flags),
            asked=listed(asked),
        ),
        # As JSON for its flags; then its bytes, with each end of a line made visible.
        from_each(asked, f'{_curl(path)}; echo; curl -s "$n:{PORT}{path}?raw" | cat -A; echo'),
        at,
    )


def absent(
    world: World,
    *,
    prefix: str = "",
    keys: Words | None = None,
    nodes: Nodes | None = None,
) -> Finding:
    """At every node Consul answers 404 for these keys; without keys: for all below `prefix`."""
    asked = chosen(world, nodes or [])
    paths = [kv(one) for one in keys or []] or [f"{kv(prefix)}?recurse"]
    below = say("anything below {prefix}", prefix=prefix) if prefix else say("any key")
    what = listed(keys) if keys else below

    def at() -> Seen:
        found = over(paths, lambda path: get_each(world, asked, PORT, path))
        troubles = [
            line
            for path, answers in found.items()
            for line in by_node(
                {
                    node: _found(path, answer)
                    for node, answer in answers.items()
                    if answer.status != 404
                }
            )
        ]
        return judge(troubles, say("404 at {asked}", asked=listed(asked)))

    return look(
        say("404 for {what} at {asked}", what=what, asked=listed(asked)),
        from_each(asked, "; ".join(map(_curl, paths))),
        at,
    )


def unreachable(world: World, *, nodes: Nodes | None = None) -> Finding:
    """Nothing answers on Consul's port of these nodes, which are themselves there."""
    asked = chosen(world, nodes or [])

    def at() -> Seen:
        answers = get_each(world, asked, PORT, "/v1/status/leader")
        return judge(
            by_node({node: str(one) for node, one in answers.items() if not one.refused}),
            "; ".join(by_node({node: str(one) for node, one in answers.items()})),
        )

    return look(
        say("nothing answers on port {port} of {asked}", port=PORT, asked=listed(asked)),
        from_each(asked, _curl("/v1/status/leader")),
        at,
    )


def told_by(path: str, words: str) -> str:
    """What asks Consul at `$n` and prints of its answer what those words of jq say.

    An answer that is no JSON is printed as it is: an agent without a server answers in words.
    """
    line = f"(. as $said | try (fromjson | {words}) catch $said)"
    return f"curl -sS \"$n:{PORT}{path}\" | jq -cR '{line}'"


def _curl(path: str) -> str:
    """What asks Consul at `$n` and prints all that it answers."""
    return f'curl -sSi "$n:{PORT}{path}"'


def kv(key: str) -> str:
    return f"/v1/kv/{quote(key, safe='/')}"


def decoded(answer: Answer) -> Any:
    """The decoded answer, or None when it is not a 200 with JSON."""
    if answer.status != 200:
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _entry(answer: Answer, key: str) -> dict[str, Any] | str:
    """The one entry of a key's JSON form, or what was answered instead, in words."""
    if answer.status == 404:
        return say("no such key (404)")
    found = decoded(answer)
    if not isinstance(found, list) or len(found) != 1 or found[0].get("Key") != key:
        return told(answer)
    entry: dict[str, Any] = found[0]
    return entry


def _value(entry: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(entry.get("Value") or "", validate=True)
    except binascii.Error as error:
        raise Unfit(
            say("the value of {part} is not base64: {error}", part=entry.get("Key"), error=error)
        ) from error


def _found(path: str, answer: Answer) -> str:
    found = decoded(answer)
    if isinstance(found, list):
        return say("there is {part}", part=listed(str(one.get("Key")) for one in found))
    return say("{path} answers {answer}", path=path, answer=told(answer))


def _missing(world: World, asked: Sequence[str], living: list[dict[str, Any]], alive: int) -> str:
    """Which of the nodes have no living member, when members are missing."""
    if len(living) >= alive:
        return ""
    addresses = {str(one.get("Addr")) for one in living}
    names = {str(one.get("Name")) for one in living}
    lost = [n for n in asked if n not in names and world.address(n) not in addresses]
    return say("; {lost} missing", lost=listed(lost)) if lost else ""


def told(answer: Answer) -> str:
    if not answer.trouble:
        return str(answer)
    return say("{trouble} on port {port}", trouble=answer.trouble, port=PORT)


def text(value: bytes | None) -> str:
    return say("missing") if value is None else shown(value.decode(errors="backslashreplace"))
