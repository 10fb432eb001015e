"""Handouts on paper: what poppler and pypdf read back from the PDF."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pypdf
import pytest

from swarmlab import loader, recording
from swarmlab.errors import EnvironmentProblem
from swarmlab.handout import compose, document, html, pdf
from swarmlab.handout.wording import wording
from swarmlab.loading.languages import localized

BUILTIN = loader.load_builtin("service-discovery")
# Each takes some seconds: every language, every edition and every size of paper is once there.
EDITIONS = [
    ("en", False, "A4"),
    ("zh", False, "Letter"),
    ("en", True, "Letter"),
    ("zh", True, "A4"),
]
SIZES = {"A4": (595.3, 841.9), "Letter": (612.0, 792.0)}
each_edition = pytest.mark.parametrize(
    ("language", "teacher", "paper"),
    EDITIONS,
    ids=["-".join([e[0], "teacher" if e[1] else "student", e[2]]) for e in EDITIONS],
)
# All tests of one edition share its PDF, so they stay in one worker.
pytestmark = pytest.mark.xdist_group("pdf")


@dataclass(frozen=True)
class Printed:
    made: document.Document
    reader: pypdf.PdfReader
    pages: tuple[list[str], ...]
    """The lines of each page as they stand on it, without empty ones."""

    def body(self, number: int) -> list[str]:
        """The lines of a page without its running head and foot."""
        return self.pages[number][0 if number == 0 else 1 : -1]


@cache
def printed(language: str, teacher: bool, paper: str) -> Printed:
    made = compose.handout(
        localized(BUILTIN, language), recording.load(BUILTIN), language=language, teacher=teacher
    )
    data = pdf.render(html.render(made, paper=paper))
    return Printed(made, pypdf.PdfReader(io.BytesIO(data)), read(data))


def read(data: bytes) -> tuple[list[str], ...]:
    """The lines of each page of a PDF as they stand on it, without empty ones."""
    command = ["pdftotext", "-layout", "-", "-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=180)
    pages = done.stdout.decode().split("\f")[:-1]
    return tuple([line for line in page.splitlines() if line.strip()] for page in pages)


def squeezed(line: str) -> str:
    return " ".join(line.split())


@each_edition
def test_paper_page_numbers_and_running_heads(language: str, teacher: bool, paper: str) -> None:
    found = printed(language, teacher, paper)
    total = len(found.reader.pages)
    # Teachers have the typical mistakes on top.
    assert total == len(found.pages) and 25 < total < (75 if teacher else 50)
    words = wording(language)
    for number, page in enumerate(found.reader.pages):
        width, height = SIZES[paper]
        assert abs(float(page.mediabox.width) - width) < 1
        assert abs(float(page.mediabox.height) - height) < 1
        foot = squeezed(found.pages[number][-1])
        assert foot.endswith(words.page.format(page=number + 1, pages=total))
        assert foot.startswith(words.teacher if teacher else words.student)
        if number:
            assert squeezed(found.pages[number][0]).startswith(found.made.title)
    heads = " ".join(squeezed(page[0]) for page in found.pages[1:])
    for section in found.made.sections:
        # A step that begins and ends on pages of others is only in the text.
        assert section.title in heads or section.minutes < 9, section.title


@each_edition
def test_no_command_is_broken_by_a_line_or_a_page(language: str, teacher: bool, paper: str) -> None:
    found = printed(language, teacher, paper)
    for block in (b for s in found.made.sections for b in s.blocks):
        if not isinstance(block, document.ToType):
            continue
        wanted = [squeezed(line) for line in block.code.splitlines()]
        label = re.compile(rf"^\s*{re.escape(block.number)} ")
        places = [
            (page, line)
            for page in range(len(found.pages))
            for line, text in enumerate(found.body(page))
            if label.match(text)
        ]
        assert len(places) == 1, block.number
        page, line = places[0]
        lines = found.body(page)[line + 1 : line + 1 + len(wanted)]
        assert [squeezed(text) for text in lines] == wanted, block.number


@each_edition
def test_no_heading_is_left_alone(language: str, teacher: bool, paper: str) -> None:
    found = printed(language, teacher, paper)
    words = wording(language)
    headings = {section.title for section in found.made.sections}
    headings |= {words.think, words.answer, words.checks, words.show, words.see, words.glossary}
    headings |= {group.title for group in found.made.card}
    # The line below a title is as lonely as the title itself.
    headings |= {section.section for section in found.made.sections}
    labels = re.compile(rf"^\d+\.\d+ {words.type_this}")
    for number in range(len(found.pages)):
        last = squeezed(found.body(number)[-1]).split(" · ")[0]
        assert last not in headings and not labels.match(last), f"page {number + 1}: {last}"


@each_edition
def test_the_command_card_is_one_page(language: str, teacher: bool, paper: str) -> None:
    found = printed(language, teacher, paper)
    last = [squeezed(line) for line in found.body(len(found.pages) - 1)]
    assert last[0] == wording(language).card
    rows = [f"{run} {what}" for group in found.made.card for run, what in group.rows]
    together = " ".join(last)
    assert all(squeezed(row) in together for row in rows)


def fonts(reader: pypdf.PdfReader) -> dict[str, Any]:
    """The fonts of all pages by name, with the descriptor that holds the embedded file."""
    found: dict[str, Any] = {}
    for page in reader.pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            inner = font.get_object()
            inner = inner.get("/DescendantFonts", [inner])[0].get_object()
            found[str(inner["/BaseFont"])] = inner.get("/FontDescriptor", {})
    return found


@each_edition
def test_every_font_is_embedded_and_cut_to_what_is_used(
    language: str, teacher: bool, paper: str
) -> None:
    found = printed(language, teacher, paper)
    embedded = fonts(found.reader)
    assert any("Mono" in name for name in embedded)
    for name, descriptor in embedded.items():
        assert any(f"/FontFile{kind}" in descriptor for kind in ("", "2", "3")), name
        assert re.match(r"/[A-Z]{6}\+", name), f"{name} is not a subset"


@each_edition
def test_the_document_says_what_it_is(language: str, teacher: bool, paper: str) -> None:
    found = printed(language, teacher, paper)
    assert found.reader.metadata is not None
    assert found.made.title in str(found.reader.metadata.title)
    titles = {str(one["/Title"]) for one in flat(found.reader.outline)}
    assert all(any(section.title in title for title in titles) for section in found.made.sections)


def flat(outline: Any) -> list[Any]:
    return [one for item in outline for one in (flat(item) if isinstance(item, list) else [item])]


def test_links_become_footnotes() -> None:
    step = BUILTIN.steps[0]
    text = "Read [more](https://example.org/more) of it.\n\nThen go on.\n\n" + step.text["en"]
    small = replace(BUILTIN, steps=(replace(step, text={"en": text}),))
    pages = read(pdf.render(html.render(compose.handout(small, None))))
    page = next(lines for lines in pages if any("Read more" in line for line in lines))
    last = squeezed(page[-2])
    assert last.endswith("https://example.org/more"), "the last line above the foot of the page"
    assert not any("https://" in line for line in page[:-2])


def test_a_page_that_asks_for_something_gets_nothing() -> None:
    page = html.render(compose.handout(BUILTIN, None)).replace(
        "<main>", '<main><img src="https://example.org/x.png" alt="x">'
    )
    # The network is cut off in unit tests: a request would raise there.
    assert pdf.render(page).startswith(b"%PDF")


def test_missing_fonts_are_named_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "FAMILIES", ("No Such Family Sans",))
    with pytest.raises(EnvironmentProblem, match="No Such Family Sans") as caught:
        pdf.render("<p>x</p>")
    assert "fonts-noto-cjk" in caught.value.hint


def test_missing_weasyprint_is_named_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    with pytest.raises(EnvironmentProblem, match="WeasyPrint") as caught:
        pdf.render("<p>x</p>")
    assert "swarmlab[pdf]" in caught.value.hint


def test_a_line_is_not_broken_after_its_first_word_when_code_follows() -> None:
    text = "with driver bridge and scope local? That network is known to one node alone, it was."
    code = '<code style="display: inline-block; white-space: nowrap">docker network rm proxy</code>'
    # Quarters of a pixel, from too narrow for the text to wide enough for its last space as well.
    widths = [quarters / 4 for quarters in range(4 * 470, 4 * 560)]
    paragraphs = [f'<p style="width: {width}px">{text} {code}, then.</p>' for width in widths]
    style = "<style>html { font: 10pt 'Noto Sans CJK SC' } @page { size: A4 }</style>"
    lines = [
        squeezed(line) for page in read(pdf.render(style + "".join(paragraphs))) for line in page
    ]
    assert text in lines and text.removesuffix(" was.") in lines
    assert "with" not in lines
