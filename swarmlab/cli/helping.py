"""Help: commands listed with whole sentences, and all of it in the language that is asked for.

English stands where commands and options are made. When another language is asked for, each text
is looked up on its way to the screen, in a catalog of its own: `catalogs/help/<language>.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from swarmlab import words
from swarmlab.cli.anywhere import tree
from swarmlab.errors import UsageError

VARIABLE = "SWARMLAB_LANG"


class Group(TyperGroup):
    """A group that lists its commands under their panels, and no sentence cut short."""

    others = "Commands"
    """The heading of commands without a panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        # Typer groups commands by panel only when it renders through Rich, which costs more than
        # the whole of `swarmlab --help`; plain text can have the same headings.
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else self.others
            panels.setdefault(title, []).append((name, _in_short(ctx, formatter, command)))
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def _in_short(ctx: Any, formatter: Any, command: Any) -> str:
    if isinstance(ctx, Spoken):
        return str(formatter.in_short(command.help or ""))
    return str(command.get_short_help_str(limit=200))


class Spoken(typer.Context):
    """A command that is being read, in another language than English."""

    language = words.MAIN
    """A process helps in one language."""

    def make_formatter(self) -> Any:
        from swarmlab.report.help import Formatter

        return Formatter(self.language)


def prepare(root: Any, args: Sequence[str], environment: Mapping[str, str]) -> None:
    """Speak the language that this command line asks for, from its very beginning.

    Help, and what is wrong with other options, may come before the option itself is read.
    """
    language = asked(args, environment)
    if language != words.MAIN and words.readable(language):
        words.use(language)
        Spoken.language = language
        for command in tree(root):
            command.context_class = Spoken


def complete(root: Any, environment: Mapping[str, str]) -> None:
    """Let a shell's completion describe commands and options in the language of SWARMLAB_LANG.

    It asks the commands themselves, past all formatters.
    """
    language = asked((), environment)
    if language == words.MAIN or not words.readable(language):
        return
    from swarmlab.report.help import Formatter, catalog

    known, formatter = catalog(language), Formatter(language)
    for command in tree(root):
        command.short_help = formatter.in_short(command.help or "")
        for param in command.params:
            param.help = known.get(param.help, param.help)


def asked(args: Sequence[str], environment: Mapping[str, str]) -> str:
    """The language that is asked for, wherever it stands; English where there is no such one."""
    tag = environment.get(VARIABLE, "")
    for at, word in enumerate(args):
        if word == "--":
            break
        if word == "--lang":
            tag = args[at + 1] if at + 1 < len(args) else tag
        elif word.startswith("--lang="):
            tag = word.partition("=")[2]
    try:
        return words.known(tag) if tag.strip() else words.MAIN
    except UsageError:
        return words.MAIN  # told when the option itself is read
