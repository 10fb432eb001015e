"""`env`, `ip`, `doctor`: this machine and its way to the nodes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.cli.options import (
    DEFAULT_LANGUAGE,
    DEFAULT_NAME,
    Json,
    Language,
    Managers,
    Name,
    Workers,
    speak,
)
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.cluster.lifecycle import Cluster

PANEL = "This machine"

NodeName = Annotated[str, typer.Argument(help="A node, such as swarm-2.")]


def _cluster(name: str) -> Cluster:
    from swarmlab.cluster import lifecycle
    from swarmlab.errors import LabAbsent

    cluster = lifecycle.find(name)
    if cluster is None:
        raise LabAbsent(
            say("There is no lab {name!r} on this machine.", name=name),
            hint=say("`swarmlab up` makes one."),
        )
    return cluster


def _known(cluster: Cluster, node: str) -> str:
    from swarmlab.errors import UsageError

    if node not in cluster.nodes:
        raise UsageError(
            say("The lab {name!r} has no node {node!r}.", name=cluster.name, node=node),
            hint=say("Name one of its nodes: {nodes}.", nodes=", ".join(cluster.nodes)),
        )
    return node


def env(node: NodeName, name: Name = DEFAULT_NAME, language: Language = DEFAULT_LANGUAGE) -> None:
    """Print what points your own docker client at a node.

    Use it as: eval $(swarmlab env swarm-1). The certificates lie in swarmlab's state folder,
    readable by you alone, and go with `swarmlab down`.
    """
    speak(language)
    with _cluster(name) as cluster:
        host, port = cluster.lasting(_known(cluster, node), 2376)
        values = {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_HOST": f"tcp://{host}:{port}",
            "DOCKER_CERT_PATH": str(cluster.certs(node)),
            "DOCKER_MACHINE_NAME": node,
        }
    for key, value in values.items():
        typer.echo(f"export {key}={shlex.quote(value)}")
    typer.echo(say("# Run this command to configure your shell:"))
    again = f"swarmlab env {node}" + ("" if name == DEFAULT_NAME else f" --name {name}")
    typer.echo(f"# eval $({again})")


def ip(node: NodeName, name: Name = DEFAULT_NAME, language: Language = DEFAULT_LANGUAGE) -> None:
    """Print a node's address, as `docker-machine ip` does."""
    speak(language)
    with _cluster(name) as cluster:
        typer.echo(cluster.address(_known(cluster, node)))


def doctor(
    managers: Managers = None,
    workers: Workers = None,
    as_json: Json = False,
    mend: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Mend what can be mended without harm: kernel modules and settings until the "
            "next start (as root), images to build, what a killed swarmlab left behind.",
        ),
    ] = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Say what this machine can do for a lab, what stops one, and how to mend it.

    For a lab of three managers, if nothing else is said. Changes nothing without --fix. Exit code
    0 when a lab can run here, 3 when something stops it.
    """
    from swarmlab import doctor as examination
    from swarmlab.console import ConsoleProgress, err
    from swarmlab.errors import EXIT_ENVIRONMENT
    from swarmlab.report.diagnosis import diagnosis, mended
    from swarmlab.size import Size

    speak(language)
    nodes = Size.wanted(managers, workers).count
    with err().status(say("Looking at this machine")):
        found = examination.examine(nodes)
    deeds = None
    if mend:
        from swarmlab.mending import fix

        deeds = fix(found.findings, ConsoleProgress())
        if deeds:
            with err().status(say("Looking again")):
                found = examination.examine(nodes)
    if as_json:
        fixed = {} if deeds is None else {"fixed": [deed.to_dict() for deed in deeds]}
        typer.echo(json.dumps({**found.to_dict(), **fixed}, indent=2))
    else:
        diagnosis(found)
        if deeds is not None:
            mended(deeds)
    if not found.healthy:
        raise typer.Exit(EXIT_ENVIRONMENT)


def support_bundle(
    file: Annotated[
        Path | None, typer.Argument(help="The file to write; without it, a new one in this folder.")
    ] = None,
    name: Name = DEFAULT_NAME,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Collect in one file what somebody needs who is asked for help; secrets are taken out.

    Versions, doctor, status, what runs where, which steps hold, services with their tasks, the
    end of the logs, progress. Needs no lab that is well, and changes nothing. Lists what is in it.
    """
    from swarmlab.console import ConsoleProgress
    from swarmlab.report.support import bundled
    from swarmlab.support import bundle

    speak(language)
    path = file or bundle.default_file(name)
    bundle.refuse(path)
    parts = bundle.collect(name, ConsoleProgress())
    bundle.write(parts, path, name)
    bundled(parts, path)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (env, ip, doctor, support_bundle):
        app.command(rich_help_panel=PANEL)(command)
