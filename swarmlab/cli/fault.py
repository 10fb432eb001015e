"""`fault`: harm the lab on purpose, see what comes of it, and bring everything back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from swarmlab.cli.helping import Group
from swarmlab.cli.options import DEFAULT_LANGUAGE, DEFAULT_NAME, Language, Name, speak

if TYPE_CHECKING:
    from swarmlab.cluster.fault_tasks import Fault

app = typer.Typer(
    cls=Group,
    help="Harm the lab on purpose: for showing what happens, and that it heals.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NodeName = Annotated[str, typer.Argument(help="A node, such as swarm-2.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do it even if the swarm loses its quorum.")]


def _making() -> AbstractContextManager[object]:
    """Something moves on the terminal while it lasts."""
    from swarmlab.console import err
    from swarmlab.words import say

    return err().status(say("Making the fault"))


def _told(fault: Fault) -> None:
    from swarmlab.report.faults import fault_made

    fault_made(fault)


def _harm(deed: str, words: str) -> None:
    """Add the command that does one deed of `cluster.faults` to a node."""

    @app.command(deed, help=words)
    def command(
        node: NodeName,
        sure: Sure = False,
        name: Name = DEFAULT_NAME,
        language: Language = DEFAULT_LANGUAGE,
    ) -> None:
        from swarmlab.cluster import faults

        speak(language)
        with _making(), faults.site(name) as at:
            made = getattr(faults, deed)(at, node, sure)
        _told(made)


_harm("stop", "Stop a node, as if it had been switched off.")


@app.command()
def start(node: NodeName, name: Name = DEFAULT_NAME, language: Language = DEFAULT_LANGUAGE) -> None:
    """Start a node that was stopped or paused, and wait until the swarm sees it."""
    from swarmlab.cluster import faults
    from swarmlab.console import ConsoleProgress

    speak(language)
    with faults.site(name) as at:
        _told(faults.start(at, node, ConsoleProgress()))


_harm("pause", "Freeze a node: it is there, and answers nobody.")
_harm("cut", "Cut a node off from the other nodes; you can still ask it how it sees the world.")


@app.command()
def kill(
    task: Annotated[
        str, typer.Argument(metavar="SERVICE.SLOT", help="A task: proxy.2, or util.swarm-2.")
    ],
    name: Name = DEFAULT_NAME,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Kill a task's container, and see that another one takes its place."""
    from swarmlab.cluster import fault_tasks

    speak(language)
    with _making():
        made = fault_tasks.kill(name, task)
    _told(made)


@app.command("consul-server")
def consul_server(name: Name = DEFAULT_NAME, language: Language = DEFAULT_LANGUAGE) -> None:
    """Stop the Consul server, and see what its agents can do without it."""
    from swarmlab.cluster import fault_tasks

    speak(language)
    with _making():
        made = fault_tasks.consul_server(name)
    _told(made)


@app.command()
def heal(
    node: Annotated[str | None, typer.Argument(help="The node to heal; none with --all.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Bring everything back, whatever was done to it.")
    ] = False,
    name: Name = DEFAULT_NAME,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Undo what was done to a node, or to the whole lab; wait until the swarm is well."""
    from swarmlab.cluster import faults
    from swarmlab.console import ConsoleProgress
    from swarmlab.errors import UsageError
    from swarmlab.report.faults import healed
    from swarmlab.words import say

    speak(language)
    if (node is None) != everything:
        raise UsageError(
            say("Give either a node, or --all."),
            hint=say("`swarmlab fault heal --all` brings everything back."),
        )
    with faults.site(name) as at:
        if node is None:
            healed(faults.heal_all(at, ConsoleProgress()))
        else:
            healed(faults.heal(at, node, ConsoleProgress()))
