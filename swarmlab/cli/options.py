"""Options that several commands share, so that each means the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from swarmlab import naming
from swarmlab.errors import UsageError
from swarmlab.words import say

DEFAULT_NAME = naming.DEFAULT
DEFAULT_LANGUAGE = "en"
DEFAULT_LAB = naming.CHAPTER


class Reach(StrEnum):
    """How this machine reaches the nodes' ports."""

    AUTO = "auto"
    DIRECT = "direct"
    PUBLISHED = "published"
    RELAY = "relay"


def _name(value: str) -> str:
    import re

    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", value):
        raise UsageError(
            say("{value!r} cannot name a lab.", value=value),
            hint=say(
                "Use 1 to 20 small letters, digits and inner hyphens, such as `--name monday`."
            ),
        )
    naming.choose(value)
    return value


Name = Annotated[
    str,
    typer.Option(
        "--name",
        envvar="SWARMLAB_NAME",
        help="Which lab on this machine; each name is a cluster of its own.",
        callback=_name,
    ),
]


def language_of_all(value: str) -> str:
    """The language before the command, empty where none is named. Raises UsageError."""
    return _spoken(value) if value else ""


def _spoken(tag: str) -> str:
    """Speak it at once, so that what is wrong with other options is told in it, too."""
    from swarmlab import words

    language = words.known(tag)
    if words.readable(language):
        words.use(language)
    return language


def _language(ctx: typer.Context, param: typer.CallbackParam, value: str) -> str:
    source = ctx.get_parameter_source(str(param.name))
    if source is None or source.name != "COMMANDLINE":
        # It stood before the command, or the group of the command.
        value = ctx.find_root().params.get("language") or value
    return _spoken(value)


def speak(language: str) -> str:
    """Speak that language from now on, English where the terminal cannot show it; which it is."""
    from swarmlab import words

    if not words.readable(language):
        note = say(
            "· This terminal's encoding ({encoding}) has no characters for {language!r}: ",
            encoding=words.encoding(),
            language=language,
        )
        typer.echo(note + say("going on in English. LC_ALL=C.UTF-8 would have them."), err=True)
        language = words.MAIN
    words.use(language)
    return language


Language = Annotated[
    str,
    typer.Option(
        "--lang",
        envvar="SWARMLAB_LANG",
        help="The language of texts and messages: en or zh.",
        callback=_language,
        is_eager=True,
    ),
]


def _lab(value: str) -> str:
    naming.choose_lab(value)
    return value


LabName = Annotated[
    str,
    typer.Option(
        "--lab",
        help="Which lab: service-discovery, or the folder of one of your own.",
        callback=_lab,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Managers = Annotated[
    int | None,
    typer.Option(
        "--managers",
        min=1,
        max=7,
        help="How many managers: 3 for a new lab, as the chapter has; a lab keeps its number.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        max=7,
        help="How many nodes more, which take tasks and have no vote: none for a new lab.",
        show_default=False,
    ),
]
ReachOption = Annotated[
    Reach,
    typer.Option(
        "--reach",
        help="How this machine reaches the nodes: by their own addresses (direct), by ports "
        "published on 127.0.0.1, or through the engine's own API (relay).",
    ),
]
PublishAddress = Annotated[
    str,
    typer.Option(
        "--publish-address",
        help="Open the nodes' ports at this address of the engine's machine, for whoever reaches "
        "it; without it they are open on that machine alone.",
    ),
]


def _registry(value: str) -> str:
    if value:
        from swarmlab.images import registry

        registry.parse(value)
    return value


def _mirror(value: str) -> str:
    if value:
        from swarmlab.images import registry

        registry.mirror(value)
    return value


def _catalog(value: str) -> str:
    if value:
        from swarmlab.images.catalog import substitutions

        substitutions(value)
    return value


RegistryOption = Annotated[
    str,
    typer.Option(
        "--registry",
        envvar="SWARMLAB_REGISTRY",
        metavar="HOST[:PORT][/PREFIX]",
        help="Take the images from this registry instead of building them (or, with --catalog "
        "upstream, from Docker Hub).",
        callback=_registry,
    ),
]
Mirror = Annotated[
    str,
    typer.Option(
        "--registry-mirror",
        envvar="SWARMLAB_REGISTRY_MIRROR",
        metavar="URL",
        help="A mirror of Docker Hub that the nodes' engines ask first.",
        callback=_mirror,
    ),
]
Catalog = Annotated[
    str,
    typer.Option(
        "--catalog",
        envvar="SWARMLAB_CATALOG",
        help="Which images a new lab uses: local, those of swarmlab, or upstream, the originals "
        "from Docker Hub; a lab keeps its own.",
        show_default=False,
        callback=_catalog,
    ),
]
ToRegistry = Annotated[
    str,
    typer.Option(
        "--registry",
        envvar="SWARMLAB_REGISTRY",
        metavar="HOST[:PORT][/PREFIX]",
        help="The registry: its address, and what the images' names begin with there (swarmlab).",
        callback=_registry,
    ),
]
