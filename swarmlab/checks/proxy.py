"""Checks of the proxy's instances: what each one's configuration holds."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict

from swarmlab.checks import haproxy
from swarmlab.checks.base import Finding, World
from swarmlab.checks.kinds import Count, Some, Word, Words
from swarmlab.checks.looking import Seen, Unfit, counted, judge, listed, look, shown
from swarmlab.checks.proxies import CONFIGURATION, fingerprint, in_each, read_all, read_one
from swarmlab.checks.tasks import Instance, of_service, running
from swarmlab.words import say


def routes(world: World, *, service: Word, have: Count, of: Some, proxy: Word = "proxy") -> Finding:
    """Of exactly `of` instances of the proxy, exactly `have` hold the service's whole route.

    Whole: acl, use_backend, backend and server line.
    """

    def at() -> Seen:
        found = read_all(world, proxy)
        holders = [one for one, text in found.items() if haproxy.route(text, service)]
        where = listed(one.place for one in holders)
        return Seen(
            (len(holders), len(found)) == (have, of),
            say(
                "{holders} of {found} have it: {where}",
                holders=len(holders),
                found=len(found),
                where=where,
            ),
        )

    return look(
        say(
            "{have} of {of} instances of {proxy} have acl, use_backend, backend and server of"
            " {service}",
            have=have,
            of=of,
            proxy=proxy,
            service=service,
        ),
        in_each(world, of_service(proxy), f"grep {service}"),
        at,
    )


def identical(
    world: World, *, instances: Some, contains: Words | None = None, proxy: Word = "proxy"
) -> Finding:
    """Exactly that many instances run, with the same configuration, holding these texts."""
    texts = contains or []

    def at() -> Seen:
        found = read_all(world, proxy)
        if len(found) != instances:
            raise Unfit(counted(len(found), "instance") + say(": ") + _hashes(found))
        if len(set(found.values())) != 1:
            raise Unfit(say("different: {found}", found=_hashes(found)))
        return judge(
            _lacking(found, texts),
            say(
                "{found}, all {found2}",
                found=counted(len(found), "instance"),
                found2=_hashes(found),
            ),
            # What the same hash thrice does not show: what stands in place of a text.
            in_each(world, of_service(proxy), _like(texts)),
        )

    return look(
        say(
            "{instances} of {proxy} with the same {configuration}{holding}",
            instances=counted(instances, "instance"),
            proxy=proxy,
            configuration=CONFIGURATION,
            holding=_holding(texts),
        ),
        in_each(world, of_service(proxy), "sha256sum"),
        at,
    )


def differ(world: World, *, proxy: Word = "proxy") -> Finding:
    """The instances (two at least) do not all have the same configuration."""

    def at() -> Seen:
        found = read_all(world, proxy)
        return Seen(len(set(found.values())) > 1, _hashes(found))

    return look(
        say("the instances of {proxy} have different configurations", proxy=proxy),
        in_each(world, of_service(proxy), "sha256sum"),
        at,
    )


def instance(
    world: World, *, slot: Some, contains: Words | None = None, proxy: Word = "proxy"
) -> Finding:
    """The instance in that slot runs, and its configuration holds these texts."""
    texts = contains or []

    def at() -> Seen:
        one = next((one for one in running(world, proxy) if one.slot == slot), None)
        if one is None:
            raise Unfit(say("no task of {proxy} runs in slot {slot}", proxy=proxy, slot=slot))
        found = {one: read_one(world, one)}
        return judge(_lacking(found, texts), f"{_hashes(found)}{_holding(texts)}")

    return look(
        say(
            "{proxy}.{slot} runs and has a configuration{holding}",
            proxy=proxy,
            slot=slot,
            holding=_holding(texts),
        ),
        in_each(world, f"name={proxy}.{slot}.", "cat"),
        at,
    )


def _like(texts: list[str]) -> str:
    """What prints the lines of a configuration that begin as one of those texts does."""
    first = sorted({text.split()[0] for text in texts if text.split()})
    begins = rf"^\s*({'|'.join(map(re.escape, first))})\b"
    return f"grep -E {shlex.quote(begins)}"


def _lacking(found: dict[Instance, str], texts: list[str]) -> list[str]:
    """Which instance lacks which text; a text is looked for in lines, white space made one."""
    troubles = []
    for one, configuration in found.items():
        lines = [" ".join(line.split()) for line in configuration.splitlines()]
        missing = [text for text in texts if not any(" ".join(text.split()) in li for li in lines)]
        if missing:
            troubles.append(
                say("{name} lacks {missing}", name=one.name, missing=listed(map(shown, missing)))
            )
    return troubles


def _hashes(found: dict[Instance, str]) -> str:
    """`3f2a… (proxy.1, proxy.2) and 77b0… (proxy.3)`."""
    by_hash: dict[str, list[str]] = defaultdict(list)
    for one, text in found.items():
        by_hash[fingerprint(text)].append(one.place)
    return listed(f"{mark} ({say(', ').join(names)})" for mark, names in by_hash.items())


def _holding(texts: list[str]) -> str:
    return say(" with {texts}", texts=listed(map(shown, texts))) if texts else ""
