"""A handout as Markdown, for those who want to change it or keep it beside their own text.

Diagrams are files beside it. What varies from run to run is underlined (`<u>` in `<pre>`).
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from swarmlab.handout import document as doc
from swarmlab.handout.wording import Wording, duration, wording

PICTURES = "diagrams"


def files(document: doc.Document) -> dict[str, str]:
    """The diagrams that the text refers to: path beside it, and SVG."""
    found = [document.overview] if document.overview else []
    for section in document.sections:
        found += [block for block in section.blocks if isinstance(block, doc.Picture)]
    return {_path(one, document.language): one.svg for one in found if one.svg}


def render(document: doc.Document) -> str:
    """The whole handout."""
    return "\n\n".join(part.rstrip() for part in _parts(document) if part.strip()) + "\n"


def _path(picture: doc.Picture, language: str) -> str:
    return f"{PICTURES}/{picture.name}.{language}.svg"


def _parts(document: doc.Document) -> Iterator[str]:
    words = wording(document.language)
    yield f"# {document.title}"
    yield f"**{words.teacher if document.teacher else words.student}**"
    if not document.teacher:
        blank = "\\_" * 24
        yield "  \n".join(
            f"{label}{words.colon}{blank}" for label in (words.name, words.group, words.date)
        )
    yield from _list(words.learn, document.learn)
    yield from _list(words.legend, words.legend_text)
    yield f"## {words.glance}"
    if document.overview:
        yield _picture(document.overview, document.language)
    yield from words.glance_text
    if document.teacher:
        yield from _plan(document, words)
    for section in document.sections:
        yield from _section(section, document, words)
    yield from _table(words.glossary, ("", ""), document.glossary)
    yield from _table(words.troubles, (words.you_see, words.do), document.troubles)
    yield f"## {words.colophon}"
    yield document.origin
    yield "\n".join(f"- {name}{words.colon}{version}" for name, version in document.versions)
    if document.card:
        yield f"## {words.card}"
        yield words.card_text
        for group in document.card:
            yield f"**{group.title}**"
            width = max(len(run) for run, _ in group.rows)
            yield _fenced("\n".join(f"{run:<{width}}  # {what}" for run, what in group.rows))


def _list(title: str, items: tuple[str, ...]) -> Iterator[str]:
    if items:
        yield f"## {title}"
        yield "\n".join(f"- {item}" for item in items)


def _plan(document: doc.Document, words: Wording) -> Iterator[str]:
    yield f"## {words.plan}"
    yield words.plan_text
    rows = [
        f"| {words.plan_step} | | {words.plan_minutes} | {words.plan_machine} "
        f"| {words.plan_points} |",
        "|---:|---|---:|---:|---:|",
    ]
    for one in document.sections:
        machine = duration(words, one.seconds)
        rows.append(
            f"| {one.number} | {one.title} | {one.minutes:g} | {machine} | {one.points:g} |"
        )
    minutes = sum(one.minutes for one in document.sections)
    machine = duration(words, sum(one.seconds for one in document.sections))
    points = sum(one.points for one in document.sections)
    rows.append(f"| | {words.plan_sum} | {minutes:g} | {machine} | {points:g} |")
    yield "\n".join(rows)


def _section(section: doc.Section, document: doc.Document, words: Wording) -> Iterator[str]:
    yield f"## {words.step.format(number=section.number)} · {section.title}"
    takes = words.takes.format(minutes=f"{section.minutes:g}") if section.minutes else ""
    yield " · ".join(part for part in (section.section, takes) if part)
    for block in section.blocks:
        yield from _block(block, section, document, words)


def _block(
    block: doc.Block, section: doc.Section, document: doc.Document, words: Wording
) -> Iterator[str]:
    if isinstance(block, doc.Prose):
        yield block.markdown
    elif isinstance(block, doc.Note):
        yield "\n".join(f"> {line}".rstrip() for line in block.markdown.splitlines())
    elif isinstance(block, doc.Picture):
        yield _picture(block, document.language)
    elif isinstance(block, doc.ToType):
        yield from _to_type(block, words)
    elif isinstance(block, doc.Question):
        yield f"**{words.think}.** {block.markdown}"
        yield f"**{words.answer}.** {block.answer}" if block.answer else ""
    elif isinstance(block, doc.Show):
        yield f"**{words.show}.** {block.markdown}"
        yield f"*({block.timing})*" if block.timing else ""
    elif isinstance(block, doc.Ticks):
        yield f"**{words.checks}.** {words.checks_text.format(number=section.number)}"
        yield "\n".join(_tick(item, words) for item in block.items)
    else:
        yield f"**{words.mistakes}**"
        for item in block.items:
            where = words.aside.format(item.place) + words.colon
            yield f"- **{item.title}**{where}{item.caught}{words.stop}{item.hint}"
            yield _fenced(item.code)


def _to_type(block: doc.ToType, words: Wording) -> Iterator[str]:
    where = words.aside.format(words.on_host) if block.on_host else ""
    yield f"**{block.number}** {words.type_this}{where}{words.colon}".rstrip()
    yield _fenced(block.code, "bash")
    if block.seen.pieces is None:
        yield f"*{words.not_recorded}*"
    elif not block.seen.text:
        yield f"*{words.see_nothing}*"
    else:
        yield f"{words.see}{words.colon}".rstrip()
        # An empty line would end the HTML block.
        shown = "".join(
            f"<u>{escape(piece.text, quote=False)}</u>"
            if piece.kind not in ("", "left-out")
            else escape(piece.text, quote=False)
            for piece in block.seen.pieces
        )
        yield "<pre>" + shown.replace("\n\n", "\n&#8203;\n") + "</pre>"


def _tick(item: doc.Tick, words: Wording) -> str:
    if item.weight is None:
        return f"- [ ] {item.title}"
    points = words.aside.format(f"{words.point}{words.colon}{item.weight:g}")
    return f"- [ ] {item.title}{points}  \n  {item.hint}".rstrip()


def _table(title: str, head: tuple[str, str], rows: tuple[doc.Row, ...]) -> Iterator[str]:
    if rows:
        yield f"## {title}"
        lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
        lines += [f"| {_cell(row.left)} | {_cell(row.right)} |" for row in rows]
        yield "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _picture(picture: doc.Picture, language: str) -> str:
    if picture.svg:
        return f"![{picture.title}]({_path(picture, language)})"
    return _fenced(picture.plain)


def _fenced(text: str, kind: str = "") -> str:
    return f"```{kind}\n{text}\n```"
