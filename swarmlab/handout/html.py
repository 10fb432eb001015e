"""A handout as one HTML file that needs nothing from elsewhere: for the screen, and for paper."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from swarmlab.handout import document as doc
from swarmlab.handout.wording import duration, wording
from swarmlab.templating import LANGUAGE_TAGS, environment

_HERE = Path(__file__).resolve().parent
STYLE = _HERE / "handout.css"

# Widths in columns of an output; the style sheet has a size of letters for each, and what is
# wider than the last is wrapped.
WIDTHS = (108, 124, 140, 156)
# An output of so few lines is never divided between two pages.
SHORT_LINES = 15
# A code in the running text that is longer may be broken at a line's end.
CODE_COLUMNS = 34

_LINK = re.compile(r'(<a href="(https?://[^"]+)">.*?</a>)')
_CODE = re.compile(r"<code>(.*?)</code>")


def render(document: doc.Document, *, paper: str = "A4") -> str:
    """The handout as HTML; `paper` is the size when it is printed, `A4` or `Letter`."""
    words = wording(document.language)
    return str(
        _environment()
        .get_template("handout.html.j2")
        .render(
            document=document,
            words=words,
            style=f"@page {{ size: {paper} }}\n{STYLE.read_text(encoding='utf-8')}",
            lang=LANGUAGE_TAGS.get(document.language, document.language),
            time=lambda seconds: duration(words, seconds),
            edition=words.teacher if document.teacher else words.student,
            page=_css_page(words.page),
        )
    )


@cache
def _environment() -> Any:
    return environment(
        _HERE,
        prose=_prose,
        line=_line,
        output=_output,
        width=_width,
        kind=lambda block: type(block).__name__,
        number=lambda value: f"{value:g}",
        css=_css,
    )


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "typographer": False})


def _safe(html: str) -> Any:
    from markupsafe import Markup

    return Markup(html)


def _prose(markdown: str) -> Any:
    return _safe(_finished(_markdown().render(markdown)))


def _line(markdown: str) -> Any:
    return _safe(_finished(_markdown().renderInline(markdown)))


def _finished(html: str) -> str:
    """Addresses of links for the foot of the page, and short codes kept in one piece."""
    html = _LINK.sub(r'\1<span class="address">\2</span>', html)
    return _CODE.sub(_code, html)


def _code(found: re.Match[str]) -> str:
    whole = len(found.group(1)) <= CODE_COLUMNS
    return f'<code class="whole">{found.group(1)}</code>' if whole else found.group()


def _output(seen: doc.Seen) -> Any:
    shown = []
    for piece in seen.pieces or ():
        text = escape(piece.text, quote=False)
        if piece.kind == "left-out":
            shown.append(f'<span class="left-out">{text}</span>')
        elif piece.kind:
            shown.append(f'<u class="varies">{text}</u>')
        else:
            shown.append(text)
    return _safe("".join(shown))


def _width(seen: doc.Seen) -> str:
    """Classes for the size of letters, and whether the output may be divided."""
    lines = seen.text.count("\n") + 1
    short = " short" if lines <= SHORT_LINES else ""
    for number, width in enumerate(WIDTHS):
        if seen.columns <= width:
            return f"size-{number}{short}"
    return f"wraps{short}"


def _css(text: str) -> Any:
    """A text as a string of CSS."""
    return _safe('"' + re.sub(r'["\\<>&\n]', lambda c: f"\\{ord(c[0]):x} ", text) + '"')


def _css_page(words: str) -> Any:
    """`Page {page} of {pages}` as the content of a margin box."""
    parts = re.split(r"\{(pages?)\}", words)
    return _safe(
        " ".join(
            f"counter({part})" if number % 2 else str(_css(part))
            for number, part in enumerate(parts)
            if part
        )
    )
