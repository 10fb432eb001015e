"""Handouts as Markdown and HTML: complete, valid, self-contained, readable."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import html5lib
import pytest

from swarmlab import loader, recording, templating
from swarmlab.errors import LabFileError, UsageError
from swarmlab.handout import compose, document, html, markdown, pages, tables
from swarmlab.handout.wording import LANGUAGES, duration, wording
from swarmlab.loading.languages import localized
from swarmlab.model import Command, Lab, Mistake
from tests.test_cli import swarmlab

BUILTIN = loader.load_builtin("service-discovery")
EDITIONS = list(itertools.product(("en", "zh"), (False, True)))
each_edition = pytest.mark.parametrize(
    ("language", "teacher"), EDITIONS, ids=lambda v: v if isinstance(v, str) else f"teacher={v}"
)


def lab(language: str) -> Lab:
    return localized(BUILTIN, language)


@cache
def made(language: str, teacher: bool) -> document.Document:
    return compose.handout(
        lab(language), recording.load(BUILTIN), language=language, teacher=teacher
    )


@cache
def page(language: str, teacher: bool) -> str:
    return html.render(made(language, teacher))


@cache
def text(language: str, teacher: bool) -> str:
    return markdown.render(made(language, teacher))


def shown(fragment: str) -> str:
    """What a reader of HTML sees: without tags, with single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", fragment)).split())


def bare(line: str) -> str:
    """A line of Markdown as it is read."""
    return " ".join(shown(str(html._line(line))).split())


# Complete.


@each_edition
def test_every_command_stands_there_whole_and_in_order(language: str, teacher: bool) -> None:
    blocks = [b for s in made(language, teacher).sections for b in s.blocks]
    typed = [block for block in blocks if isinstance(block, document.ToType)]
    wanted = [command.run for step in BUILTIN.steps for command in step.commands]
    assert [block.code for block in typed] == wanted
    numbers = [block.number for block in typed]
    assert numbers == sorted(set(numbers), key=lambda n: tuple(map(int, n.split("."))))
    framed = r'<div class="command".*?<pre tabindex="0"><code>(.*?)</code></pre>'
    found = re.findall(framed, page(language, teacher), re.DOTALL)
    assert [unescape(code) for code in found] == wanted
    for run in wanted:
        assert f"```bash\n{run}\n```" in text(language, teacher)


@each_edition
def test_the_boxes_to_tick_are_the_checks(language: str, teacher: bool) -> None:
    for step, section in zip(lab(language).steps, made(language, teacher).sections, strict=True):
        ticks = [block for block in section.blocks if isinstance(block, document.Ticks)]
        titles = [check.title for check in step.all_checks]
        assert [item.title for block in ticks for item in block.items] == titles
        for title in titles:
            assert f"- [ ] {title}" in text(language, teacher)
    boxes = page(language, teacher).count('<input type="checkbox">')
    assert boxes == sum(len(step.all_checks) for step in BUILTIN.steps)


@each_edition
def test_results_are_those_of_the_recording_with_what_varies_marked(
    language: str, teacher: bool
) -> None:
    found = recording.load(BUILTIN)
    assert found is not None
    outputs = re.findall(r"<samp>(.*?)</samp>", page(language, teacher), re.DOTALL)
    recorded = [c.output for step in found.steps for c in step.commands if c.output.strip()]
    assert len(outputs) == len(recorded)
    for shown_here, output in zip(outputs, recorded, strict=True):
        lines = [line.rstrip() for line in output.rstrip().splitlines()]
        read = unescape(re.sub(r"<[^>]+>", "", shown_here)).splitlines()
        if len(lines) > compose.MOST_LINES:
            assert read[: compose.HEAD] == lines[: compose.HEAD]
            assert read[-compose.TAIL :] == lines[-compose.TAIL :]
        elif max(map(len, lines)) <= tables.WIDE or "NAME" not in lines[0]:
            assert read == lines
        else:
            # A wide table is moved together; only names above nothing are left out.
            seen = [word for word in " ".join(read).split() if word != "…"]
            missing = Counter(" ".join(lines).split()) - Counter(seen)
            assert set(missing) <= {"ERROR", "PORTS"} and max(map(len, read)) <= tables.FOLD
            assert len(seen) == len(" ".join(lines).split()) - missing.total()
    first = outputs[0]
    assert re.findall(r'<u class="varies">([0-9a-f]{12})</u>', first)
    assert "wanted are 2" in re.sub(r"<u.*?</u>", "", first)


@each_edition
def test_teachers_get_answers_and_students_room_to_write(language: str, teacher: bool) -> None:
    whole, plain = shown(page(language, teacher)), text(language, teacher)
    for step in lab(language).steps:
        assert step.question and step.answer and step.demonstrate and step.minutes > 0
        assert bare(step.question) in whole and step.question in plain
        for secret in (step.answer, step.demonstrate, step.checks[0].hint):
            assert (bare(secret) in whole) is teacher, secret
            assert (secret in plain) is teacher, secret
    assert (page(language, teacher).count('class="ruled"') == len(BUILTIN.steps)) is not teacher
    words = wording(language)
    assert (words.plan in whole) is teacher
    assert (words.name in plain.splitlines()[4]) is not teacher


@each_edition
def test_the_pages_around_the_steps_are_there(language: str, teacher: bool) -> None:
    around, whole = pages.load(BUILTIN.folder, language), shown(page(language, teacher))
    assert len(around.learn) >= 5 and len(around.glossary) >= 20 and len(around.troubles) >= 10
    for line in around.learn:
        assert bare(line) in whole
    for row in around.glossary:
        assert f"{bare(row.term)}" in whole and bare(row.meaning) in whole
    for trouble in around.troubles:
        assert bare(trouble.see) in whole and bare(trouble.do) in whole
    for group in around.card:
        for one in group.lines:
            assert one.type in whole and one.what in whole


def test_notes_of_print_and_of_experiment_stand_apart() -> None:
    whole = page("en", False)
    for word in ("In print.", "Put to the test."):
        wanted = sum(step.text["en"].count(f"**{word}**") for step in BUILTIN.steps)
        notes = re.findall(r'<aside class="note">\s*<p><strong>(.*?)</strong>', whole)
        assert wanted and notes.count(word) == wanted


def test_typical_mistakes_are_the_teachers() -> None:
    step = BUILTIN.steps[0]
    wrong = Mistake(
        "m",
        "Forgot & lost",
        Command("m", "rm A.state"),
        step.checks[0].id,
        "Do *again*.",
        after=step.commands[1].id,
    )
    small = replace(BUILTIN, steps=(replace(step, mistakes=(wrong,)),))
    for teacher in (True, False):
        found = compose.handout(small, None, teacher=teacher)
        for whole in (shown(html.render(found)), markdown.render(found)):
            assert ("rm A.state" in whole) is teacher
            assert ("Forgot & lost" in whole) is teacher
            assert ("(after 1.2" in whole) is teacher
            assert (step.checks[0].title in whole.split("Forgot")[-1]) is True


def test_without_a_recording_nothing_is_invented() -> None:
    found = compose.handout(BUILTIN, None)
    assert "<samp>" not in html.render(found)
    assert "This lab has no recorded run" in markdown.render(found)


# Valid, self-contained, readable.


class Seen(HTMLParser):
    """Collects what the tests ask for."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a" and values.get("href", "").startswith("#"):
            self.targets.append(values["href"][1:])
        if tag in ("link", "script", "img", "iframe", "object", "embed", "use", "image", "source"):
            self.loads += [values[n] for n in ("src", "href", "xlink:href", "data") if n in values]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))


@each_edition
def test_it_is_valid_html(language: str, teacher: bool) -> None:
    # A strict parser raises at the first thing that is against the standard.
    html5lib.HTMLParser(strict=True).parse(page(language, teacher))
    seen = Seen(page(language, teacher))
    assert len(set(seen.ids)) == len(seen.ids)
    assert set(seen.targets) <= set(seen.ids)
    assert seen.headings[0] == 1 and seen.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(seen.headings))
    assert f'<html lang="{templating.LANGUAGE_TAGS[language]}">' in page(language, teacher)
    assert 'name="viewport"' in page(language, teacher)


def test_the_strict_parser_sees_what_is_wrong() -> None:
    with pytest.raises(html5lib.html5parser.ParseError):
        html5lib.HTMLParser(strict=True).parse(page("en", False).replace("</figure>", "", 1))


@each_edition
def test_it_asks_for_nothing_outside(language: str, teacher: bool) -> None:
    source = page(language, teacher)
    assert Seen(source).loads == []
    assert not re.search(r"@import|url\((?!#)|src=|fetch\(|XMLHttp", source)


@each_edition
def test_every_picture_has_words_for_those_who_cannot_see_it(language: str, teacher: bool) -> None:
    drawn = re.findall(r"<svg\b.*?</svg>", page(language, teacher), re.DOTALL)
    assert len(drawn) >= 9
    for one in drawn:
        assert "<title" in one and "<desc" in one
    files = markdown.files(made(language, teacher))
    links = re.findall(r"!\[(.+?)\]\((.+?)\)", text(language, teacher))
    assert {path for _, path in links} == set(files)
    assert all(content.startswith("<svg") for content in files.values())


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_ink_is_readable_on_every_paper() -> None:
    style = html.STYLE.read_text(encoding="utf-8")
    colours = dict(re.findall(r"--((?:ink|paper)[a-z-]*): (#[0-9a-f]{6});", style))
    inks = [value for name, value in colours.items() if name.startswith("ink")]
    papers = [value for name, value in colours.items() if name.startswith("paper")]
    assert len(inks) >= 3 and len(papers) >= 3
    for ink, paper in itertools.product(inks, papers):
        light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {paper}"
    # And no rule has a colour of its own (margin boxes know no variables: theirs are inks too).
    rules = re.sub(r":root \{.*?\n\}", "", style, flags=re.DOTALL)
    own = set(re.findall(r"#[0-9a-f]{3,8}\b", rules))
    assert own - set(re.findall(r"#[a-z]+(?= )", rules)) <= set(inks)


def test_links_show_their_address_at_the_foot_of_the_page() -> None:
    shown_link = str(html._prose("See [the book](https://example.org/a?b=1&c=2)."))
    assert '<span class="address">https://example.org/a?b=1&amp;c=2</span>' in shown_link
    assert "float: footnote" in html.STYLE.read_text(encoding="utf-8")


def test_text_of_labs_is_never_taken_for_html() -> None:
    step = replace(BUILTIN.steps[0], title="<script>x</script>", text={"en": "<b>bold</b>"})
    source = html.render(compose.handout(replace(BUILTIN, title="</title>", steps=(step,)), None))
    assert "<script>x" not in source and "<b>bold" not in source
    assert source.count("</title>") - source.count("</title>\n<desc") <= 1 + source.count("<svg")


# The handout's own words and the pages file.


def test_both_languages_have_all_words_with_the_same_places() -> None:
    english, chinese = LANGUAGES["en"], LANGUAGES["zh"]
    for one in fields(english):
        values = [getattr(words, one.name) for words in (english, chinese)]
        assert all(values), one.name
        places = [sorted(re.findall(r"\{\w+\}", str(value))) for value in values]
        assert places[0] == places[1], one.name
        assert len({type(value) for value in values}) == 1
    with pytest.raises(UsageError):
        wording("tlh")


def test_durations_read_well() -> None:
    words = LANGUAGES["en"]
    assert [duration(words, s) for s in (0.04, 9.9, 59.4, 61)] == [
        "0.0 s", "9.9 s", "59 s", "1 min 01 s",
    ]  # fmt: skip


def test_a_wrong_pages_file_is_told_with_its_places(tmp_path: Path) -> None:
    (tmp_path / "handout.yaml").write_text(
        "learn: [one]\nglosary: []\nglossary: [{term: x}]\ncard: [{title: t, lines: [{type: a}]}]\n"
    )
    with pytest.raises(LabFileError) as caught:
        pages.load(tmp_path)
    said = "\n".join(map(str, caught.value.problems))
    assert "handout.yaml:2:1" in said and "did you mean glossary" in said
    assert "meaning is missing" in said and "what is missing" in said
    assert pages.load(tmp_path / "nowhere") == pages.Pages()


# The command.


@pytest.mark.parametrize("form", ["md", "html"])
def test_the_command_writes_a_file_and_says_which(form: str, tmp_path: Path) -> None:
    done = swarmlab(
        "handout", "--format", form, "--for", "teacher", "--lang", "zh",
        "--out", str(tmp_path / "new"), tmp=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path / "new" / f"service-discovery-zh-teacher.{form}"
    assert done.stdout == f"{path}\n"
    wanted = page("zh", True) if form == "html" else text("zh", True)
    assert path.read_text(encoding="utf-8") == wanted
    assert (path.parent / "diagrams").is_dir() is (form == "md")


@pytest.mark.parametrize("words", [["--lang", "fr"], ["--format", "doc"], ["--lab", "nothing"]])
def test_what_there_is_not_is_refused(words: list[str], tmp_path: Path) -> None:
    done = swarmlab("handout", *words, "--out", str(tmp_path / "x"), tmp=tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("command", ["handout", "record"])
def test_the_commands_explain_themselves(command: str, tmp_path: Path) -> None:
    done = swarmlab(command, "--help", tmp=tmp_path)
    assert done.returncode == 0 and f"swarmlab {command}" in done.stdout
    assert f"  {command} " in swarmlab("--help", tmp=tmp_path).stdout
