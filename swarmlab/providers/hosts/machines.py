"""The machines of one lab, the ways to their engines, and what a lab keeps of them as labels."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from docker.errors import ImageNotFound

from swarmlab.engine import Engine
from swarmlab.errors import UsageError
from swarmlab.providers.hosts import reaching
from swarmlab.providers.hosts.file import Host
from swarmlab.providers.hosts.guards import Consent
from swarmlab.words import say


class Machines:
    """The machines by node, each with its engine, which is connected to when first asked for."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._hosts = {host.node: host for host in hosts}
        self._engines: dict[str, Engine] = {}
        self._guards = {node: threading.Lock() for node in self._hosts}

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def __getitem__(self, node: str) -> Host:
        return self._hosts[node]

    def know(self, host: Host) -> None:
        """From now on take that for the machine of its node."""
        self._hosts[host.node] = host

    def all(self) -> tuple[Host, ...]:
        """The machines in the order of their nodes."""
        return tuple(self._hosts.values())

    def engine(self, node: str) -> Engine:
        """The machine's engine, by the user's own way. Raises EnvironmentProblem."""
        with self._guards[node]:
            if node not in self._engines:
                self._engines[node] = reaching.connect(self._hosts[node])
            return self._engines[node]

    def api(self, node: str) -> Any:
        """The same, to be asked directly."""
        return self.engine(node).client.api

    def close(self) -> None:
        """Let go of all connections."""
        while self._engines:
            self._engines.popitem()[1].client.close()


def settings(hosts: Iterable[Host], consent: Consent) -> dict[str, Any]:
    """What the provider is to know of the machines; no secret is among it."""
    return {"hosts": [host.to_dict() for host in hosts], "consent": vars(consent)}


def kept(hosts: Iterable[Host], consent: Consent) -> dict[str, Any]:
    """The same as a lab's labels have it: without the leave for what nothing brings back."""
    return settings(hosts, replace(consent, leave_swarm=False))


def given_again(has: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A lab's own settings, with the leave to take machines out of their swarm as `wanted` has it.

    What was typed when the lab was made says nothing about the swarm of today.
    """
    consent = has.get("consent")
    if not isinstance(consent, dict):
        return dict(has)
    leave = bool((wanted.get("consent") or {}).get("leave_swarm"))
    return {**has, "consent": {**consent, "leave_swarm": leave}}


def told(settings: Mapping[str, Any], lab: str) -> tuple[Machines, Consent]:
    """What `settings` or `kept` made. Raises UsageError for anything else."""
    if not settings:
        raise UsageError(
            say("Nothing says of which machines the lab {lab!r} is to be made.", lab=lab),
            hint=say("Name them in a file: `swarmlab up --provider hosts --hosts FILE`."),
        )
    try:
        machines = Machines(Host.from_dict(one) for one in settings["hosts"])
        return machines, Consent(**settings["consent"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            say("The labels of the lab {lab!r} do not tell of which machines it is made.", lab=lab),
            hint=say("Name them once more: `swarmlab down --hosts FILE`."),
        ) from error


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two settings name the same machines in the same order."""
    places = [
        [(host["url"], host["context"]) for host in of.get("hosts", ())] for of in (one, other)
    ]
    return places[0] == places[1]


def counted(count: int, managers: int | None, workers: int | None) -> tuple[int, int]:
    """How many of so many machines become managers, and workers: what is not asked for, the rest.

    Raises UsageError when no machine is left for it.
    """
    if managers is None:
        workers = workers or 0
        asked = say("a manager and {count} workers", count=workers)
        managers = count - workers
    elif workers is None:
        asked = say("{count} managers", count=managers)
        workers = count - managers
    else:
        return managers, workers
    if managers < 1 or workers < 0:
        raise UsageError(
            say(
                "The hosts file names {count} machines, too few for {asked}.",
                count=count,
                asked=asked,
            ),
            hint=say("Name more machines in it, or ask for fewer nodes."),
        )
    return managers, workers


def image(api: Any, *references: str) -> str:
    """The id of the first of these images that the engine has; empty when it has none."""
    for reference in references:
        with suppress(ImageNotFound):
            return str(api.inspect_image(reference)["Id"])
    return ""
