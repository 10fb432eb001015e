"""Checks of Swarm's own name service, asked in a container as a student does, with drill."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from swarmlab.checks import inside
from swarmlab.checks.base import Finding, World
from swarmlab.checks.looking import Seen, Unfit, counted, judge, listed, look, over, shown
from swarmlab.checks.tasks import Instance, Service, service_named

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
    service: str = "util",
    name: str,
    expect: Literal["vip", "tasks"],
    of: str,
    count: int | None = None,
    ttl: int = 600,
    server: str = "127.0.0.11",
) -> Finding:
    """In a container of `service`, `name` resolves to what Swarm itself reports of service `of`.

    `vip`: its virtual address, `tasks`: the addresses of its running tasks, each on the networks
    that both services share. `count` is how many records must be there, at least one in any case.
    """
    kind = "virtual address" if expect == "vip" else "task addresses"
    how_many = f"exactly {counted(count, 'A record')}" if count is not None else "A records"

    def at() -> Seen:
        states = over({service, of}, lambda one: service_named(world, one))
        asker = next(iter(states[service].instances()), None)
        if asker is None:
            raise Unfit(f"service {service} has no running task to ask in")
        wanted = _wanted(states[of], asker, expect)
        reply = _ask(world, asker, name)
        return judge(
            _troubles(reply, name, wanted, count, ttl, server),
            f"{name}: {listed(sorted(wanted))}, TTL {ttl}, from {server},"
            f" as Swarm reports (asked on {asker.node})",
        )

    return look(
        f"{name} resolves to {how_many}: the {kind} that Swarm reports of {of}; TTL {ttl},"
        f" server {server}",
        f"docker exec $(docker ps -q --filter label=com.docker.swarm.service.name={service}"
        f" | head -1) drill {name}",
        at,
    )


def parse(output: str) -> Reply:
    """Read what drill prints. Raises Unfit for what is not a whole reply."""
    code, server = _STATUS.search(output), _SERVER.search(output)
    if code is None or server is None:
        raise Unfit(f"drill got no reply: {shown(' '.join(output.split()), 120)}")
    section = ""
    records = []
    for line in output.splitlines():
        if heading := _SECTION.match(line):
            section = heading[1]
        elif section == "ANSWER" and line.strip() and not line.startswith(";"):
            fields = line.split()
            if len(fields) < 5 or fields[2] != "IN" or not fields[1].isdecimal():
                raise Unfit(f"drill printed an answer that makes no sense: {shown(line)}")
            records.append(
                Record(fields[0].rstrip("."), int(fields[1]), fields[3], " ".join(fields[4:]))
            )
    return Reply(code[1], tuple(records), server[1])


def _ask(world: World, asker: Instance, name: str) -> Reply:
    ran = inside.run(world, asker, ["timeout", "3", "drill", name])
    if ran.exit_code in (126, 127):
        raise Unfit(f"the container of {asker.name} has no drill")
    if ran.exit_code:
        raise Unfit(
            f"drill {name} ended with exit code {ran.exit_code} in {asker.name}:"
            f" {shown(ran.errors or ran.output.strip(), 120)}"
        )
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
        what = "virtual address" if expect == "vip" else "running task"
        raise Unfit(f"{of.name} has no {what} on a network that {asker.name} is on")
    return found


def _troubles(
    reply: Reply, name: str, wanted: set[str], count: int | None, ttl: int, server: str
) -> list[str]:
    # What an unknown name gets depends on the machine's own name server: an error, or nothing.
    if reply.code != "NOERROR" or not reply.records:
        return [f"{name} does not resolve ({reply.code}, {counted(len(reply.records), 'record')})"]
    got = sorted(record.data for record in reply.records if record.kind == "A")
    troubles = []
    strangers = [
        f"{one.name} {one.kind}" for one in reply.records if (one.name, one.kind) != (name, "A")
    ]
    if strangers:
        troubles.append(f"other records: {listed(strangers)}")
    if set(got) != wanted or len(got) != len(wanted):
        troubles.append(f"{listed(got)}, where Swarm reports {listed(sorted(wanted))}")
    if count is not None and len(got) != count:
        troubles.append(f"{counted(len(got), 'A record')} ({listed(got)})")
    ttls = {record.ttl for record in reply.records}
    if ttls - {ttl}:
        troubles.append(f"TTL {listed(sorted(ttls))}")
    if reply.server != server:
        troubles.append(f"answered by {reply.server}")
    return troubles
