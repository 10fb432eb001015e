"""Help in a language of wide characters: looked up, and broken into lines as readers expect.

Stands in for the parser's own formatter, which counts every character as one column and breaks
lines at spaces only. It is handed English: headings, a usage line, paragraphs, and rows of two
columns. Whatever the catalog does not know stays as it is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

from rich.cells import cell_len

from swarmlab import words
from swarmlab.report.wrapping import ends

OWN = (
    *("Usage", "[OPTIONS]", "COMMAND [ARGS]...", "Options", "Arguments", "Commands"),
    *("env var", "default", "required", "Show this message and exit."),
    "Install completion for the current shell.",
    "Show completion for the current shell, to copy it or customize the installation.",
)
"""What the parser adds of its own."""

_STEP = 2
_WIDEST = 30
# At the end of an option's text: [env var: SWARMLAB_NAME; default: default], which some versions
# of Typer mark for Rich, whether it is to be read by Rich or not.
_NOTES = re.compile(r"(?P<text>.*?)\s*\\?\[(?P<notes>[^\[\]]*)\]", re.S)


@cache
def catalog(language: str) -> Mapping[str, str]:
    """The texts of help in a language other than English, by their English."""
    import yaml

    text = (words.CATALOGS / "help" / f"{language}.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a help text, each on one line: what a catalog has entries for."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


class Formatter:
    """What the parser writes help to; `getvalue` is the whole of it."""

    def __init__(self, language: str, width: int | None = None) -> None:
        """`width` in columns; without it that of the terminal, as far as 80."""
        self._known = catalog(language)
        self._marks = {mark: words.of(language)(mark) for mark in (": ", "; ")}
        self.width = width or max(min(shutil.get_terminal_size().columns, 80) - 2, 50)
        self.current_indent = 0
        self._written: list[str] = []

    def getvalue(self) -> str:
        return "".join(self._written)

    def write(self, string: str) -> None:
        self._written.append(string)

    def indent(self) -> None:
        self.current_indent += _STEP

    def dedent(self) -> None:
        self.current_indent -= _STEP

    @contextmanager
    def indentation(self) -> Iterator[None]:
        self.indent()
        try:
            yield
        finally:
            self.dedent()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.write_paragraph()
        self.write_heading(name)
        with self.indentation():
            yield

    def write_heading(self, heading: str) -> None:
        self._line(self._said(heading) + self._marks[": "].strip())

    def write_paragraph(self) -> None:
        if self._written:
            self.write("\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        for part in ("[OPTIONS]", "COMMAND [ARGS]..."):
            args = args.replace(part, self._said(part))
        head = f"{prefix or self._said('Usage') + self._marks[': ']}{prog} "
        first, *rest = self._lines(args, self.width - cell_len(head)) or [""]
        self._line((head + first).rstrip())
        for line in rest:
            self._line(" " * cell_len(head) + line)

    def write_text(self, text: str) -> None:
        for number, paragraph in enumerate(paragraphs(text)):
            if number:
                self.write("\n")
            for line in self._lines(self._said(paragraph), self.width - self.current_indent):
                self._line(line)

    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = _WIDEST, col_spacing: int = _STEP
    ) -> None:
        column = min(max(cell_len(first) for first, _ in rows), col_max) + col_spacing
        for first, second in rows:
            lines = self._lines(self._explained(second), max(self.width - column - 2, 10))
            beside = cell_len(first) <= column - col_spacing
            gap = " " * (column - cell_len(first))
            self._line(first + gap + lines.pop(0) if beside and lines else first)
            for line in lines:
                self._line(" " * column + line)

    def in_short(self, text: str) -> str:
        """The first sentence of a command's help."""
        first = self._said(next(iter(paragraphs(text)), ""))
        return re.split(r"(?<=。)|(?<=\.) ", first, maxsplit=1)[0]

    def _said(self, text: str) -> str:
        return self._known.get(text, text)

    def _explained(self, text: str) -> str:
        """The text of an option, with the notes on its value that the parser puts behind it."""
        found = _NOTES.fullmatch(text)
        if found is None:
            return self._said(" ".join(text.split()))
        notes = []
        for note in found["notes"].split("; "):
            name, colon, value = note.partition(": ")
            notes.append(self._said(name) + (self._marks[": "] + value if colon else ""))
        said = self._said(" ".join(found["text"].split()))
        return f"{said} [{self._marks['; '].join(notes)}]".lstrip()

    def _lines(self, text: str, width: int) -> list[str]:
        cuts = [0, *ends(text, width), len(text)]
        return [line for a, b in pairwise(cuts) if (line := text[a:b].rstrip())]

    def _line(self, text: str) -> None:
        self.write(" " * self.current_indent + text + "\n")
