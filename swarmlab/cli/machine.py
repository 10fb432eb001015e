"""`env`, `ip`, `doctor`: this machine and its way to the nodes."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.cli.options import DEFAULT_NAME, Json, Name

if TYPE_CHECKING:
    from swarmlab.cluster.lifecycle import Cluster

PANEL = "This machine"

NodeName = Annotated[str, typer.Argument(help="A node: swarm-1, swarm-2 or swarm-3.")]


def _cluster(name: str) -> Cluster:
    from swarmlab.cluster import lifecycle
    from swarmlab.errors import LabAbsent

    cluster = lifecycle.find(name)
    if cluster is None:
        raise LabAbsent(
            f"There is no lab {name!r} on this machine.", hint="`swarmlab up` makes one."
        )
    return cluster


def _known(cluster: Cluster, node: str) -> str:
    from swarmlab.errors import UsageError

    if node not in cluster.nodes:
        raise UsageError(
            f"The lab {cluster.name!r} has no node {node!r}.",
            hint=f"Its nodes are {', '.join(cluster.nodes)}.",
        )
    return node


def env(node: NodeName, name: Name = DEFAULT_NAME) -> None:
    """Print what points your own docker client at a node.

    Use it as: eval $(swarmlab env swarm-1). The certificates lie in swarmlab's state folder,
    readable by you alone, and go with `swarmlab down`.
    """
    with _cluster(name) as cluster:
        host, port = cluster.endpoint(_known(cluster, node), 2376)
        values = {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_HOST": f"tcp://{host}:{port}",
            "DOCKER_CERT_PATH": str(cluster.certificates),
            "DOCKER_MACHINE_NAME": node,
        }
    for key, value in values.items():
        typer.echo(f"export {key}={shlex.quote(value)}")
    typer.echo("# Run this command to configure your shell:")
    again = f"swarmlab env {node}" + ("" if name == DEFAULT_NAME else f" --name {name}")
    typer.echo(f"# eval $({again})")


def ip(node: NodeName, name: Name = DEFAULT_NAME) -> None:
    """Print a node's address, as `docker-machine ip` does."""
    with _cluster(name) as cluster:
        typer.echo(cluster.address(_known(cluster, node)))


def doctor(as_json: Json = False) -> None:
    """Say what this machine can do for a lab, what stops one, and how to mend it.

    Changes nothing. Exit code 0 when a lab can run here, 3 when something stops it.
    """
    from swarmlab import doctor as examination
    from swarmlab.errors import EXIT_ENVIRONMENT
    from swarmlab.report.cluster import diagnosis

    found = examination.examine()
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        diagnosis(found)
    if not found.healthy:
        raise typer.Exit(EXIT_ENVIRONMENT)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (env, ip, doctor):
        app.command(rich_help_panel=PANEL)(command)
