#!/usr/bin/env python3
"""Write the pages that the code itself knows best: the commands, and the checks of lab files.

scripts/reference.py            write docs/reference.md and docs/authors/checks.md
scripts/reference.py --check    write nothing; exit code 1 when one of them is not current
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer.main

from swarmlab.checks import CHECKS, OBSERVERS, kinds
from swarmlab.checks.parameters import described
from swarmlab.cli.app import app
from swarmlab.loading import schema

ROOT = Path(__file__).resolve().parent.parent
MADE = "<!-- Made by scripts/reference.py from the code: change the code, then run it again. -->"
# Typer offers these two only where it knows the shell.
LEFT_OUT = {"install_completion", "show_completion", "help"}


def commands() -> str:
    """The page of all commands."""
    root = typer.main.get_command(app)
    lines = [
        MADE,
        "",
        "# Commands",
        "",
        "What `swarmlab COMMAND --help` says, on one page.",
        "",
        *_paragraphs(root.help),
        "",
        *_paragraphs(root.epilog),
        "",
        "`swarmlab --install-completion` teaches your shell the commands and their options.",
        "",
        *_options(root),
    ]
    for name, command in _below(root, "swarmlab"):
        lines += _command(name, command)
    return "\n".join(lines).rstrip() + "\n"


def _below(group: Any, name: str) -> Iterable[tuple[str, Any]]:
    for short, command in group.commands.items():
        if command.hidden:
            continue
        yield f"{name} {short}", command
        if hasattr(command, "commands"):
            yield from _below(command, f"{name} {short}")


def _command(name: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [name, "[OPTIONS]" if _shown(command) else ""]
    if hasattr(command, "commands"):
        words.append("COMMAND")
    for argument in arguments:
        word = argument.name.upper() + ("..." if argument.nargs == -1 else "")
        words.append(word if argument.required else f"[{word}]")
    lines = [f"## {name}", "", "```", " ".join(filter(None, words)), "```", ""]
    lines += [*_paragraphs(command.help), ""]
    if arguments:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{a.name.upper()}` | {_cell(a.help or '')} |" for a in arguments]
        lines.append("")
    return lines + _options(command)


def _shown(command: Any) -> list[Any]:
    return [
        param
        for param in command.params
        if param.param_type_name == "option" and not param.hidden and param.name not in LEFT_OUT
    ]


def _options(command: Any) -> list[str]:
    shown = _shown(command)
    if not shown:
        return []
    # Typer's own objects tell a type differently from version to version; annotations do not.
    hints = get_type_hints(command.callback)
    lines = ["| option | meaning |", "|---|---|"]
    for option in shown:
        names = ", ".join(f"`{one}`" for one in (*option.opts, *option.secondary_opts))
        if not option.is_flag:
            names += f" `{_value(hints[option.name])}`"
        lines.append(f"| {names} | {_cell(' '.join([option.help or '', *_notes(option)]))} |")
    return [*lines, ""]


def _value(hint: Any) -> str:
    """What to give for a type: its choices, or its name in capitals."""
    (kind,) = {*(get_args(hint) or (hint,))} - {types.NoneType}
    if issubclass(kind, Enum):
        return "/".join(str(one.value) for one in kind)
    word = str(kind.__name__)
    return {"str": "TEXT", "int": "NUMBER"}.get(word, word.upper())


def _notes(option: Any) -> list[str]:
    notes = []
    if option.required:
        notes.append("Required.")
    elif not option.is_flag and option.default is not None and not callable(option.default):
        default = _plain(option.default)
        if default and "UNSET" not in default:
            notes.append(f"Default: `{default}`.")
    if option.envvar:
        names = [option.envvar] if isinstance(option.envvar, str) else option.envvar
        notes.append("Environment: " + ", ".join(f"`{one}`" for one in names) + ".")
    return notes


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _paragraphs(text: str | None) -> list[str]:
    """Help text as Markdown: what stands between angle brackets stays visible."""
    return [line.replace("<", "&lt;") for line in inspect.cleandoc(text or "").splitlines()]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;")


def checks() -> str:
    """The page of all checks and observers that a lab file can use."""
    lines = [
        MADE,
        "",
        "# Checks",
        "",
        "What a lab file can ask of the live cluster, as `check: NAME` with its parameters under",
        "`with:`. A parameter without a value here must be given. Lists of nodes default to all.",
        "What `Word`, `Count` and the like are is said [at the end](#kinds-of-values).",
    ]
    subject = ""
    for name in sorted(CHECKS):
        if subject != (subject := name.partition(".")[0]):
            lines += ["", f"## {subject}", ""]
        lines += _check(name, CHECKS[name])
    lines += ["", "## Observers", "", "They watch while a command runs: under `during:`.", ""]
    for name in sorted(OBSERVERS):
        lines += _check(name, OBSERVERS[name])
    lines += ["## Kinds of values", ""]
    for name, kind in sorted(vars(kinds).items()):
        if get_origin(kind) in (Annotated, dict):
            lines.append(f"- `{name}`: {described(kind)}")
    return "\n".join(lines).rstrip() + "\n"


def _check(name: str, function: Any) -> list[str]:
    parameters = [
        _parameter(parameter)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    text = _paragraphs(inspect.getdoc(function) or "")
    lines = [f"### {name}", ""]
    lines += [", ".join(f"`{one}`" for one in parameters), ""] if parameters else []
    return [*lines, *text, ""]


def _parameter(parameter: inspect.Parameter) -> str:
    told = f"{parameter.name}: {parameter.annotation}"
    if parameter.default is inspect.Parameter.empty:
        return told
    return f"{told} = {parameter.default!r}"


PAGES = {
    "docs/reference.md": commands,
    "docs/authors/checks.md": checks,
    f"docs/schemas/{schema.NAME}": schema.text,
}


def stale() -> list[str]:
    """The pages that are not as the code is now."""
    return [
        name
        for name, page in PAGES.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != page()
    ]


def main() -> int:
    """Exit code 0, or 1 when a page is not current and `--check` was given."""
    old = stale()
    if "--check" in sys.argv[1:]:
        for name in old:
            sys.stderr.write(f"{name} is not current: run scripts/reference.py\n")
        return 1 if old else 0
    for name in old:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"· {name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
