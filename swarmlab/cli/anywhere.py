"""The options of swarmlab as a whole: understood wherever on the command line they stand.

A parser knows an option only before the command that has it. So each group and command is given
those of the root that it lacks, out of sight of its help; and for an option of a command that
stands before it, the error tells the whole line with the option in its place.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from swarmlab.cli.options import language_of_all


def tree(command: Any) -> Iterator[Any]:
    """A command and all below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from tree(below)


def teach(root: Any) -> None:
    """Let every command below have the options of all that it lacks."""
    unseen = _unseen()
    for command in tree(root):
        known = {name for param in command.params for name in param.opts}
        command.params += [param for param in unseen if not known & set(param.opts)]


def tell_much(wanted: bool) -> None:
    """What --verbose does."""
    if wanted:
        from swarmlab.verbose import switch_on

        switch_on()


def _speak(ctx: typer.Context, value: str) -> None:
    if value:
        # Where a command looks that has the option, too.
        ctx.find_root().params["language"] = language_of_all(value)


def _unseen() -> list[Any]:
    """The options themselves, as Typer makes them of what a function takes."""
    apart = typer.Typer(add_completion=False)

    @apart.command()
    def none(
        verbose: Annotated[
            bool,
            typer.Option(
                "--verbose", hidden=True, expose_value=False, is_eager=True, callback=tell_much
            ),
        ] = False,
        language: Annotated[
            str,
            typer.Option("--lang", hidden=True, expose_value=False, is_eager=True, callback=_speak),
        ] = "",
    ) -> None:
        """Never run."""

    return [param for param in typer.main.get_command(apart).params if param.name != "help"]


def in_its_place(root: Any, line: Sequence[str], wrong: str) -> str:
    """The command line with the option `wrong` after the command that has it; empty without one.

    `line` is what was typed after the program's name, where that option stands too early. Others
    that do so go with it.
    """
    words = _moved(root, line, wrong)
    if not words:
        return ""
    while early := _early(root, words):
        words = _moved(root, words, early)
    return shlex.join([str(root.name), *words])


def _early(root: Any, words: Sequence[str]) -> str:
    """The first option that stands before the only command that has it; empty for none."""
    end, command = _command(root, words)
    own = {name for param in command.params for name in param.opts}
    known = {name for param in root.params for name in param.opts}
    named = [word.partition("=")[0] for word in words[:end]]
    return next((one for one in named if one in own - known and _moved(root, words, one)), "")


def _moved(root: Any, line: Sequence[str], wrong: str) -> list[str]:
    """The words with that option, and its value, after the command; empty when it has none."""
    at = next((i for i, word in enumerate(line) if word.partition("=")[0] == wrong), None)
    if at is None:
        return []
    for taken in (1, 2):
        words = [*line[:at], *line[at + taken :]]
        end, command = _command(root, words)
        option = next((p for p in command.params if wrong in p.opts), None)
        flag = option is not None and option.is_flag
        if option is not None and (flag or "=" in line[at]) == (taken == 1) and end >= at:
            return [*words[:end], *line[at : at + taken], *words[end:]]
    return []


def _command(root: Any, words: Sequence[str]) -> tuple[int, Any]:
    """The command that these words name, and how many of them lead to it."""
    command, end = root, 0
    for place, word in enumerate(words, 1):
        below = getattr(command, "commands", None)
        if below is None:
            break
        # Anything else is an option, or the value of one.
        if word in below:
            command, end = below[word], place
    return end, command
