"""Puts a handout together: the lab, a recording of it and its pages become a document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from swarmlab.handout import document as doc
from swarmlab.handout import pages as handout_pages
from swarmlab.handout import tables
from swarmlab.handout.wording import Wording, duration, wording
from swarmlab.loader import COMMAND_LINE, MAIN_LANGUAGE
from swarmlab.model import Command, Lab, Mistake, Step, Where
from swarmlab.recording import RecordedStep, Recording
from swarmlab.varying import Piece, pieces

# An output that is longer is cut in its middle: so many lines of its beginning and its end stay.
MOST_LINES = 26
HEAD, TAIL = 10, 13

_FENCE = re.compile(r"^```[^\n`]*\n(.*?)^```[ \t]*$\n?", re.MULTILINE | re.DOTALL)


def handout(
    lab: Lab, recording: Recording | None, *, language: str = MAIN_LANGUAGE, teacher: bool = False
) -> doc.Document:
    """The handout of `lab`, whose strings are already in `language`.

    Raises UsageError for a language that handouts do not have, LabFileError for wrong pages.
    """
    words = wording(language)
    titles = {(step.id, one.id): one.title for step in lab.steps for one in step.all_checks}
    around = handout_pages.load(lab.folder, language)
    main = handout_pages.load(lab.folder)
    if recording is None:
        origin = words.unrecorded
    else:
        origin = words.recorded.format(
            date=recording.recorded[:10],
            seconds=duration(words, recording.seconds),
            data_plane=recording.data_plane,
        )
    return doc.Document(
        title=lab.title,
        language=language,
        teacher=teacher,
        version=lab.version,
        learn=around.learn,
        overview=_overview(lab.folder, language),
        sections=tuple(
            _Reading(
                step,
                recording.step(step) if recording else None,
                [place for place in main.pictures if place.step == step.id],
                titles,
                language,
                lab.folder,
            ).section(teacher)
            for step in lab.steps
        ),
        glossary=tuple(doc.Row(one.term, one.meaning) for one in around.glossary),
        troubles=tuple(doc.Row(one.see, one.do) for one in around.troubles),
        card=tuple(
            doc.CardGroup(group.title, tuple((line.type, line.what) for line in group.lines))
            for group in around.card or main.card
        ),
        origin=origin,
        versions=tuple(
            (words.parts.get(name, name), version)
            for name, version in (recording.versions.items() if recording else ())
        ),
    )


class _Reading:
    """One step on its way to paper: `places` says where its drawn diagrams stand.

    `titles` has the titles of all checks of the lab by the ids of step and check.
    """

    def __init__(
        self,
        step: Step,
        recorded: RecordedStep | None,
        places: Sequence[handout_pages.Place],
        titles: Mapping[tuple[str, str], str],
        language: str,
        folder: Path,
    ) -> None:
        self._folder = folder
        self._step = step
        self._recorded = recorded
        self._places = places
        self._titles = titles
        self._language = language
        self._words = wording(language)
        self._plain = 0

    def section(self, teacher: bool) -> doc.Section:
        """The whole step."""
        step, words = self._step, self._words
        checks = step.all_checks
        seconds = self._recorded.seconds if self._recorded else 0.0
        blocks: list[doc.Block] = []
        if teacher and step.demonstrate:
            taken = duration(words, seconds)
            timing = words.timing.format(seconds=taken) if self._recorded else ""
            blocks.append(doc.Show(step.demonstrate, timing))
        blocks += self._text()
        if step.question:
            blocks.append(doc.Question(step.question, step.answer if teacher else ""))
        if checks:
            blocks.append(
                doc.Ticks(
                    tuple(
                        doc.Tick(one.title, one.weight if one in step.checks else 0.0, one.hint)
                        if teacher
                        else doc.Tick(one.title)
                        for one in checks
                    )
                )
            )
        if teacher and step.mistakes:
            blocks.append(self._mistakes())
        return doc.Section(
            number=step.number,
            id=step.id,
            title=step.title,
            section=step.section,
            minutes=step.minutes,
            seconds=seconds,
            points=step.worth,
            blocks=tuple(blocks),
        )

    def _text(self) -> Iterator[doc.Block]:
        """The step's text in the order of reading, commands and pictures in their places."""
        step = self._step
        text = step.text.get(self._language) or step.text.get(MAIN_LANGUAGE, "")
        commands = {command.id: command for command in step.commands}
        at = 0
        for found in COMMAND_LINE.finditer(text):
            yield from self._passage(text[at : found.start()])
            at = found.end()
            command = commands.pop(found.group(1), None)
            if command is not None:
                yield from self._command(command)
        yield from self._passage(text[at:])
        for command in commands.values():
            yield from self._command(command)

    def _command(self, command: Command) -> Iterator[doc.Block]:
        number = self._step.commands.index(command) + 1
        yield _to_type(command, f"{self._step.number}.{number}", self._recorded, self._words)
        for place in self._places:
            if place.after == command.id:
                yield _picture(place.name, self._language, self._folder)

    def _mistakes(self) -> doc.Mistakes:
        step, words = self._step, self._words
        return doc.Mistakes(
            tuple(
                doc.Wrong(
                    one.title,
                    one.command.run,
                    self._typed_where(one),
                    words.caught.format(title=self._titles[step.catcher(one)]),
                    one.hint,
                )
                for one in step.mistakes
            )
        )

    def _typed_where(self, mistake: Mistake) -> str:
        """Where in the step a mistake is made, by the number of the command as printed."""
        ids = [command.id for command in self._step.commands]
        for command, template in (
            (mistake.instead, self._words.instead_of),
            (mistake.after, self._words.right_after),
        ):
            if command:
                return template.format(number=f"{self._step.number}.{ids.index(command) + 1}")
        return self._words.after_all

    def _passage(self, text: str) -> Iterator[doc.Block]:
        """Prose, notes and pictures between two commands."""
        at = 0
        for found in _FENCE.finditer(text):
            yield from _prose(text[at : found.start()])
            at = found.end()
            self._plain += 1
            plain = doc.Picture(found.group(1).rstrip("\n"))
            drawn = [place for place in self._places if place.instead == self._plain]
            yield (
                replace(_picture(drawn[0].name, self._language, self._folder), plain=plain.plain)
                if drawn
                else plain
            )
        yield from _prose(text[at:])


def _prose(text: str) -> Iterator[doc.Block]:
    """Block quotes are notes: each that begins anew with a bold word is one of its own."""
    for chunk in re.split(r"\n(?=>)(?<!>\n)|(?<=\n)(?=[^>\s])", text):
        if not chunk.strip():
            continue
        if not chunk.lstrip().startswith(">"):
            yield doc.Prose(chunk.strip())
            continue
        inner = re.sub(r"^> ?", "", chunk.strip(), flags=re.MULTILINE)
        for note in re.split(r"\n\n(?=\*\*)", inner):
            yield doc.Note(note.strip())


def _to_type(
    command: Command, number: str, recorded: RecordedStep | None, words: Wording
) -> doc.ToType:
    found = recorded.command(command) if recorded else None
    seen = doc.Seen(None if found is None else _cut(pieces(found.output), words))
    return doc.ToType(number, command.run, command.where is Where.HOST, seen)


def _cut(parts: Sequence[Piece], words: Wording) -> tuple[Piece, ...]:
    """The output without empty lines and spaces at ends of lines, and with its middle left out."""
    lines: list[list[Piece]] = [[]]
    for part in parts:
        first, *rest = part.text.split("\n")
        lines[-1].append(Piece(first, part.kind))
        lines += [[Piece(text, part.kind)] for text in rest]
    lines = [_stripped(line) for line in tables.narrow([_stripped(line) for line in lines])]
    while lines and not lines[-1]:
        lines.pop()
    left_out = len(lines) - HEAD - TAIL
    if len(lines) > MOST_LINES:
        words_for_it = Piece(words.lines_left_out.format(count=left_out), "left-out")
        lines[HEAD:-TAIL] = [[words_for_it]]
    shown: list[Piece] = []
    for number, line in enumerate(lines):
        shown += [Piece("\n")] if number else []
        shown += line
    return tuple(shown)


def _stripped(line: list[Piece]) -> list[Piece]:
    kept = [piece for piece in line if piece.text]
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Piece(kept[-1].text.rstrip(), kept[-1].kind)
    return kept


def _overview(folder: Path, language: str) -> doc.Picture | None:
    from swarmlab.handout import diagrams

    known = diagrams.names(folder)
    return _picture(diagrams.OVERVIEW, language, folder) if diagrams.OVERVIEW in known else None


def _picture(name: str, language: str, folder: Path) -> doc.Picture:
    from swarmlab.handout import diagrams

    return doc.Picture(
        name=name,
        svg=diagrams.svg(name, language, folder),
        title=diagrams.title(name, language, folder),
    )
