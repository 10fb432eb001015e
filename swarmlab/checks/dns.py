"""Checks of Swarm's own name service, asked in a container as a student does, with drill."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from swarmlab.checks import inside
from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Count, Lifetime, Word
from swarmlab.checks.looking import Seen, Unfit, counted, judge, listed, look, over, shown
from swarmlab.checks.tasks import Instance, Service, beside, service_named
from swarmlab.wait import patient
from swarmlab.words import later, say

_SECTION = re.compile(r";; (\w+) SECTION:")
_SERVER = re.compile(r";; SERVER: (\S+)")
_STATUS = re.compile(r";; ->>HEADER<<-.*\brcode: (\w+)")


@dataclass(frozen=True)
class Record:
    """One line of the answer section."""

    name: str
    ttl: int
    kind: str
    data: str


@dataclass(frozen=True)
class Reply:
    """What drill printed: the reply code, the answer section, and who answered."""

    code: str
    records: tuple[Record, ...]
    server: str


def lookup(
    world: World,
    *,
    service: Word = "util",
    name: Word,
    expect: Literal["vip", "tasks"],
    of: Word,
    count: Count | None = None,
    ttl: Lifetime = 600,
    server: Word = "127.0.0.11",
) -> Finding:
    """In a container of `service`, `name` resolves to what Swarm itself reports of service `of`.

    `vip`: its virtual address, `tasks`: the addresses of its running tasks, each on the networks
    that both services share. `count` is how many records must be there, at least one in any case.
    """
    kind = say("virtual address") if expect == "vip" else say("task addresses")
    how_many = (
        say("exactly {count}", count=counted(count, "A record"))
        if count is not None
        else say("A records")
    )

    def at() -> Seen:
        states = over({service, of}, lambda one: service_named(world, one))
        asker = next(iter(states[service].instances()), None)
        if asker is None:
            raise Unfit(say("service {service} has no running task to ask in", service=service))
        wanted = _wanted(states[of], asker, expect)
        reply = _ask(world, asker, name)
        return judge(
            _troubles(reply, name, wanted, count, ttl, server),
            say(
                "{name}: {wanted}, TTL {ttl}, from {server}, as Swarm reports (asked on {node})",
                name=name,
                wanted=listed(sorted(wanted)),
                ttl=ttl,
                server=server,
                node=asker.node,
            ),
        )

    return look(
        say(
            "{name} resolves to {how_many}: the {kind} that Swarm reports of {of}; TTL {ttl},"
            " server {server}",
            name=name,
            how_many=how_many,
            kind=kind,
            of=of,
            ttl=ttl,
            server=server,
        ),
        beside(service, f"docker exec $c drill {name}"),
        at,
    )


def parse(output: str) -> Reply:
    """Read what drill prints. Raises Unfit for what is not a whole reply."""
    code, server = _STATUS.search(output), _SERVER.search(output)
    if code is None or server is None:
        raise Unfit(say("drill got no reply: {split}", split=shown(" ".join(output.split()), 120)))
    section = ""
    records = []
    for line in output.splitlines():
        if heading := _SECTION.match(line):
            section = heading[1]
        elif section == "ANSWER" and line.strip() and not line.startswith(";"):
            fields = line.split()
            if len(fields) < 5 or fields[2] != "IN" or not fields[1].isdecimal():
                raise Unfit(
                    say("drill printed an answer that makes no sense: {line}", line=shown(line))
                )
            records.append(
                Record(fields[0].rstrip("."), int(fields[1]), fields[3], " ".join(fields[4:]))
            )
    return Reply(code[1], tuple(records), server[1])


def _ask(world: World, asker: Instance, name: str) -> Reply:
    ran = inside.run(world, asker, ["timeout", f"{patient(3):g}", "drill", name])
    if ran.exit_code in (126, 127):
        raise Unfit(say("the container of {name} has no drill", name=asker.name))
    if ran.exit_code:
        words = later("drill {name} ended with exit code {code} in {asker}: {said}")
        said = shown(ran.errors or ran.output.strip(), 120)
        raise Unfit(say(words, name=name, code=ran.exit_code, asker=asker.name, said=said))
    return parse(ran.output)


def _wanted(of: Service, asker: Instance, expect: str) -> set[str]:
    """The addresses that Swarm reports, on the networks that the asking task is on too."""
    shared = {place.network_id for place in asker.attachments if place.network != "ingress"}
    if expect == "vip":
        found = {
            one["Addr"].partition("/")[0]
            for one in (of.raw.get("Endpoint") or {}).get("VirtualIPs") or []
            if one["NetworkID"] in shared and one.get("Addr")
        }
    else:
        found = {
            place.address
            for instance in of.instances()
            for place in instance.attachments
            if place.network_id in shared
        }
    if not found:
        what = say("virtual address") if expect == "vip" else say("running task")
        raise Unfit(
            say(
                "{name} has no {what} on a network that {name2} is on",
                name=of.name,
                what=what,
                name2=asker.name,
            )
        )
    return found


def _troubles(
    reply: Reply, name: str, wanted: set[str], count: int | None, ttl: int, server: str
) -> list[str]:
    # What an unknown name gets depends on the machine's own name server: an error, or nothing.
    if reply.code != "NOERROR" or not reply.records:
        return [
            say(
                "{name} does not resolve ({code}, {records})",
                name=name,
                code=reply.code,
                records=counted(len(reply.records), "record"),
            )
        ]
    got = sorted(record.data for record in reply.records if record.kind == "A")
    troubles = []
    strangers = [
        f"{one.name} {one.kind}" for one in reply.records if (one.name, one.kind) != (name, "A")
    ]
    if strangers:
        troubles.append(say("other records: {strangers}", strangers=listed(strangers)))
    if set(got) != wanted or len(got) != len(wanted):
        troubles.append(
            say(
                "{got}, where Swarm reports {wanted}",
                got=listed(got),
                wanted=listed(sorted(wanted)),
            )
        )
    if count is not None and len(got) != count:
        troubles.append(f"{counted(len(got), 'A record')} ({listed(got)})")
    ttls = {record.ttl for record in reply.records}
    if ttls - {ttl}:
        troubles.append(say("TTL {ttls}", ttls=listed(sorted(ttls))))
    if reply.server != server:
        troubles.append(say("answered by {server}", server=reply.server))
    return troubles
