"""Which driver docker-machine is to use, and its options: as asked for, and as remembered."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Any

from swarmlab.errors import SwarmlabError, UsageError
from swarmlab.images.command import Ended
from swarmlab.process import redact
from swarmlab.providers import machine_store as stores
from swarmlab.providers.machine_program import SECRET, failed, nameless, wrong_flags, wrong_option
from swarmlab.providers.registry import Choice
from swarmlab.words import say

NAME = "docker-machine"
STORE, DRIVER, OPTIONS, SECRETS = "store", "driver", "options", "secrets"


def chosen(driver: str, options: Sequence[str]) -> Choice:
    """The provider with a driver (empty: docker-machine's own usual one) and its options.

    Each option is KEY=VALUE, or KEY alone for one that has no value, as `docker-machine create`
    has it, without the dashes. Raises UsageError for anything else.
    """
    for option in options:
        key = option.partition("=")[0].lstrip("-")
        if not key or not all(c.isalnum() or c == "-" for c in key):
            raise UsageError(
                say(
                    "--machine-opt {option}: that is no option of a driver.", option=_shown(option)
                ),
                hint=say("Give KEY=VALUE, such as --machine-opt virtualbox-memory=1024."),
            )
        if key in ("driver", "d", "engine-label"):
            raise UsageError(
                say("--machine-opt {key} is not for you to give.", key=key),
                hint=say(
                    "--machine-driver names the driver; the labels are how swarmlab finds its"
                    " machines again."
                ),
            )
    if driver == "none":
        raise UsageError(
            say("docker-machine's driver none makes no certificates, and a lab needs them."),
            hint=say(
                "`--machine-driver generic` takes machines over; `--provider hosts` uses machines"
                " as they are."
            ),
        )
    kept = [option.lstrip("-") for option in options]
    return Choice(NAME, {STORE: str(stores.usual()), DRIVER: driver, OPTIONS: kept})


def strays() -> dict[str, Choice]:
    """The labs that have machines in the store of this environment."""
    store = stores.usual()
    choice = Choice(NAME, {STORE: str(store)})
    return {one.lab: choice for one in stores.machines(store) if one.lab}


def others(has: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What `wanted` asks for that a lab was not made with, as it is typed.

    Secrets do not count, which are given again, nor what the lab has and nobody repeats.
    """
    if OPTIONS not in has:
        return []
    driver = str(wanted.get(DRIVER) or "")
    found = [] if driver in ("", has.get(DRIVER)) else [f"--machine-driver {shlex.quote(driver)}"]
    new = [one for one in wanted.get(OPTIONS) or () if not secret(one) and one not in has[OPTIONS]]
    return found + [f"--machine-opt {shlex.quote(one)}" for one in new]


def given_again(has: Choice, wanted: Choice | None) -> Choice:
    """A lab's own choice with the secrets that `wanted` has: none are kept with the lab."""
    if wanted is None or has.provider != NAME:
        return has
    if OPTIONS not in has.settings:
        # Its labels are gone: of how it was made only its machines tell, and where they are.
        return Choice(NAME, {**wanted.settings, **has.settings})
    secrets = [option for option in wanted.settings.get(OPTIONS) or () if secret(option)]
    options = [*(has.settings.get(OPTIONS) or ()), *secrets]
    return Choice(NAME, {**has.settings, OPTIONS: options})


def kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a lab remembers of its options: all that are no secrets, and the others' names."""
    given = [str(option) for option in settings.get(OPTIONS) or ()]
    names = {_key(option) for option in given if secret(option)} | set(settings.get(SECRETS) or ())
    found: dict[str, Any] = {OPTIONS: [option for option in given if not secret(option)]}
    return {**found, SECRETS: sorted(names)} if names else found


def networks(options: Sequence[str]) -> tuple[IPv4Network, ...]:
    """The networks that drivers make for their machines: VirtualBox's usual one, and those named.

    They may not be there yet, and a driver refuses one that overlaps what is there.
    """
    found = [IPv4Network("192.168.99.0/24")]
    for option in options:
        value = option.partition("=")[2]
        if "/" in value:
            with suppress(ValueError):
                found.append(IPv4Network(value, strict=False))
    return tuple(found)


def unmade(
    node: str, ended: Ended, settings: Mapping[str, Any], given: Sequence[str]
) -> SwarmlabError:
    """The error for a machine that could not be made; UsageError where its options are why."""
    words = say("docker-machine could not make {node}.", node=node)
    error = failed(words, ended, _way_out(ended, settings, given))
    if wrong_option(ended) or wrong_flags(ended):
        return UsageError(error.message, hint=error.hint, evidence=error.evidence)
    return error


def _way_out(ended: Ended, settings: Mapping[str, Any], given: Sequence[str]) -> str:
    """What to do about it; empty where there is no more to say."""
    again = lacking(settings, given)
    if not wrong_option(ended) and (again or not wrong_flags(ended)):
        return again
    driver = str(settings.get(DRIVER) or "")
    lists = say(
        "`docker-machine create {driver}--help` lists the options; give them without dashes, as"
        " --machine-opt KEY=VALUE.",
        driver=f"--driver {driver} " if driver else "",
    )
    if not nameless(ended):
        return lists
    took = say("An option without =VALUE took the machine's name for its value.")
    return f"{took} {lists}"


def lacking(settings: Mapping[str, Any], given: Sequence[str]) -> str:
    """What to do where a lab was made with secrets that were not given again; empty for none."""
    there = {_key(option) for option in given}
    names = [name for name in settings.get(SECRETS) or () if name not in there]
    if not names:
        return ""
    again = " ".join(f"--machine-opt {name}=..." for name in names)
    return say(
        "The lab was made with a secret that is kept nowhere: give it again, by"
        " `swarmlab up --provider docker-machine {again}`.",
        again=again,
    )


def secret(option: str) -> bool:
    """Whether the option's value is one that is neither shown nor kept.

    Its name tells, or a password in it: of a proxy, a mirror or a variable.
    """
    key, _, value = option.partition("=")
    return SECRET.search(key) is not None or redact(value) != value


def _key(option: str) -> str:
    return option.partition("=")[0]


def _shown(option: str) -> str:
    key, equals, _ = option.partition("=")
    return f"{key}{equals}..." if equals else key
