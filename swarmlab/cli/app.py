"""The root of the command line: its groups, `--version`, and the one place for errors."""

from __future__ import annotations

import select
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from swarmlab import __version__, naming
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
from swarmlab.errors import EXIT_INTERRUPTED, EXIT_UNHEARD, SwarmlabError, Unheard
from swarmlab.words import say


def _unforeseen() -> list[type[Exception]]:
    """What the engine's client and the file system raise when nobody nearer caught it.

    Looked up in what is loaded already: a command that never asked the engine cannot meet its
    errors, and `--help` must not import its client.
    """
    found: list[type[Exception]] = [OSError]
    for module, name in (("docker.errors", "DockerException"), ("requests", "RequestException")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return found


def _unheard(error: Exception) -> bool:
    """Whether the reader of our output went away (`swarmlab steps | head`), and not a server."""
    if isinstance(error, Unheard) or not isinstance(error, BrokenPipeError):
        return isinstance(error, Unheard)
    ends = select.poll()
    ends.register(sys.stdout.fileno(), 0)
    return bool(ends.poll(0))


class Root(TyperGroup):
    """The root group; turns what goes wrong below into words and an exit code."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        # Typer groups commands by panel only when it renders through Rich, which costs more than
        # the whole of `swarmlab --help`; plain text can have the same headings.
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else "This machine"
            panels.setdefault(title, []).append((name, command.get_short_help_str(limit=200)))
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SwarmlabError as error:
            from swarmlab.console import show_error

            show_error(error)
            raise SystemExit(error.exit_code) from None
        except tuple(_unforeseen()) as error:
            from swarmlab.console import deafen, show_error

            if _unheard(error):
                deafen(sys.stdout)
                # Not 0: nobody heard the end, so nobody may take it for proven.
                raise SystemExit(EXIT_UNHEARD) from None
            from swarmlab.errors import EnvironmentProblem

            told = EnvironmentProblem(
                say(
                    "Something on this machine or its engine failed: {kind}.",
                    kind=type(error).__name__,
                ),
                evidence=str(error).strip().partition("\n")[0][:300],
                hint=say(
                    "`swarmlab status` says where the lab stands, `swarmlab "
                    "doctor` what this machine can do."
                ),
            )
            show_error(told)
            raise SystemExit(told.exit_code) from None
        except KeyboardInterrupt:
            advice = naming.named(say("`swarmlab status` says where the lab stands."))
            sys.stderr.write(f"\n{say('Interrupted.')} {advice}\n")
            raise SystemExit(EXIT_INTERRUPTED) from None


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
            help="Tell every call of an engine and its time on standard error; stands before the "
            "command.",
        ),
    ] = False,
) -> None:
    """A real three-manager Docker Swarm on this machine, and a chapter that proves itself.

    swarmlab brings up three Swarm managers, or as many nodes as you say, walks you through "Service
    discovery inside a Swarm cluster" in fourteen steps, and proves on the live cluster what each
    step claims.
    """
    if verbose:
        from swarmlab.verbose import switch_on

        switch_on()


cluster.register(app)
walk.register(app)
chapter.register(app)
shell.register(app)
handout.register(app)
grade.register(app)
machine.register(app)
app.add_typer(fault.app, name="fault", rich_help_panel=cluster.PANEL)
app.add_typer(lab.app, name="lab", rich_help_panel="Labs of your own")
app.add_typer(images.app, name="images", rich_help_panel="This machine")
bundle.register(app, "This machine")
