"""`up`, `stop`, `start`, `list`, `status`: the cluster's life but for its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from swarmlab.cli.down import down
from swarmlab.cli.options import (
    DEFAULT_LANGUAGE,
    DEFAULT_NAME,
    Catalog,
    Json,
    Language,
    Managers,
    Mirror,
    Name,
    PublishAddress,
    Reach,
    ReachOption,
    RegistryOption,
    Workers,
    speak,
)
from swarmlab.cli.providing import (
    Beside,
    HostsFile,
    LeaveSwarm,
    MachineDriver,
    MachineOptions,
    ProviderName,
    Rename,
    asked,
    typed,
)
from swarmlab.cli.topology import topology
from swarmlab.words import say

if TYPE_CHECKING:
    from collections.abc import Collection

    from swarmlab.cluster.cluster import Cluster
    from swarmlab.model import Lab, Step

PANEL = "The cluster"


def up(
    context: typer.Context,
    name: Name = DEFAULT_NAME,
    managers: Managers = None,
    workers: Workers = None,
    reach: ReachOption = Reach.AUTO,
    publish: PublishAddress = "",
    catalog: Catalog = "",
    registry: RegistryOption = "",
    mirror: Mirror = "",
    provider: ProviderName = "",
    hosts: HostsFile = None,
    beside: Beside = False,
    leave_swarm: LeaveSwarm = False,
    rename: Rename = False,
    machine_driver: MachineDriver = "",
    machine_options: MachineOptions = None,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Bring the lab up: a swarm, of three managers if nothing else is said, and a workstation.

    Given twice it says that the lab is up; a lab of which a part is missing is mended. Images
    that are not there yet are built first, which takes some minutes once; or they come from a
    registry, if one is named.
    """
    from swarmlab import loader
    from swarmlab.cluster import lifecycle
    from swarmlab.console import ConsoleProgress
    from swarmlab.images import sources
    from swarmlab.loading.languages import localized
    from swarmlab.report.cluster import cluster_up
    from swarmlab.student import ProgressStore

    lab = localized(loader.load_builtin("service-discovery"), speak(language))
    wanted = asked(
        provider,
        hosts,
        beside=beside,
        leave_swarm=leave_swarm,
        rename=rename,
        machine_driver=machine_driver,
        machine_options=machine_options,
        context=context,
    )
    with lifecycle.up(
        name,
        managers=managers,
        workers=workers,
        choice=wanted,
        reach=reach.value,
        publish=publish,
        sources=sources.asked(
            catalog,
            registry if typed(context, "registry") else "",
            mirror if typed(context, "mirror") else "",
        ),
        progress=ConsoleProgress(),
    ) as cluster:
        done = ProgressStore(name).done_on(cluster.cluster_id)
        cluster_up(cluster, _following(lab, cluster, done))


def _following(lab: Lab, cluster: Cluster, done: Collection[str]) -> Step | None:
    """The first step that is not done; None too where the lab has too few managers for them."""
    if len(cluster.managers) < lab.managers:
        return None
    return next((step for step in lab.steps if step.id not in done), None)


def stop(name: Name = DEFAULT_NAME, language: Language = DEFAULT_LANGUAGE) -> None:
    """Stop the lab's nodes and its workstation, and keep all that is in them.

    For the night, or before the machine is shut down; a machine that was shut down without it
    leaves the lab in the same state. Given twice it says so and is content.
    """
    from swarmlab.cluster import standby
    from swarmlab.console import ConsoleProgress
    from swarmlab.report.cluster import cluster_stopped

    speak(language)
    cluster_stopped(standby.stop(name, ConsoleProgress()))


def start(name: Name = DEFAULT_NAME, language: Language = DEFAULT_LANGUAGE) -> None:
    """Start a stopped lab again: same addresses, same swarm, its services, your progress.

    Also after the machine was started anew. Waits until the services run again, then looks
    whether the steps that are done still hold, and says which do not.
    """
    from swarmlab import loader
    from swarmlab.cli.standing import standing
    from swarmlab.cluster import lifecycle
    from swarmlab.console import ConsoleProgress
    from swarmlab.loading.languages import localized
    from swarmlab.report.cluster import cluster_up
    from swarmlab.student import ProgressStore

    spoken = speak(language)
    with lifecycle.start(name, ConsoleProgress()) as cluster:
        found = loader.load_builtin("service-discovery", sources=cluster.sources)
        lab = localized(found, spoken)
        done = ProgressStore(name).done_on(cluster.cluster_id)
        cluster_up(cluster, _following(lab, cluster, done))
    standing(lab, name, done)


def list_(as_json: Json = False, language: Language = DEFAULT_LANGUAGE) -> None:
    """List the labs of this machine: which are up, how many nodes, on which subnet, since when."""
    from swarmlab.cluster import lifecycle
    from swarmlab.cluster.labs import LIST_VERSION
    from swarmlab.report.cluster import lab_list
    from swarmlab.student import ProgressStore

    speak(language)
    found = lifecycle.labs()
    if as_json:
        labs = [lab.to_dict() for lab in found]
        data = {"version": LIST_VERSION, "kind": "swarmlab-list", "labs": labs}
        typer.echo(json.dumps(data, indent=2))
        return
    lab_list(found, {lab.name: len(ProgressStore(lab.name).done()) for lab in found})


def status(
    name: Name = DEFAULT_NAME,
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking, once a second, until Ctrl-C.")
    ] = False,
    probe: Annotated[
        str,
        typer.Option(
            "--probe",
            metavar="PATH",
            help="With --watch: ask port 80 for this path once a second, and show the way that "
            "each request took.",
        ),
    ] = "",
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Show the lab as it is now: nodes, roles, services, data plane, and what is wrong.

    Exit code 0 when the lab is up and well, 3 when it is not.

    With --watch, a picture that follows the lab: nodes, leader, Consul's members, tasks on their
    nodes, whether the proxies agree, and what they answered in the last ten seconds by their own
    counters. Without a terminal, one plain picture for each change.
    """
    from swarmlab import loader
    from swarmlab.cluster import lifecycle
    from swarmlab.console import err
    from swarmlab.errors import EXIT_ENVIRONMENT, UsageError
    from swarmlab.report.cluster import cluster_status
    from swarmlab.student import ProgressStore

    speak(language)
    if watch and as_json:
        raise UsageError(
            say("--watch and --json do not go together: the one never ends."),
            hint=say("Call `swarmlab status --json` as often as you want it."),
        )
    if probe and not (watch and probe.startswith("/")):
        raise UsageError(
            say("--probe takes a path, and needs --watch."),
            hint=say("Like this: `swarmlab status --watch --probe /demo/hello`."),
        )
    if watch:
        _watch(name, probe)
    with err().status(say("Looking at the lab")):
        found = lifecycle.status(name)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        progress = ProgressStore(name)
        done = progress.done() if found.stopped else progress.done_on(found.cluster_id)
        cluster_status(found, loader.load_builtin("service-discovery"), done)
    if not found.healthy:
        raise typer.Exit(EXIT_ENVIRONMENT)


def _watch(name: str, probe: str) -> NoReturn:
    """Show the lab until Ctrl-C. Raises LabAbsent when there is none to begin with."""
    from swarmlab.cluster import lifecycle
    from swarmlab.errors import EXIT_INTERRUPTED, LabAbsent
    from swarmlab.report.watch import follow
    from swarmlab.watching.watcher import Lookout, Watcher

    if name not in lifecycle.names():
        raise LabAbsent(
            say("There is no lab {name!r} on this machine.", name=name),
            hint=say("`swarmlab up` makes one."),
        )
    try:
        with Lookout(Watcher(name, probe)) as lookout:
            follow(lookout)
    except KeyboardInterrupt:
        # The one way to end it: nothing went wrong, so nothing is said.
        raise typer.Exit(EXIT_INTERRUPTED) from None


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(rich_help_panel=PANEL)(up)
    app.command(rich_help_panel=PANEL)(stop)
    app.command(rich_help_panel=PANEL)(start)
    app.command(rich_help_panel=PANEL)(down)
    app.command("list", rich_help_panel=PANEL)(list_)
    app.command(rich_help_panel=PANEL)(status)
    app.command(rich_help_panel=PANEL)(topology)
