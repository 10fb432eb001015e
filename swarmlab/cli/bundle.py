"""`bundle create|load|verify|fetch` and `serve-bundle`: a lab in one file, for bad wifi."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from swarmlab.cli.helping import Group
from swarmlab.cli.options import DEFAULT_LANGUAGE, Language, speak
from swarmlab.words import say

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Carry the images and swarmlab itself in one file.",
)

BundleFile = Annotated[Path, typer.Argument(help="The bundle's file.", metavar="FILE")]


@app.command()
def create(
    file: BundleFile,
    python: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            help="Carry swarmlab for this Python, too (3.12, say); can be given more than once. "
            "This one is always among them.",
        ),
    ] = None,
    package: Annotated[
        bool, typer.Option(help="Carry swarmlab itself, too; without it, the images only.")
    ] = True,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace a file that is there, once the new one is whole."),
    ] = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Put all images, swarmlab and what it needs into one compressed file.

    Do it where the network is good: images that are missing are built, and pip fetches packages.
    """
    import re

    speak(language)
    from swarmlab import engine
    from swarmlab.bundle import creating
    from swarmlab.bundle.package import this_python
    from swarmlab.console import ConsoleProgress
    from swarmlab.errors import UsageError
    from swarmlab.report.bundle import created

    wanted = list(dict.fromkeys([this_python(), *(python or ())])) if package else []
    for one in wanted:
        if not re.fullmatch(r"3\.\d{1,2}", one):
            raise UsageError(
                say("{one!r} is no Python version.", one=one),
                hint=say("Write it like this: `--python 3.12`."),
            )
    with closing(engine.connect().client) as client:
        progress = ConsoleProgress()
        made = creating.create(file, engine=client, pythons=wanted, progress=progress, force=force)
        created(made)


@app.command()
def load(file: BundleFile, language: Language = DEFAULT_LANGUAGE) -> None:
    """Load a bundle's images into the engine, so that `up` needs no network.

    The bundle is checked first, and either all of its images are loaded or none.
    """
    from swarmlab import engine
    from swarmlab.bundle import loading, reading
    from swarmlab.console import ConsoleProgress
    from swarmlab.report.bundle import loaded

    speak(language)
    with reading.opened(file) as bundle, closing(engine.connect().client) as client:
        loaded(loading.load(bundle, engine=client, progress=ConsoleProgress()))


@app.command()
def verify(file: BundleFile, language: Language = DEFAULT_LANGUAGE) -> None:
    """Check every byte of a bundle, and say what it holds. Needs no engine."""
    from swarmlab.bundle import loading, reading
    from swarmlab.console import ConsoleProgress
    from swarmlab.report.bundle import verified

    speak(language)
    with reading.opened(file) as bundle:
        with ConsoleProgress().stage(say("Checking the bundle")) as stage:
            bundle.check(stage.say)
            total = reading.digest(file)
        verified(bundle, total, loading.unfit(bundle.manifest))


@app.command()
def fetch(
    url: Annotated[str, typer.Argument(help="Where it is: what `serve-bundle` printed.")],
    file: BundleFile,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Copy a bundle over the network; given again after a break, it goes on from there."""
    from swarmlab.bundle import fetching
    from swarmlab.console import ConsoleProgress
    from swarmlab.report.bundle import fetched

    speak(language)
    fetched(fetching.fetch(url, file, ConsoleProgress()))


def serve_bundle(
    file: BundleFile,
    bind: Annotated[
        str,
        typer.Option(help="The address of this machine to open, as the room's network has it."),
    ] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to open.")] = 8642,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Let the laptops of the room fetch a bundle from this machine, until Ctrl-C.

    Nothing but the bundle can be had, and nothing is opened before you say at which address.
    """
    from swarmlab.bundle import serving
    from swarmlab.errors import UsageError
    from swarmlab.report.bundle import Copies, offered

    speak(language)
    if not bind:
        ours = serving.addresses()
        raise UsageError(
            say(
                "Say which address of this machine to open: whoever reaches it can copy the bundle."
            ),
            hint=f"`swarmlab serve-bundle {file} --bind {ours[0] if ours else '127.0.0.1'}`"
            + (
                say("; there is also {others}.", others=", ".join(ours[1:]))
                if ours[1:]
                else say(".")
            ),
        )
    copies = Copies()
    with serving.serving(file, bind, port, copies.told) as server:
        offered(file, bind, port)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            # The way in which it is meant to end.
            copies.summary()


def register(root: typer.Typer, panel: str) -> None:
    """Add this module's commands."""
    root.add_typer(app, name="bundle", rich_help_panel=panel)
    root.command("serve-bundle", rich_help_panel=panel)(serve_bundle)
