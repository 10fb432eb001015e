"""Every check and observer by the name that lab files use, each imported when first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

from swarmlab.checks.base import Check, ObserverFactory

T = TypeVar("T")


class Catalog(Mapping[str, T], Generic[T]):
    """Names and where their functions are; a module is imported when one of its names is used.

    So the command line can name checks, in help and in completion, without loading them.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> T:
        module, _, attribute = self._places[name].partition(":")
        found: T = getattr(import_module(f"swarmlab.checks.{module}"), attribute)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places


CHECKS: Mapping[str, Check] = Catalog(
    {
        "swarm.nodes": "swarm:nodes",
        "swarm.quorum": "swarm:quorum",
        "swarm.label": "swarm:label",
        "swarm.same_view": "swarm:same_view",
        "swarm.network": "swarm:network",
        "swarm.absent": "swarm:absent",
        "swarm.service": "services:service",
        "swarm.attached": "services:attached",
        "swarm.environment": "services:environment",
        "swarm.volume": "settings:volume",
        "swarm.healed": "healing:healed",
        "engines.containers": "engines:containers",
        "engines.volume_absent": "engines:volume_absent",
        "consul.leader": "consul:leader",
        "consul.members": "consul:members",
        "consul.key": "consul:key",
        "consul.absent": "consul:absent",
        "consul.unreachable": "consul:unreachable",
        "consul.proxy_keys": "stored:proxy_keys",
        "consul.matches_proxies": "stored:matches_proxies",
        "consul.index": "stored:index",
        "http.answers": "http:answers",
        "http.ports_open": "http:ports_open",
        "http.split": "http:split",
        "http.all": "http:all",
        "http.inside": "http:within",
        "http.database": "http:database",
        "http.unreachable": "http:unreachable",
        "proxy.routes": "proxy:routes",
        "proxy.identical": "proxy:identical",
        "proxy.differ": "proxy:differ",
        "proxy.instance": "proxy:instance",
        "proxy.addresses": "settings:addresses",
        "dns.lookup": "dns:lookup",
        "host.clean": "host:clean",
    }
)
"""What can be looked at once: functions of a `World` and their own keyword parameters."""

OBSERVERS: Mapping[str, ObserverFactory] = Catalog({"http.steady": "steady:Steady"})
"""What can watch while a command runs."""
