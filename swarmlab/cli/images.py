"""`images build`, `list`, `push`, `pull`: what the lab's containers run."""

from __future__ import annotations

import dataclasses
import json
from contextlib import closing
from typing import Annotated

import typer

from swarmlab.cli.helping import Group
from swarmlab.cli.options import DEFAULT_LANGUAGE, Json, Language, ToRegistry, speak

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build and list the lab's images; give them to a registry, or take them.",
)


@app.command()
def build(
    names: Annotated[
        list[str] | None, typer.Argument(help="Images to build; none: all of them.")
    ] = None,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Build what is missing or has changed; what is built already is left as it is.

    Needs the package mirrors of this machine's own configuration, and no image registry.
    """
    from swarmlab import engine
    from swarmlab.console import ConsoleProgress
    from swarmlab.images import builder
    from swarmlab.report.images import built

    speak(language)
    with closing(engine.connect().client) as client:
        built(builder.ensure(names or None, engine=client, progress=ConsoleProgress()))


@app.command("list")
def list_(as_json: Json = False, language: Language = DEFAULT_LANGUAGE) -> None:
    """List the lab's images: built or not, how large, from where."""
    from swarmlab import engine
    from swarmlab.images import builder
    from swarmlab.report.images import image_list

    speak(language)
    with closing(engine.connect().client) as client:
        found = builder.list_images(client)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(image) for image in found], indent=2))
    else:
        image_list(found)


@app.command()
def push(
    registry: ToRegistry,
    names: Annotated[
        list[str] | None, typer.Argument(help="Images to put there; none: all of them.")
    ] = None,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Put the images into a registry, for machines that cannot or shall not build them.

    What is missing is built first. Name and password, where the registry wants them, are those
    that `docker login` left on this machine.
    """
    from swarmlab import engine
    from swarmlab.console import ConsoleProgress
    from swarmlab.images import registry as registries
    from swarmlab.images import shared
    from swarmlab.report.images import pushed

    speak(language)
    where = registries.parse(registry)
    with closing(engine.connect().client) as client:
        told = ConsoleProgress()
        pushed(shared.push(names or None, engine=client, registry=where, progress=told), where)


@app.command()
def pull(
    registry: ToRegistry,
    names: Annotated[
        list[str] | None, typer.Argument(help="Images to take; none: all of them.")
    ] = None,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Take the images from a registry; what is there already is left as it is.

    `swarmlab up --registry` does it too, for those that a lab starts from.
    """
    from swarmlab import engine
    from swarmlab.console import ConsoleProgress
    from swarmlab.images import registry as registries
    from swarmlab.images import shared
    from swarmlab.report.images import pulled

    speak(language)
    where = registries.parse(registry)
    with closing(engine.connect().client) as client:
        told = ConsoleProgress()
        pulled(shared.ensure(names or None, engine=client, registry=where, progress=told))
