"""Where a lab's nodes come from, as the command line says it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.errors import UsageError
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.providers.registry import Choice

PANEL = "Machines of your own"
MACHINES = "Machines that docker-machine makes"

ProviderName = Annotated[
    str,
    typer.Option(
        "--provider",
        envvar="SWARMLAB_PROVIDER",
        help="Where the nodes of a new lab come from: dind (containers on your Docker engine, the "
        "usual), docker-machine (machines that it makes) or hosts (machines of your own).",
        show_default=False,
    ),
]
HostsFile = Annotated[
    Path | None,
    typer.Option(
        "--hosts",
        metavar="FILE",
        envvar="SWARMLAB_HOSTS",
        help="The file that names the machines of your own.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
LostHosts = Annotated[
    Path | None,
    typer.Option(
        "--hosts",
        metavar="FILE",
        help="The file that names the machines of your own, where this engine has lost the lab.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
Beside = Annotated[
    bool,
    typer.Option(
        "--beside-containers",
        help="Use machines that run containers of others, too. Those are never touched.",
        rich_help_panel=PANEL,
    ),
]
LeaveSwarm = Annotated[
    bool,
    typer.Option(
        "--leave-swarm",
        help="Take the machines out of the swarm that they are in, for good: what runs there is "
        "lost with its last manager, and `down` does not bring it back.",
        rich_help_panel=PANEL,
    ),
]
Rename = Annotated[
    bool,
    typer.Option(
        "--rename",
        help="Call the machines swarm-1, swarm-2 and so on while the lab is up.",
        rich_help_panel=PANEL,
    ),
]

MachineDriver = Annotated[
    str,
    typer.Option(
        "--machine-driver",
        help="docker-machine's driver, such as virtualbox. Without it SWARMLAB_MACHINE_DRIVER, or "
        "docker-machine's usual one.",
        rich_help_panel=MACHINES,
        show_default=False,
    ),
]
MachineOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--machine-opt",
        metavar="KEY=VALUE",
        help="An option of that driver, without its dashes; {n} in it becomes the node's number, "
        "{name} the lab's name. May be given more than once; or SWARMLAB_MACHINE_OPTS.",
        rich_help_panel=MACHINES,
        show_default=False,
    ),
]

_PARAMETERS = (
    *("provider", "hosts", "beside", "leave_swarm", "rename"),
    *("machine_driver", "machine_options"),
)


def typed(context: typer.Context, *parameters: str) -> bool:
    """Whether one of these was given with the command, not by the environment or not at all."""
    sources = [context.get_parameter_source(name) for name in parameters]
    return any(source is not None and source.name == "COMMANDLINE" for source in sources)


def asked(
    provider: str,
    hosts: Path | None,
    *,
    beside: bool = False,
    leave_swarm: bool = False,
    rename: bool = False,
    machine_driver: str = "",
    machine_options: Sequence[str] | None = None,
    context: typer.Context | None = None,
) -> Choice | None:
    """The provider that the options ask for; None for the lab's own or the usual one.

    With the command's `context`, what the environment alone asks for does not count: it is for
    new labs, and looked at when one is made. Raises UsageError for options that do not go together.
    """
    from swarmlab.providers import registry

    if context is not None:
        if not typed(context, *_PARAMETERS):
            return None
        if typed(context, "hosts") and not typed(context, "provider"):
            provider = ""
    if hosts is not None and provider in ("", "hosts"):
        from swarmlab.providers.hosts import file, machines
        from swarmlab.providers.hosts.guards import Consent

        # Refuses docker-machine's options.
        registry.asked("hosts", machine_driver, machine_options)
        consent = Consent(beside=beside, leave_swarm=leave_swarm, rename=rename)
        return registry.Choice("hosts", machines.settings(file.load(hosts), consent))
    for given, name in (
        (hosts is not None and not _exported(hosts), "--hosts"),
        (beside, "--beside-containers"),
        (leave_swarm, "--leave-swarm"),
        (rename, "--rename"),
    ):
        if given:
            raise UsageError(
                say("{option} is about machines of your own.", option=name),
                hint=say("Give it with `--provider hosts --hosts FILE`, or leave it away."),
            )
    return registry.asked(provider, machine_driver, machine_options)


def _exported(hosts: Path) -> bool:
    """Whether it is the file that the environment names for all commands."""
    return Path(os.environ.get("SWARMLAB_HOSTS", "")) == hosts
