"""The root of the command line: its groups, and the options that stand before a command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from swarmlab import __version__
from swarmlab.cli import (
    bundle,
    chapter,
    cluster,
    fault,
    grade,
    handout,
    images,
    lab,
    machine,
    shell,
    walk,
)
from swarmlab.cli.anywhere import teach, tell_much
from swarmlab.cli.failing import explained
from swarmlab.cli.helping import Group, complete, prepare
from swarmlab.cli.options import language_of_all


class Root(Group):
    """The root group; turns what goes wrong below into words and an exit code."""

    others = machine.PANEL
    line: Sequence[str] = ()
    """What was typed after the program's name."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        teach(self)

    def main(self, *args: Any, **more: Any) -> Any:
        if "_SWARMLAB_COMPLETE" in os.environ:
            complete(self, os.environ)
        return super().main(*args, **more)

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        self.line = tuple(args)
        prepare(self, args, os.environ)
        with explained():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        with explained():
            return super().invoke(ctx)


EPILOG = (
    "Begin with: swarmlab walk (a guided tour), swarmlab run (the whole "
    "chapter by itself), or swarmlab step 1 (one step at a time). Exit codes: "
    "0 passed, 1 a check failed, 2 wrong usage or lab file, 3 the environment, "
    "130 interrupted, 141 nobody read the output to its end."
)

app = typer.Typer(
    cls=Root,
    name="swarmlab",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A real three-manager Docker Swarm on this machine, and a chapter that proves itself.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"swarmlab {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            envvar="SWARMLAB_VERBOSE",
            help="Print each call of an engine, and how long it took, on standard error. Stands "
            "before the command or after it.",
        ),
    ] = False,
    language: Annotated[
        str,
        typer.Option(
            "--lang",
            help="The language of texts, messages and help: en or zh. Stands before the command "
            "or after it; or SWARMLAB_LANG.",
            callback=language_of_all,
            is_eager=True,
            show_default=False,
        ),
    ] = "",
) -> None:
    """A real three-manager Docker Swarm on this machine, and a chapter that proves itself.

    swarmlab brings up three Swarm managers, or as many nodes as you say, walks you through "Service
    discovery inside a Swarm cluster" in fourteen steps, and proves on the live cluster what each
    step claims.
    """
    tell_much(verbose)


cluster.register(app)
walk.register(app)
chapter.register(app)
shell.register(app)
handout.register(app)
grade.register(app)
machine.register(app)
app.add_typer(fault.app, name="fault", rich_help_panel=cluster.PANEL)
app.add_typer(lab.app, name="lab", rich_help_panel=lab.PANEL)
app.add_typer(images.app, name="images", rich_help_panel=machine.PANEL)
bundle.register(app, machine.PANEL)
