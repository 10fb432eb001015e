"""Reads a lab from its folder: `lab.yaml`, and the text of each step in each language.

Reports everything wrong at once, with file, line and column. Reads files and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from swarmlab import expressions
from swarmlab.errors import LabFileError, Problem, UsageError
from swarmlab.loading import given, languages, nodes
from swarmlab.loading.build import Builder, ParameterProblems
from swarmlab.loading.fields import SLUG, Notes, meant, short
from swarmlab.loading.file import content, there
from swarmlab.model import Lab, Step
from swarmlab.printable import odd
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.checks.parameters import Fault
    from swarmlab.images.sources import Sources

LAB_FILE = "lab.yaml"
MAIN_LANGUAGE = languages.MAIN_LANGUAGE
MAX_TEXT_BYTES = 64 * 1024
# So many of the commands without a place are named.
MOST_NAMED = 30

# A line of a step's text that stands for a command: `[command: agents]`.
COMMAND_LINE = re.compile(r"^\[command: *([^\]\s]*) *\][ \t]*$", re.MULTILINE)


def load_builtin(lab_id: str, *, sources: Sources | None = None) -> Lab:
    """A lab that comes with swarmlab, its images named as `sources` say (None: those built here).

    Raises UsageError for an unknown lab or catalog, LabFileError for one that is not sound.
    """
    from swarmlab.resources import labs_dir

    folder = labs_dir()
    known = sorted(path.parent.name for path in folder.glob(f"*/{LAB_FILE}"))
    if lab_id not in known:
        raise UsageError(
            say("There is no lab {text}{near}.", text=short(lab_id), near=meant(lab_id, known)),
            hint=say(
                "With swarmlab come: {labs}. A lab of your own is named by its folder, such as"
                " ./{name}.",
                labs=say(", ").join(known),
                name=lab_id if SLUG.fullmatch(lab_id) else "my-lab",
            ),
        )
    return _named(folder / lab_id, sources)


def find(wanted: str, *, sources: Sources | None = None) -> Lab:
    """The lab that a user names: the id of a built-in one, or the folder of one of their own.

    `sources` as for `load_builtin`. Raises UsageError when it is neither, LabFileError for one
    that is not sound.
    """
    folder = Path(wanted)
    if "/" not in wanted and not there(folder / LAB_FILE):
        return load_builtin(wanted, sources=sources)
    if not there(folder) or not folder.is_dir():
        raise UsageError(
            say("There is no lab in {folder}: it is no folder.", folder=wanted),
            hint=say("Check the spelling; `swarmlab lab new FOLDER` makes a new lab."),
        )
    return _named(folder, sources)


def _named(folder: Path, sources: Sources | None) -> Lab:
    from swarmlab.images.sources import USUAL

    chosen = sources or USUAL
    return replace(load(folder, images=chosen.names()), catalog=chosen.catalog)


def load(
    folder: Path, *, images: Mapping[str, str], parameters: ParameterProblems | None = None
) -> Lab:
    """The lab in `folder`.

    `images` says what `{image.NAME}` becomes; `parameters` compares the use of a check with the
    check itself (default: with those of `swarmlab.checks`). Raises LabFileError with all
    problems, and nothing else, whatever the files hold.
    """
    notes = Notes(LAB_FILE)
    steps: list[Step] = []
    lab_id = title = version = ""
    managers = 1
    root = _read(folder / LAB_FILE, notes)
    problems: list[Problem] = []
    if root is not None:
        builder = Builder(notes, images, parameters or _of_checks)
        with expressions.counted():
            lab_id, title, version, steps, managers = builder.lab(root)
        texts, problems = _texts(folder, steps)
        steps = [
            replace(step, text=MappingProxyType(found))
            for step, found in zip(steps, texts, strict=True)
        ]
        problems += languages.problems(Lab(lab_id, title, version, tuple(steps), folder), folder)
    problems += given.problems(folder)
    in_order = sorted(notes.problems, key=lambda p: (p.line, p.column)) + problems
    # Two steps of one id share a text, and would tell its problems twice.
    everything = list(dict.fromkeys(in_order))
    if everything:
        raise LabFileError(str(folder), everything)
    return Lab(lab_id, title, version, tuple(steps), folder, managers)


def _of_checks(name: str, params: Mapping[str, Any], during: bool) -> list[Fault]:
    from swarmlab.checks.parameters import faults

    return faults(name, params, during=during)


def _read(path: Path, notes: Notes) -> nodes.Node | None:
    try:
        data = content(path, nodes.MAX_BYTES)
    except OSError as error:
        notes.add(None, say("cannot be read: {why}", why=error.strerror or error))
        return None
    return nodes.parse(data, notes.at)


def text_file(step: Step) -> str:
    """The name of a step's text file, the same in every language."""
    return f"{step.number:02d}-{step.id}.md"


def _texts(folder: Path, steps: list[Step]) -> tuple[list[dict[str, str]], list[Problem]]:
    """The text of each step by language, and the problems of the text files."""
    found: list[dict[str, str]] = [{} for _ in steps]
    problems: list[Problem] = []
    tags = languages.tags(folder)
    if len(tags) > languages.MOST:
        words = say("there are more than {most} languages", most=languages.MOST)
        return found, [Problem("text", 0, 0, words)]
    for language in tags:
        for step, texts in zip(steps, found, strict=True):
            # Without a number or an id of its own a step has no file name to look for.
            if step.number < 1 or not step.id:
                continue
            path = folder / "text" / language / text_file(step)
            name = f"text/{language}/{path.name}"
            text = _text(path, name, problems)
            if text is not None:
                texts[language] = text
                problems += _placed(name, text, step)
        problems += _strays(folder / "text" / language, language, steps)
    return found, problems


def _text(path: Path, name: str, problems: list[Problem]) -> str | None:
    try:
        data = content(path, MAX_TEXT_BYTES)
        if len(data) > MAX_TEXT_BYTES:
            problems.append(
                Problem(
                    name,
                    0,
                    0,
                    say("the text is larger than {size} KiB", size=MAX_TEXT_BYTES // 1024),
                )
            )
            return None
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        if found := odd(text):
            line = text.count("\n", 0, found.start()) + 1
            problems.append(Problem(name, line, 0, nodes.unprintable(found.group())))
        return text
    except FileNotFoundError:
        problems.append(Problem(name, 0, 0, say("the text of this step is missing")))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.append(Problem(name, line, 0, say("the file is not UTF-8 text")))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        problems.append(Problem(name, 0, 0, say("cannot be read: {why}", why=why)))
    return None


def _placed(name: str, text: str, step: Step) -> list[Problem]:
    """Whether each command of the step has its place in the text, once."""
    notes = Notes(name)
    known = dict.fromkeys(command.id for command in step.commands)
    seen: dict[str, int] = {}
    for found in COMMAND_LINE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        command = found.group(1)
        if command not in known:
            near = notes.meant(command, known)
            notes.at(
                line,
                1,
                say(
                    "step {number} has no command {text}{near}",
                    number=step.number,
                    text=short(command),
                    near=near,
                ),
            )
        elif command in seen:
            notes.at(
                line,
                1,
                say(
                    "the command {id!r} already has its place in line {line}",
                    id=command,
                    line=seen[command],
                ),
            )
        else:
            seen[command] = line
    missing = [command for command in known if command not in seen]
    if missing:
        names = say(", ").join(map(repr, missing[:MOST_NAMED]))
        if len(missing) > MOST_NAMED:
            more = len(missing) - MOST_NAMED
            names = say("{names} and {more} more", names=names, more=more)
        notes.add(None, say("no place for {names}: a line `[command: ID]` each", names=names))
    return notes.problems


def _strays(folder: Path, language: str, steps: list[Step]) -> list[Problem]:
    """Text files that belong to no step: mostly a step that was renamed."""
    # A language's folder may have a README for its translators.
    wanted = [text_file(step) for step in steps] + ["README.md"]
    strays = sorted(path.name for path in folder.glob("*.md") if path.name not in wanted)
    return [
        Problem(
            f"text/{language}/{name}",
            0,
            0,
            say("this text belongs to no step{near}", near=meant(name, wanted)),
        )
        for name in strays
    ]
