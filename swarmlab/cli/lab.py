"""`lab lint`, `lab test`, `lab schema`, `lab new`: what authors of labs need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from swarmlab.cli.helping import Group
from swarmlab.cli.options import DEFAULT_LANGUAGE, Json, Language, Name, speak
from swarmlab.words import say

PANEL = "Labs of your own"

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Write a lab of your own: begin one, look for problems in it, prove it.",
)


@app.command()
def lint(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="The lab's folder; default: the one you are in, else the built-in chapter."
        ),
    ] = None,
    as_json: Json = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Name every problem in a lab's files at once, with file, line, column and what was meant.

    Needs no cluster and runs nothing. Exit code 0 when there is none, 2 when there are some.
    """
    from swarmlab import linting, loader, naming
    from swarmlab.errors import EXIT_USAGE
    from swarmlab.images.catalog import substitutions
    from swarmlab.report.linting import linted
    from swarmlab.resources import labs_dir

    speak(language)
    if folder is None:
        here = Path()
        there = labs_dir() / naming.CHAPTER
        folder = here if (here / loader.LAB_FILE).exists() else there
    found = linting.lint(folder, images=substitutions("local"))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        linted(found)
    if found.problems:
        raise typer.Exit(EXIT_USAGE)


@app.command()
def schema() -> None:
    """Print the JSON schema of `lab.yaml`, with which editors complete and check it."""
    from swarmlab.loading.schema import text

    typer.echo(text(), nl=False)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; its name becomes the id.")],
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Make a small lab that lints and runs, to be changed into your own."""
    from swarmlab import scaffold

    speak(language)
    made = scaffold.make(folder)
    typer.echo(say("Made {count} files in {folder}:", count=len(made), folder=folder))
    for path in made:
        typer.echo(f"  {path}")
    typer.echo(
        say(
            "What next: `swarmlab lab lint {folder}`, then `swarmlab run --lab {folder}`.",
            folder=folder,
        )
    )


@app.command()
def test(
    steps: Annotated[
        list[str] | None,
        typer.Argument(metavar="STEP", help="Numbers or ids of steps; default: all."),
    ] = None,
    mistakes: Annotated[
        bool, typer.Option("--mistakes", help="Prove the steps' typical mistakes instead.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ID", help="Only this mistake; can be given repeatedly."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Prove only this many mistakes, drawn by lot."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Draw the same mistakes as the run that named this seed."),
    ] = None,
    lab: Annotated[
        str, typer.Option("--lab", help="The lab's folder; default: the built-in chapter.")
    ] = "service-discovery",
    name: Name = "author",
    as_json: Json = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Prove a lab on a real cluster: that its steps, checks, resets and hints can be trusted.

    Each step: its checks fail before its commands, for the reason that the lab file expects, and
    pass after; its reset brings back the state before; done again, it ends the same. Each mistake
    (--mistakes): its check catches it, its hint is shown, and it can be undone. States are
    compared by what the engines and Consul tell, not by what commands say.

    Brings up a lab of its own, called author, and leaves it up.
    """
    from swarmlab.authoring import run
    from swarmlab.errors import UsageError
    from swarmlab.report.proofs import ProofTeller, summary

    speak(language)
    if not mistakes and (only or sample is not None or seed is not None):
        raise UsageError(
            say("--only, --sample and --seed choose mistakes."),
            hint=say("Add --mistakes to prove those."),
        )
    chosen = run.Choice(tuple(steps or ()), mistakes, tuple(only or ()), sample, seed)
    teller = ProofTeller(quiet=as_json)
    proofs = run.prove(lab, name, chosen, teller)
    if as_json:
        typer.echo(json.dumps(proofs.to_dict(), indent=2))
    else:
        summary(proofs)
    raise typer.Exit(proofs.exit_code)
