"""The providers by name, which one a lab has, and which one is asked for."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmlab import labels
from swarmlab.engine import Engine
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.providers.base import Provider
from swarmlab.size import UNKNOWN, Size
from swarmlab.words import say

USUAL = "dind"


@dataclass(frozen=True)
class Choice:
    """A provider and its settings, which hold nothing but what JSON can.

    The provider keeps no secret that may be among them.
    """

    provider: str = USUAL
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def contained(self) -> bool:
        """Whether the nodes are containers on the lab's own engine."""
        return self.provider == USUAL


NO_OTHER = Choice()
"""The usual provider, which needs no settings."""


def make(
    choice: Choice,
    engine: Engine,
    lab: str,
    *,
    image: Callable[[], str] = lambda: "",
    size: Size = UNKNOWN,
) -> Provider:
    """The provider of that lab. `image` tells what nodes that are containers are made from.

    Raises UsageError for a provider that nobody knows or settings that it cannot work with.
    """
    return PROVIDERS[known(choice.provider)](engine, lab, choice.settings, image, size)


def known(name: str) -> str:
    """The name again. Raises UsageError when there is no such provider."""
    if name not in PROVIDERS:
        raise UsageError(
            say("There is no provider {name!r}.", name=name),
            hint=say("Choose one with --provider: {names}.", names=say(", ").join(PROVIDERS)),
        )
    return name


def understood(choice: Choice, lab: str) -> None:
    """Raises EnvironmentProblem for a lab that another swarmlab has made, with a provider unknown
    to this one."""
    if choice.provider not in PROVIDERS:
        raise EnvironmentProblem(
            say(
                "The nodes of the lab {lab!r} are from provider {provider}, which this version of "
                "swarmlab does not know.",
                lab=lab,
                provider=choice.provider,
            ),
            hint=say("Use the version of swarmlab that made it."),
        )


def told(listed: Iterable[Mapping[str, Any]]) -> Choice:
    """What the labels of what a lab has on its engine say; `dind` when they say nothing."""
    for one in listed:
        marks = one.get("Labels") or {}
        if labels.PROVIDER in marks:
            try:
                settings = json.loads(marks.get(labels.SETTINGS) or "{}")
            except ValueError:
                settings = {}
            return Choice(marks[labels.PROVIDER], settings if isinstance(settings, dict) else {})
    return NO_OTHER


def alike(one: Choice, other: Choice) -> bool:
    """Whether two choices of the same provider mean the same machines, where it has any."""
    from swarmlab.providers.hosts import machines

    return one.provider != "hosts" or machines.same(one.settings, other.settings)


def asked(
    provider: str = "", machine_driver: str = "", machine_options: Sequence[str] | None = None
) -> Choice | None:
    """The provider that a command's options ask for; None when they ask for none.

    Of docker-machine, what they leave open is taken from the environment. Raises UsageError for a
    provider unknown, and for options that another one has.
    """
    machine = bool(machine_driver or machine_options)
    if not (provider or machine):
        return None
    name = known(provider or USUAL)
    if name != "docker-machine":
        if machine:
            raise UsageError(
                say("--machine-driver and --machine-opt are not for provider {name}.", name=name),
                hint=say("Give --provider docker-machine, too, or leave them away."),
            )
        return Choice(name)
    from swarmlab.providers.machine_options import chosen

    driver = machine_driver or os.environ.get("SWARMLAB_MACHINE_DRIVER", "")
    return chosen(driver, machine_options or _exported_options())


def _exported_options() -> list[str]:
    try:
        return shlex.split(os.environ.get("SWARMLAB_MACHINE_OPTS", ""))
    except ValueError:
        raise UsageError(
            say("SWARMLAB_MACHINE_OPTS cannot be read: a quote or a backslash in it has no end."),
            hint=say("Write the options as in a shell, with spaces between them."),
        ) from None


def exported() -> str:
    """The provider that this process's environment asks for, known or not; empty for none."""
    name = os.environ.get("SWARMLAB_PROVIDER", "").strip()
    return name or ("hosts" if os.environ.get("SWARMLAB_HOSTS", "").strip() else "")


def wanted() -> Choice:
    """What this process's environment asks for. Raises UsageError for a provider unknown."""
    name = exported()
    file = os.environ.get("SWARMLAB_HOSTS", "").strip()
    if name == "hosts" and file:
        from swarmlab.providers.hosts import machines
        from swarmlab.providers.hosts.file import load
        from swarmlab.providers.hosts.guards import Consent

        return Choice(name, machines.settings(load(Path(file)), Consent()))
    return asked(name) or NO_OTHER


def given_again(has: Choice, wanted: Choice | None) -> Choice:
    """A lab's own choice with what no lab keeps, and `wanted` or the environment brings again."""
    if has.provider == "hosts":
        from swarmlab.providers.hosts import machines

        again = machines.given_again(has.settings, wanted.settings if wanted else {})
        return Choice(has.provider, again)
    from swarmlab.providers import machine_options

    if wanted is None and has.provider == machine_options.NAME:
        with suppress(UsageError):  # options that make no sense have no secret to bring
            wanted = asked(has.provider)
    return machine_options.given_again(has, wanted)


def sized(choice: Choice, managers: int | None, workers: int | None) -> Size:
    """The size of a new lab; of machines that a file names all are used, as managers first of all.

    Raises UsageError for one that makes no sense.
    """
    named = choice.settings.get("hosts") if choice.provider == "hosts" else None
    if named:
        from swarmlab.providers.hosts import machines

        managers, workers = machines.counted(len(named), managers, workers)
    return Size.wanted(managers, workers)


def strays() -> dict[str, Choice]:
    """Labs of which a provider's own list has nodes, by name; whatever else is left of them."""
    from swarmlab.providers import machine_options

    return machine_options.strays()


def forsaken(
    choice: Choice, engine: Engine, lab: str, tell: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """End what still makes nodes of that lab elsewhere, and remove what is half made.

    For whoever holds the lab's lock: a command that was killed has left it. The nodes, and what
    is to be looked for by hand, in words. Raises EnvironmentProblem.
    """
    from swarmlab.providers import machine_making, machine_options, machine_store

    if choice.provider != machine_options.NAME:
        return {}
    store = Path(str(choice.settings.get(machine_options.STORE) or machine_store.usual()))
    found = {}
    for node in machine_making.end(store, lab):
        tell(say("{node} was still being made for a command that was killed: it goes.", node=node))
        found[node] = make(choice, engine, lab).remove(node)
    return found


def _dind(
    engine: Engine, lab: str, settings: Mapping[str, Any], image: Callable[[], str], size: Size
) -> Provider:
    from swarmlab.providers.dind import Dind

    return Dind(engine, lab, image=image, size=size)


def _hosts(
    engine: Engine, lab: str, settings: Mapping[str, Any], image: Callable[[], str], size: Size
) -> Provider:
    from swarmlab.providers.hosts.provider import Hosts

    return Hosts(engine, lab, settings, size)


def _docker_machine(
    engine: Engine, lab: str, settings: Mapping[str, Any], image: Callable[[], str], size: Size
) -> Provider:
    from swarmlab.providers.docker_machine import DockerMachine

    return DockerMachine(engine, lab, settings, size)


PROVIDERS: Mapping[
    str, Callable[[Engine, str, Mapping[str, Any], Callable[[], str], Size], Provider]
] = {"dind": _dind, "docker-machine": _docker_machine, "hosts": _hosts}
