"""The chapter in Chinese beside the chapter in English: whole, the same facts, columns aligned."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmlab.loader import COMMAND_LINE, load_builtin
from swarmlab.loading.languages import localized
from swarmlab.model import Lab, Step

LAB = Path(__file__).resolve().parent.parent / "labs" / "service-discovery"
ENGLISH = load_builtin("service-discovery")
CHINESE = localized(ENGLISH, "zh")
WIDTH = 78  # columns

HAN = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PICTURE = re.compile(r"^```(?:picture: .+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPOKEN = re.compile(r"^```picture: (.+)$", re.MULTILINE)
# Of two figures and more: smaller ones are words in one language and figures in the other, and
# months are figures in Chinese only.
NUMBER = re.compile(r"(?<![\w.])\d{2,}(?:\.\d+)*(?!\w|\.\d| 月)|(?<![\w.])\d(?:\.\d+)+")
NOTES = {"书中写法。": "In print.", "实验结果。": "Put to the test."}
NOTE = re.compile(r"> \*\*(In print\.|Put to the test\.|书中写法。|实验结果。)\*\* ")
each_step = pytest.mark.parametrize("number", range(1, 15))


def columns(text: str) -> int:
    """How many columns a terminal needs for the text."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def both(number: int) -> tuple[str, str]:
    step = ENGLISH.find(number)
    assert step is not None
    return step.text["en"], step.text["zh"]


def strings(lab: Lab) -> Iterator[tuple[str, str]]:
    """Every short text of the lab by its place."""
    yield "title", lab.title
    for step in lab.steps:
        for name in ("title", "section", "question", "answer", "demonstrate"):
            yield f"{step.id}.{name}", getattr(step, name)
        for check in checks(step):
            yield f"{step.id}.{check.id}.title", check.title
            yield f"{step.id}.{check.id}.hint", check.hint
        for mistake in step.mistakes:
            yield f"{step.id}.{mistake.id}.title", mistake.title
            yield f"{step.id}.{mistake.id}.hint", mistake.hint


def checks(step: Step) -> Iterator[Any]:
    for command in step.commands:
        yield from (*command.checks, *command.during)
    yield from step.checks


def pages(language: str) -> Iterator[tuple[str, str]]:
    path = LAB / "handout.yaml" if language == "en" else LAB / "text" / language / "handout.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    for number, line in enumerate(data["learn"]):
        yield f"learn.{number}", line
    for name in ("glossary", "troubles"):
        for number, entry in enumerate(data[name]):
            for key, text in entry.items():
                yield f"{name}.{number}.{key}", text


SHORT = [
    *zip(strings(ENGLISH), strings(CHINESE), strict=True),
    *zip(pages("en"), pages("zh"), strict=True),
]


@each_step
def test_the_commands_stand_in_the_same_order(number: int) -> None:
    english, chinese = both(number)
    assert COMMAND_LINE.findall(chinese) == COMMAND_LINE.findall(english)


@each_step
def test_the_chinese_has_the_same_parts(number: int) -> None:
    """As many paragraphs, notes, pictures and list items, in the same order."""

    def shape(text: str) -> list[str]:
        kinds = []
        for part in re.split(r"\n\s*\n", PICTURE.sub("```", text).strip()):
            lines = part.split("\n")
            note = NOTE.match(part)
            if note:
                kinds.append(NOTES.get(note[1], note[1]))
                kinds += ["quoted"] * part.count("\n>\n")
            elif COMMAND_LINE.match(lines[0]):
                kinds.append(lines[0])
            else:
                kinds += [one[:2] if one[:2] in ("- ", "``") else "words" for one in lines]
        return kinds

    english, chinese = both(number)
    assert shape(chinese) == shape(english)


@each_step
def test_code_is_the_same_in_both_languages(number: int) -> None:
    english, chinese = (CODE.findall(PICTURE.sub("", text)) for text in both(number))
    assert Counter(chinese) == Counter(english)


@pytest.mark.parametrize("pair", SHORT, ids=lambda pair: pair[0][0])
def test_short_texts_are_translated_with_the_same_code(
    pair: tuple[tuple[str, str], tuple[str, str]],
) -> None:
    (place, english), (other, chinese) = pair
    assert place == other
    assert bool(chinese) == bool(english)
    assert Counter(CODE.findall(chinese)) == Counter(CODE.findall(english))
    assert "\n" not in chinese
    names = place.endswith((".section", ".term", ".see")) or place == "title"
    assert HAN.search(chinese) or not english or names


@each_step
def test_numbers_are_the_same_in_both_languages(number: int) -> None:
    """Ports, versions, exit codes and years: a slip there is an error of fact."""
    english, chinese = (Counter(NUMBER.findall(PICTURE.sub("", text))) for text in both(number))
    assert chinese == english


@each_step
def test_every_picture_has_words_for_those_who_cannot_see_it(number: int) -> None:
    english, chinese = both(number)
    for text in (english, chinese):
        assert len(SPOKEN.findall(text)) == len(PICTURE.findall(text))
    for was, now in zip(SPOKEN.findall(english), SPOKEN.findall(chinese), strict=True):
        assert HAN.search(now) and not re.search(r"[|+^<>\\]", was + now)
        # Addresses, ports and names of nodes and instances; "60 times" is a number in both.
        assert set(NUMBER.findall(now)) == set(NUMBER.findall(was))


@each_step
def test_pictures_have_their_lines_in_the_same_columns(number: int) -> None:
    english, chinese = (PICTURE.findall(text) for text in both(number))
    assert len(chinese) == len(english)
    for was, now in zip(english, chinese, strict=True):
        assert lines_of(now) == lines_of(was)
        for line in now.splitlines():
            assert columns(line) <= WIDTH, line
            # Characters of doubtful width would push the rest of a line aside on some terminals.
            assert not [c for c in line if unicodedata.east_asian_width(c) == "A"], line


def lines_of(picture: str) -> list[tuple[int, int, str]]:
    """Row, column and character of all that a picture's lines are made of."""
    found = []
    for row, line in enumerate(picture.splitlines()):
        column = 0
        for character in line:
            if character in "|+^<>\\X":
                found.append((row, column, character))
            column += columns(character)
    return found


def slips(text: str) -> list[str]:
    """Places that a Chinese reader would stumble over: spaces and punctuation."""
    prose = CODE.sub("x", COMMAND_LINE.sub("", PICTURE.sub("", text))).replace("。** ", "。**")
    prose = re.sub(r'"[^"]*"|\?[a-z]+(=\d+)?', "x", prose)  # what a program says, in a sentence
    han, full = HAN.pattern, "[，。：；！？、“”（）]"
    found = []
    for wrong in (
        rf".?(?:{han}[A-Za-z0-9]|[A-Za-z0-9]{han}).?",
        rf".? {full}.?|.?{full} .?",
        rf"{han} ?[,.:;!?()].?",
        r"\b(?:the|of|and|is|are|that|which|with)\b",
    ):
        found += re.findall(wrong, prose)
    return found


@each_step
def test_prose_is_chinese_and_well_set(number: int) -> None:
    assert slips(both(number)[1]) == []


@pytest.mark.parametrize("pair", SHORT, ids=lambda pair: pair[0][0])
def test_short_texts_are_well_set(pair: tuple[tuple[str, str], tuple[str, str]]) -> None:
    assert slips(pair[1][1]) == []


def test_the_closing_requirements_are_stated_and_proven() -> None:
    heal = CHINESE.find("heal")
    assert heal is not None
    titles = " ".join(check.title for check in heal.checks)
    for requirement in ("实例之间的状态保持同步", "启动时恢复状态"):
        assert requirement in heal.text["zh"]
        assert requirement in titles


def test_one_word_for_one_thing() -> None:
    """Words that would be a second name for something that has one (text/zh/README.md)."""
    everything = "\n".join(
        [*(text for _, (_, text) in SHORT), *(step.text["zh"] for step in CHINESE.steps)]
    )
    for word in ("主节点", "叠加网络", "重叠网络", "注册表", "存储卷", "拷贝", "服务端"):
        assert word not in everything, word
    # "代理" is the proxy; Consul's agent keeps its name.
    assert not re.search(r"Consul 的?(客户端)?代理", everything)
