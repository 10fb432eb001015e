"""`shell`, `ssh`, `logs`, `copy-commands`: typing by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmlab.cli.chapter import StepName, find, in_language
from swarmlab.cli.options import (
    DEFAULT_LAB,
    DEFAULT_LANGUAGE,
    DEFAULT_NAME,
    LabName,
    Language,
    Name,
    speak,
)

PANEL = "By hand"


def shell(
    command: Annotated[
        str | None,
        typer.Option("-c", "--command", help="Run this one command instead of asking for some."),
    ] = None,
    name: Name = DEFAULT_NAME,
    lang: Language = DEFAULT_LANGUAGE,
) -> None:
    """Open a shell in the workstation, where all that the chapter types is at hand.

    Its prompt names the node that docker commands go to. History lasts, also over `down` and
    `up`. Ends with the exit code of the last command, or of the one given with -c.
    """
    from swarmlab import words
    from swarmlab.cluster import shells

    words.use(lang)
    if command is None:
        from swarmlab.report.hand import greeting

        greeting(name)
    raise typer.Exit(shells.workstation(name, command))


def ssh(
    node: Annotated[str, typer.Argument(help="A node, such as swarm-2.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="What to run there; without it, a shell."),
    ] = None,
    name: Name = DEFAULT_NAME,
    lang: Language = DEFAULT_LANGUAGE,
) -> None:
    """Open a shell in a node, or run one command there and end with its exit code.

    Options of swarmlab come before the node: what follows it belongs to the command.
    """
    from swarmlab.cluster import shells

    speak(lang)
    raise typer.Exit(shells.node(name, node, words or []))


def logs(
    service: Annotated[str, typer.Argument(help="A service of the swarm: proxy, go-demo ...")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on printing what is written, until Ctrl-C.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            "--since", help="Only what is not older: 10m, 2h, or a time as 2026-05-04T14:05:00."
        ),
    ] = "",
    name: Name = DEFAULT_NAME,
    lang: Language = DEFAULT_LANGUAGE,
) -> None:
    """Print what the tasks of a service wrote, on whichever nodes they run."""
    from swarmlab.cluster import shells
    from swarmlab.console import ConsoleProgress
    from swarmlab.errors import EXIT_INTERRUPTED

    speak(lang)
    try:
        code = shells.logs(name, service, ConsoleProgress(), follow=follow, since=since)
    except KeyboardInterrupt:
        # The usual way to end it; there is nothing to explain.
        code = EXIT_INTERRUPTED
    raise typer.Exit(code)


def copy_commands(
    which: StepName,
    target: Annotated[
        Path | None, typer.Option("--out", help="Write them to this file instead.")
    ] = None,
    clipboard: Annotated[
        bool, typer.Option("--clipboard", help="Put them into this machine's clipboard instead.")
    ] = False,
    name: Name = DEFAULT_NAME,
    lab_id: LabName = DEFAULT_LAB,
    lang: Language = DEFAULT_LANGUAGE,
) -> None:
    """Print a step's commands, ready to paste into `swarmlab shell`, and nothing else.

    After a command that only gives an order stand lines that wait until it is carried out, as
    whoever types would.
    """
    from swarmlab import clipboard as clip
    from swarmlab.images.catalog import LOCAL
    from swarmlab.images.sources import Sources
    from swarmlab.pasting import pasted
    from swarmlab.report import hand

    lab = in_language(lang, lab_id, name)
    step = find(lab, which)
    text = pasted(step, Sources(lab.catalog or LOCAL).names()["util"])
    if target is not None:
        hand.written(target, text)
    if clipboard:
        hand.copied(step, clip.put(text))
    if target is None and not clipboard:
        typer.echo(text, nl=False)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(rich_help_panel=PANEL)(shell)
    app.command(
        rich_help_panel=PANEL,
        context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
    )(ssh)
    app.command(rich_help_panel=PANEL)(logs)
    app.command("copy-commands", rich_help_panel=PANEL)(copy_commands)
