"""The lab's network on its own engine: made, found again, and what its labels remember."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from docker.errors import APIError

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, MachineUnknown, UsageError
from swarmlab.providers import subnets
from swarmlab.providers.base import Reach
from swarmlab.providers.problems import explain, explained, said
from swarmlab.size import UNKNOWN, Size
from swarmlab.words import say

_SUBNET_TRIES = 8
_SWARM = "10."
# Half of RFC 2544's, which no real network has.
_ELSEWHERE = ("198.19.0.0/16",)
_BRIDGES = Path("/sys/class/net")


class LabNetwork:
    """What every provider has of a lab: the network that its workstation is on.

    `settings` are the provider's own, to be found again with the lab.
    """

    name = ""
    contained = False
    borrowed = False
    overlays: tuple[str, ...] = ()
    avoided: tuple[IPv4Network, ...] = ()
    """Subnets that the lab's network must not meet, beside those that this machine knows."""

    def __init__(
        self,
        engine: Engine,
        lab: str,
        *,
        size: Size = UNKNOWN,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._engine = engine
        self._api: Any = engine.client.api
        self._lab = lab
        self._size = size
        self._settings = dict(settings or {})
        self.subnet: IPv4Network | None = None
        self.reach = Reach.DIRECT
        self.publish = ""
        self.instance = ""
        self.report: Callable[[str], None] = lambda words: None
        self.remember: Mapping[str, str] = {}
        self.check: Callable[[], None] = lambda: None

    def prepare(self, reach: str = "auto", publish: str = "") -> None:
        """Make the lab's network and decide how the nodes will be reached.

        `reach` is `auto`, `direct`, `published` or `relay`; `publish` is the address to open
        published ports at, 127.0.0.1 when empty. Raises EnvironmentProblem when no subnet is
        free, UsageError for a way that the provider lacks.
        """
        if not self.contained and (publish or reach not in ("auto", Reach.DIRECT.value)):
            raise UsageError(
                say(
                    "The nodes of provider {name} are reached by their own addresses only.",
                    name=self.name,
                ),
                hint=say("Leave --reach and --publish-address away."),
            )
        self.publish = publish
        self.instance = secrets.token_hex(8)
        with explained(say("making the lab's network")):
            taken = subnets.of_engine(self._api.networks())
        if self._here:
            taken += subnets.routes()
        taken += self.avoided
        for _ in range(_SUBNET_TRIES):
            subnet = subnets.choose(taken)
            try:
                network = self._make_network(subnet, reach)
            except APIError as error:
                text = said(error)
                # Someone else took the subnet between our look and our request.
                if "overlap" not in text.lower():
                    raise explain(say("making the lab's network"), text) from error
                taken.append(subnet)
                continue
            self.subnet = subnet
            self.reach = self._choose_reach(reach, str(network["Id"]))
            return
        raise EnvironmentProblem(
            say("No subnet for the lab: each one tried was taken at the same moment."),
            hint=say("Run the command again."),
        )

    def keep_clear(self, *addresses: str) -> None:
        """Have the swarm's overlay networks keep away from where nodes have these addresses.

        Swarm takes them from the beginning of 10.0.0.0/8, which may be a real network's.
        """
        if any(one.startswith(_SWARM) for one in addresses):
            self.overlays = _ELSEWHERE

    def unknown(self) -> Mapping[str, MachineUnknown]:
        """None: whoever makes nodes without a list of them elsewhere has no list to lose."""
        return {}

    @property
    def marks(self) -> dict[str, str]:
        """The labels by which the provider and its settings are found again."""
        if self.contained:
            return dict(self.remember)
        own = {labels.PROVIDER: self.name, labels.SETTINGS: json.dumps(self._settings)}
        return {**own, **self.remember}

    def adopt(self) -> None:
        """Take subnet, reach and instance from the network that is there.

        Raises EnvironmentProblem when it is gone.
        """
        with explained(say("looking at the lab's network")):
            found = self._api.networks(names=[labels.network(self._lab)])
        exact = [net for net in found if net["Name"] == labels.network(self._lab)]
        if not exact:
            raise EnvironmentProblem(
                say("The lab's network is gone."), hint=say("Run `swarmlab up`.")
            )
        told = exact[0]["Labels"] or {}
        self.subnet = subnets.of_engine(exact)[0]
        self.instance = told.get(labels.INSTANCE, "")
        found_size = Size.told(told)
        self._size = found_size if found_size.count else self._size
        self.publish = told.get(labels.PUBLISH, "")
        reach = told.get(labels.REACH, "auto")
        self.reach = self._choose_reach(reach, str(exact[0]["Id"]))

    def _make_network(self, subnet: IPv4Network, reach: str) -> dict[str, Any]:
        ipam: Any = {"Driver": "default", "Config": [{"Subnet": str(subnet)}]}
        made: dict[str, Any] = self._api.create_network(
            labels.network(self._lab),
            driver="bridge",
            check_duplicate=True,
            ipam=ipam,
            labels=self._labels(
                labels.ROLE_NETWORK, {labels.REACH: reach, labels.PUBLISH: self.publish}
            ),
        )
        return made

    @cached_property
    def _here(self) -> bool:
        """Whether the engine shares this machine's kernel, so that its routes are ours."""
        import platform

        return self._engine.target.local and self._engine.kernel == platform.release()

    def _choose_reach(self, wanted: str, network_id: str) -> Reach:
        """The way to the nodes.

        To containers it is tried by looking for the network's bridge on this machine: it is
        there exactly where this machine can route to it: not with Docker Desktop, whose
        engine is in a virtual machine, nor with a rootless engine or one elsewhere.
        """
        if not self.contained:
            return Reach.DIRECT
        if wanted != "auto":
            return Reach(wanted)
        if self._here and (_BRIDGES / f"br-{network_id[:12]}").exists():
            return Reach.DIRECT
        if not self._engine.target.local:
            # Its nodes open no port to the network: what reaches the engine reaches them, too.
            return Reach.RELAY
        return Reach.PUBLISHED

    def _labels(self, role: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            labels.LAB: self._lab,
            labels.ROLE: role,
            labels.INSTANCE: self.instance,
            **self._size.marks,
            **self.marks,
            **(more or {}),
        }
