"""A lab in another language: its short texts from `text/<language>/strings.yaml`, and lint.

A language is there when its folder is, and then it must be whole: a text for every step with
every command in its place, every title, hint and question, and the handout's pages. Reads files
and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from swarmlab.errors import LabFileError, Problem, UsageError
from swarmlab.loading import nodes
from swarmlab.loading.fields import Fields, Notes, meant, short
from swarmlab.loading.file import content
from swarmlab.model import CheckSpec, Command, Lab, Mistake, Step
from swarmlab.words import say

MAIN_LANGUAGE = "en"
MOST = 8
"""Languages of a lab: reading it takes longer with each."""
STRINGS_FILE = "strings.yaml"
PAGES_FILE = "handout.yaml"

LAB = ("title", "steps")
STEP = (
    "title",
    "section",
    "question",
    "answer",
    "demonstrate",
    "nudge",
    "pointer",
    "checks",
    "mistakes",
)
CHECK = ("title", "hint")
# What the handout's pages list, and what each entry must say.
PAGES = {"learn": (), "glossary": ("term", "meaning"), "troubles": ("see", "do")}

_TAG = re.compile(r"[a-z]{2}(?:-[A-Z]{2})?")


def tags(folder: Path) -> list[str]:
    """The languages of the lab in `folder`, the main one among them, in alphabetical order."""
    texts = folder / "text"
    found = [path.name for path in texts.iterdir()] if texts.is_dir() else []
    return sorted({MAIN_LANGUAGE, *(name for name in found if _TAG.fullmatch(name))})


def localized(lab: Lab, language: str) -> Lab:
    """The lab with its titles, hints, questions and answers in `language`.

    Commands, ids and checks stay what they are; `Step.text` has all languages already. Raises
    UsageError for a language that the lab does not have, LabFileError for broken strings.
    """
    if language == MAIN_LANGUAGE:
        return lab
    known = tags(lab.folder)
    if language not in known:
        raise UsageError(
            say(
                "The lab {lab} has no text in {text}{near}.",
                lab=lab.id,
                text=short(language),
                near=meant(language, known),
            ),
            hint=say("Choose a language with --lang: {names}.", names=say(", ").join(known)),
        )
    notes = Notes(f"text/{language}/{STRINGS_FILE}")
    other = _strings(lab, language, notes)
    if notes.problems:
        raise LabFileError(str(lab.folder), _in_order(notes))
    return other


def problems(lab: Lab, folder: Path) -> list[Problem]:
    """What is missing or too much in the strings and pages of all other languages.

    `lab` is as it stands in `lab.yaml`; the steps' texts are the loader's own concern.
    """
    found: list[Problem] = []
    for language in tags(folder)[:MOST]:
        if language == MAIN_LANGUAGE:
            continue
        notes = Notes(f"text/{language}/{STRINGS_FILE}")
        _strings(replace(lab, folder=folder), language, notes)
        found += _in_order(notes)
        notes = Notes(f"text/{language}/{PAGES_FILE}")
        _pages(folder, language, notes)
        found += _in_order(notes)
    return found


def _in_order(notes: Notes) -> list[Problem]:
    return sorted(dict.fromkeys(notes.problems), key=lambda p: (p.line, p.column))


def _read(path: Path, notes: Notes) -> nodes.Node | None:
    try:
        data = content(path, nodes.MAX_BYTES)
    except FileNotFoundError:
        notes.add(None, say("the file is missing"))
        return None
    except OSError as error:
        notes.add(None, say("cannot be read: {why}", why=error.strerror or error))
        return None
    return nodes.parse(data, notes.at)


def _strings(lab: Lab, language: str, notes: Notes) -> Lab:
    """The lab in that language; what is missing is noted and stays as it was."""
    root = _read(lab.folder / "text" / language / STRINGS_FILE, notes)
    if root is None:
        return lab
    fields = Fields(notes, root, say("the lab"), LAB)
    ids = [step.id for step in lab.steps]
    steps = _group(fields, "steps", ids, say("the steps"))
    return replace(
        lab,
        title=_text(fields, "title", lab.title),
        steps=tuple(_step(step, steps.get(step.id), notes) for step in lab.steps),
    )


def _group(fields: Fields, name: str, ids: Iterable[str], what: str) -> dict[str, nodes.Node]:
    """The entries of a mapping by id: each of `ids` once, and no other."""
    wanted = list(dict.fromkeys(ids))
    node = fields.value(name)
    if node is None:
        if wanted and fields.sound:
            fields.wrong(
                name, say("{name} is missing: {ids}", name=name, ids=say(", ").join(wanted))
            )
        return {}
    if not wanted:
        if not (isinstance(node, nodes.Mapping) and not node.entries):
            fields.wrong(name, say("{name} translates nothing: the lab has none here", name=name))
        return {}
    group = Fields(fields.notes, node, what, wanted)
    found = {}
    for one in wanted:
        value = group.value(one)
        if value is not None:
            found[one] = value
        elif group.sound:
            group.wrong(one, say("{name} is missing", name=one))
    return found


def _text(fields: Fields, name: str, english: str) -> str:
    """A translation, required exactly where there is something to translate."""
    if english:
        return fields.text(name) or english
    if fields.text(name, ""):
        fields.wrong(name, say("{name} translates nothing: the lab has none here", name=name))
    return ""


def _step(step: Step, node: nodes.Node | None, notes: Notes) -> Step:
    if node is None:
        return step
    what = say("step {number}", number=step.number)
    fields = Fields(notes, node, what, STEP)
    inner = [c for command in step.commands for c in (*command.checks, *command.during)]
    of_checks = [one.id for one in (*inner, *step.checks)]
    checks = _group(fields, "checks", of_checks, say("{what}, the checks", what=what))
    of_mistakes = [one.id for one in step.mistakes]
    mistakes = _group(fields, "mistakes", of_mistakes, say("{what}, the mistakes", what=what))

    def check(spec: CheckSpec) -> CheckSpec:
        return _check(spec, checks.get(spec.id), what, notes)

    def command(one: Command) -> Command:
        return replace(
            one, checks=tuple(map(check, one.checks)), during=tuple(map(check, one.during))
        )

    return replace(
        step,
        title=_text(fields, "title", step.title),
        section=_text(fields, "section", step.section),
        question=_text(fields, "question", step.question),
        answer=_text(fields, "answer", step.answer),
        demonstrate=_text(fields, "demonstrate", step.demonstrate),
        nudge=_text(fields, "nudge", step.nudge),
        pointer=_text(fields, "pointer", step.pointer),
        commands=tuple(map(command, step.commands)),
        checks=tuple(map(check, step.checks)),
        mistakes=tuple(_mistake(m, mistakes.get(m.id), what, notes) for m in step.mistakes),
    )


def _check(spec: CheckSpec, node: nodes.Node | None, what: str, notes: Notes) -> CheckSpec:
    if node is None:
        return spec
    fields = Fields(notes, node, say("{what}, check {id!r}", what=what, id=spec.id), CHECK)
    return replace(
        spec, title=_text(fields, "title", spec.title), hint=_text(fields, "hint", spec.hint)
    )


def _mistake(one: Mistake, node: nodes.Node | None, what: str, notes: Notes) -> Mistake:
    if node is None:
        return one
    fields = Fields(notes, node, say("{what}, mistake {id!r}", what=what, id=one.id), CHECK)
    return replace(
        one, title=_text(fields, "title", one.title), hint=_text(fields, "hint", one.hint)
    )


def _pages(folder: Path, language: str, notes: Notes) -> None:
    """Whether the handout's pages have as many entries as the main language's, all whole."""
    main = folder / PAGES_FILE
    path = folder / "text" / language / PAGES_FILE
    if not main.exists():
        if path.exists():
            notes.add(
                None, say("the lab has no {file} of which this is a translation", file=PAGES_FILE)
            )
        return
    # What is wrong with the main language's own pages is told where they are used.
    english, root = _read(main, Notes(PAGES_FILE)), _read(path, notes)
    if english is None or root is None:
        return
    there = Fields(Notes(PAGES_FILE), english, say("the handout"), (*PAGES, "card", "pictures"))
    here = Fields(notes, root, say("the handout"), (*PAGES, "card"))
    for name, parts in PAGES.items():
        wanted, given = there.items(name), here.items(name)
        if len(wanted) != len(given):
            here.wrong(
                name,
                say(
                    "{name} has {count} entries and must have {wanted}",
                    name=name,
                    count=len(given),
                    wanted=len(wanted),
                ),
            )
        _entries(given, name, parts, notes)
    _card(there, here, notes)


def _card(there: Fields, here: Fields, notes: Notes) -> None:
    """Whether the command card has the same commands in the same order, each explained."""
    wanted, given = there.items("card"), here.items("card")
    if len(wanted) != len(given):
        here.wrong(
            "card",
            say(
                "card has {count} groups and must have {wanted}",
                count=len(given),
                wanted=len(wanted),
            ),
        )
        return
    for number, (english, node) in enumerate(zip(wanted, given, strict=True), 1):
        silent = Notes(PAGES_FILE)
        what = say("card, group {number}", number=number)
        group = Fields(notes, node, what, ("title", "lines"))
        group.text("title")
        same = [
            Fields(silent, line, "", ("type", "what")).text("type")
            for line in Fields(silent, english, "", ("title", "lines")).items("lines")
        ]
        lines = group.items("lines")
        if len(lines) != len(same):
            group.wrong(
                "lines",
                say(
                    "there are {count} lines and must be {wanted}",
                    count=len(lines),
                    wanted=len(same),
                ),
            )
        for line, command in zip(lines, same, strict=False):
            fields = Fields(notes, line, say("{what}, a line", what=what), ("type", "what"))
            if fields.text("type") != command:
                fields.wrong("type", say("the command must be {text}", text=short(command)))
            fields.text("what")


def _entries(given: Sequence[nodes.Node], name: str, parts: Sequence[str], notes: Notes) -> None:
    for number, node in enumerate(given, 1):
        what = say("{name}, entry {number}", name=name, number=number)
        if parts:
            fields = Fields(notes, node, what, parts)
            for part in parts:
                fields.text(part)
        elif not isinstance(node, nodes.Scalar) or not node.text.strip():
            notes.add(node, say("{what} must be text", what=what))
