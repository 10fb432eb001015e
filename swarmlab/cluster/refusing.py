"""What `up` refuses before it begins."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from docker import APIClient

from swarmlab.cluster.remains import Remains
from swarmlab.engine import Engine
from swarmlab.errors import ClusterProblem, EnvironmentProblem, UsageError
from swarmlab.images import sources, trust
from swarmlab.images.catalog import LOCAL
from swarmlab.images.sources import Sources
from swarmlab.providers import machine_options, registry
from swarmlab.providers.hosts import belonging
from swarmlab.providers.problems import explained
from swarmlab.providers.registry import Choice
from swarmlab.words import say


def other_provider(name: str, has: Choice, wanted: Choice | None) -> None:
    """Raises UsageError when a lab is to have another provider than it has."""
    if wanted is not None and wanted.provider != has.provider:
        raise UsageError(
            say(
                "The nodes of the lab {name!r} are from provider {provider}.",
                name=name,
                provider=has.provider,
            ),
            hint=say("`swarmlab down` removes it; or give the new lab another --name."),
        )
    if wanted is not None and wanted.settings and not registry.alike(has, wanted):
        raise UsageError(
            say("The nodes of the lab {name!r} are on other machines.", name=name),
            hint=say("`swarmlab down` removes it; or give the new lab another --name."),
        )


def other_machines(name: str, has: Choice, wanted: Choice | None) -> None:
    """Machines stay as docker-machine has made them. Raises UsageError for a driver or an option
    that was typed and that the lab was not made with; what is exported is only told."""
    exported = _exported_options(has)
    asked = machine_options.others(has.settings, wanted.settings) if wanted else []
    typed = [option for option in asked if option not in exported]
    if not typed:
        return
    options = say(" and ").join(typed)
    leave = say("Leave {options} away to go on with the lab as it is.", options=options)
    anew = say("`swarmlab down` removes it; then bring it up the other way.")
    raise UsageError(
        say("The lab {name!r} was made without {options}.", name=name, options=options),
        hint=f"{leave} {anew}",
    )


def _exported_options(has: Choice) -> list[str]:
    """The driver and the options that the environment asks for, and such a lab was made without."""
    if has.provider == machine_options.NAME:
        with suppress(UsageError):  # what makes no sense asks for nothing
            wish = registry.asked(has.provider)
            return machine_options.others(has.settings, wish.settings if wish else {})
    return []


def lost(there: Remains) -> None:
    """Raises MachineUnknown for a lab with a machine elsewhere of which nothing can be told.

    What is to be done to the others is not begun on half a knowledge.
    """
    for error in there.unknown.values():
        raise error


def change(name: str, there: Remains, reach: str, publish: str) -> None:
    """The way to a lab's nodes is laid when they are made, and stays as it is."""
    hint = say("`swarmlab down` removes it; then bring it up the other way.")
    if publish and publish != there.publish:
        at = there.publish or say("no other address")
        raise UsageError(
            say("The lab {name!r} is there, and its ports are open at {at}.", name=name, at=at),
            hint=hint,
        )
    ways_now = {node.reach.value for node in there.info.nodes}
    if reach != "auto" and ways_now - {reach}:
        now = ", ".join(f"`--reach {way}`" for way in sorted(ways_now))
        raise UsageError(
            say("The lab {name!r} is there, made with {now}.", name=name, now=now), hint=hint
        )


def other_images(name: str, has: Sources, wanted: Sources | None) -> None:
    """A lab's commands speak of the images that it was made with, and its nodes are set up for
    the registry that they came from. Raises UsageError."""
    if wanted is None:
        return
    other = Sources(
        wanted.catalog or has.catalog,
        wanted.registry or has.registry,
        wanted.mirror or has.mirror,
    )
    if other.originals != has.originals or _elsewhere(has, other):
        raise UsageError(
            say(
                "The lab {name!r} was made with {has}, not {wanted}.",
                name=name,
                has=str(has),
                wanted=str(other),
            ),
            hint=_go_on_or_anew(has, wanted),
        )


def _go_on_or_anew(has: Sources, wanted: Sources) -> str:
    """What to type for the lab as it is, and for one with the other images."""
    catalog = wanted.catalog if wanted.catalog not in ("", has.catalog or LOCAL) else ""
    # What nobody typed stands in a profile, perhaps since long ago.
    exported = catalog and os.environ.get("SWARMLAB_CATALOG", "").strip() == catalog
    asked = {
        "--catalog": "" if exported else catalog,
        "--registry": str(wanted.registry or "") if wanted.registry != has.registry else "",
        "--registry-mirror": wanted.mirror if wanted.mirror != has.mirror else "",
    }
    typed = {option: value for option, value in asked.items() if value}
    ways = []
    if exported:
        unset = say(
            "The environment asks for them: unset SWARMLAB_CATALOG to go on with the lab as it is."
        )
        ways.append(unset)
    if typed:
        given = say(" and ").join(typed)
        ways.append(say("Leave {options} away to go on with the lab as it is.", options=given))
    options = "".join(f" {option} {shlex.quote(value)}" for option, value in typed.items())
    anew = say(
        "A lab keeps its images, because its nodes and its steps go by them: for others `swarmlab "
        "down` removes it with all that was done in it, then `{up}` makes it anew.",
        up=f"swarmlab up{options}",
    )
    return " ".join([*ways, anew])


def kept(name: str, there: Remains, choice: Choice | None, wanted: Sources | None) -> list[str]:
    """What to say of a lab that keeps what it has although the environment asks for another.

    A variable that was set in a profile later on is no reason not to mend a lab.
    """
    notes = [_own_provider(name, there.choice)] if choice is None else []
    if choice is not None or registry.exported() == there.choice.provider:
        notes.append(_own_options(name, there.choice))
    has = there.sources
    other = sources.wanted(wanted or sources.USUAL)
    # From where swarmlab's own images come, when one is missing, was nobody's choice then.
    chosen = has.originals or has.registry is not None
    if _elsewhere(has, other if chosen else replace(other, registry=None)):
        notes.append(say("The lab keeps {has}: its nodes were made for it.", has=str(has)))
    return list(filter(None, notes))


def _own_provider(name: str, has: Choice) -> str:
    """What to say when the environment asks for other nodes; empty when it does not."""
    asked = registry.exported()
    if asked not in ("", has.provider):
        return say(
            "The environment asks for provider {asked}; the lab {name!r} keeps its own, "
            "{provider}.",
            asked=asked,
            name=name,
            provider=has.provider,
        )
    if asked != "hosts":
        return ""
    with suppress(UsageError):  # a file that cannot be read asks for nothing
        wish = registry.wanted()
        if wish.settings and not registry.alike(has, wish):
            return say(
                "The lab {name!r} keeps its machines; SWARMLAB_HOSTS names others.", name=name
            )
    return ""


def _own_options(name: str, has: Choice) -> str:
    """What to say when the environment asks for a driver or options that a lab's machines lack."""
    options = say(" and ").join(_exported_options(has))
    return options and say(
        "The environment asks for {options}; the lab {name!r} keeps its machines as they are.",
        options=options,
        name=name,
    )


def _elsewhere(has: Sources, wanted: Sources) -> bool:
    """Whether another registry or mirror is wanted than there is."""
    return wanted.registry not in (None, has.registry) or wanted.mirror not in ("", has.mirror)


def registries(choice: Choice, wanted: Sources) -> None:
    """Raises UsageError for what the nodes' engines cannot do.

    Engines that are not swarmlab's are not set up by it; and none can ask this machine by an
    address that is each node's own.
    """
    if wanted.originals and wanted.registry and wanted.registry.hub:
        raise UsageError(
            say("Docker Hub has no copies of the originals below a prefix."),
            hint=say("Leave --registry away: `--catalog upstream` alone asks Docker Hub."),
        )
    asked = {urlsplit(wanted.mirror).netloc} if wanted.mirror else set()
    if wanted.originals and wanted.registry:
        asked.add(wanted.registry.host)
    for host in sorted(asked):
        if trust.own(host):
            raise UsageError(
                say("The nodes cannot ask {host}: for each of them that is itself.", host=host),
                hint=say(
                    "Name the machine with the registry by an address that leads there from "
                    "inside a node, such as this machine's own in the local network."
                ),
            )
        if choice.contained and trust.sixth(host):
            raise UsageError(
                say("The nodes cannot ask {host}: a lab's network has IPv4 alone.", host=host),
                hint=say("Name the registry by an IPv4 address, or by a name that has one."),
            )
    if not choice.contained and (wanted.mirror or wanted.plain):
        raise UsageError(
            say(
                "The engines of provider {provider} ask the registries that they are set up for; "
                "swarmlab does not change that.",
                provider=choice.provider,
            ),
            hint=say(
                "Leave --registry-mirror away, name a --registry with TLS, and set the machines "
                "up for the others yourself."
            ),
        )


def rootless(engine: Engine) -> None:
    """Raises EnvironmentProblem for an engine without the rights that nodes on it need."""
    from swarmlab import findings

    with explained(say("asking the engine about itself")):
        found = findings.rootless(engine.client.api.info())
    if found is not None:
        raise EnvironmentProblem(
            say("A lab cannot run here: {seen}. {why}", seen=found.seen, why=found.why),
            hint=found.mend,
        )


def other_swarms(apis: Mapping[str, APIClient], addresses: Mapping[str, str]) -> None:
    """A machine of somebody's own stays in a swarm that has other managers than the lab's nodes.

    Raises ClusterProblem.
    """
    for node, api in apis.items():
        if _managers(api) - set(addresses.values()):
            raise _in_swarm(node)


def own_swarm(api: APIClient, node: str, addresses: Mapping[str, str]) -> None:
    """The same for a node that is no member of the lab's swarm: one in which no other node of the
    lab is a manager is its owner's. Raises ClusterProblem."""
    if not _managers(api) - {addresses[node]}:
        raise _in_swarm(node)


def _managers(api: APIClient) -> set[str]:
    """The addresses of the managers that the engine knows of, itself included if it is one."""
    with explained(say("asking the engine about itself")):
        return belonging.managers(api.info().get("Swarm") or {})


def _in_swarm(node: str) -> ClusterProblem:
    """What is said of a machine whose swarm is not the lab's."""
    return ClusterProblem(
        say("{node} is in another swarm than the lab's, and is left there.", node=node),
        hint=say(
            "If nobody needs that swarm, type `docker swarm leave --force` on that machine and run "
            "the command again; otherwise `swarmlab down` takes the lab off the machines."
        ),
    )


def changed(name: str, changes: Sequence[str]) -> None:
    """Raises EnvironmentProblem when `down` left machines otherwise than they were before."""
    if changes:
        raise EnvironmentProblem(
            say(
                "The lab {name!r} is gone, but not all machines are as they were found.", name=name
            ),
            evidence="\n".join(changes),
            hint=say("What is new there and not the lab's was left alone: look whose it is."),
        )
