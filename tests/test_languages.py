"""A lab in another language: what becomes of it, and what is said when it is not whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from swarmlab import loader
from swarmlab.errors import LabFileError, UsageError
from swarmlab.loading.languages import localized, tags

TINY = Path(__file__).parent / "packs" / "tiny"
IMAGES = {"util": "swarmlab/util:1.0"}
STRINGS = """\
title: Ein kleines Lab
steps:
  make:
    title: Eine Notiz machen
    section: Erstens
    checks:
      now: {title: Knoten sind bereit}
      all-along: {title: Es antwortet}
      there: {title: Der Dienst ist da, hint: Noch einmal machen.}
    mistakes:
      forgot: {title: Vergessen, hint: Schreiben.}
      late: {title: Zu spät, hint: Gleich schreiben.}
  clean-up:
    title: Aufräumen
    checks:
      clean: {title: Nichts bleibt}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tiny lab with a whole German beside its English."""
    lab = tmp_path / "lab"
    shutil.copytree(TINY, lab)
    shutil.copytree(lab / "text/en", lab / "text/de")
    (lab / "text/de/strings.yaml").write_text(STRINGS, encoding="utf-8")
    return lab


def problems(folder: Path) -> list[str]:
    with pytest.raises(LabFileError) as caught:
        loader.load(folder, images=IMAGES)
    return [str(problem) for problem in caught.value.problems]


def test_titles_and_hints_change_and_nothing_else(folder: Path) -> None:
    lab = loader.load(folder, images=IMAGES)
    other = localized(lab, "de")
    assert other.title == "Ein kleines Lab"
    make, clean = other.steps
    assert (make.title, make.section, clean.title) == ("Eine Notiz machen", "Erstens", "Aufräumen")
    assert make.commands[0].checks[0].title == "Knoten sind bereit"
    assert make.commands[0].during[0].title == "Es antwortet"
    assert (make.checks[0].title, make.checks[0].hint) == (
        "Der Dienst ist da",
        "Noch einmal machen.",
    )
    assert (make.mistakes[0].title, make.mistakes[0].hint) == ("Vergessen", "Schreiben.")
    for was, now in zip(lab.steps, other.steps, strict=True):
        assert (was.number, was.id, was.reset) == (now.number, now.id, now.reset)
        assert was.text == now.text
        assert [c.run for c in was.commands] == [c.run for c in now.commands]
        assert [(c.id, c.params, c.until) for c in was.checks] == [
            (c.id, c.params, c.until) for c in now.checks
        ]


def test_the_main_language_is_the_lab_itself(folder: Path) -> None:
    lab = loader.load(folder, images=IMAGES)
    assert localized(lab, "en") is lab
    assert tags(folder) == ["de", "en"]


def test_a_language_that_is_not_there_is_wrong_usage(folder: Path) -> None:
    lab = loader.load(folder, images=IMAGES)
    with pytest.raises(UsageError, match=r"no text in 'fr'") as caught:
        localized(lab, "fr")
    assert caught.value.hint == "Choose a language with --lang: de, en."


@pytest.mark.parametrize(
    ("taken", "put", "said"),
    [
        ("title: Ein kleines Lab\n", "", ":1:1: the lab: title is missing"),
        ("    title: Aufräumen\n", "", ":14:5: step 3: title is missing"),
        (
            "      clean: {title: Nichts bleibt}\n",
            "      cleam: {title: Nichts bleibt}\n",
            ":16:7: step 3, the checks: clean is missing",
        ),
        (
            "      clean: {title: Nichts bleibt}\n",
            "      cleam: {title: Nichts bleibt}\n",
            ":16:7: step 3, the checks has no field 'cleam' (did you mean clean?)",
        ),
        (", hint: Noch einmal machen.", "", ":9:14: step 1, check 'there': hint is missing"),
        ("hint: Noch einmal machen.", "hint: ''", ":9:47: step 1, check 'there': hint is empty"),
        (", hint: Schreiben.", "", ":11:15: step 1, mistake 'forgot': hint is missing"),
        (
            "{title: Es antwortet}",
            "{title: Es antwortet, hint: Hm}",
            ":8:46: step 1, check 'all-along': hint translates nothing: the lab has none here",
        ),
        (
            "    checks:\n      clean: {title: Nichts bleibt}\n",
            "",
            ":14:5: step 3: checks is missing: clean",
        ),
    ],
)
def test_what_lacks_or_is_too_much_is_told_with_its_place(
    folder: Path, taken: str, put: str, said: str
) -> None:
    assert taken in STRINGS
    path = folder / "text/de/strings.yaml"
    path.write_text(STRINGS.replace(taken, put), encoding="utf-8")
    assert f"text/de/strings.yaml{said}" in problems(folder)


def test_a_step_or_a_command_that_a_language_lacks(folder: Path) -> None:
    make = folder / "text/de/01-make.md"
    text = make.read_text(encoding="utf-8")
    make.write_text(text.replace("[command: write]\n", ""), encoding="utf-8")
    (folder / "text/de/03-clean-up.md").unlink()
    assert problems(folder) == [
        "text/de/01-make.md: no place for 'write': a line `[command: ID]` each",
        "text/de/03-clean-up.md: the text of this step is missing",
    ]


def test_strings_that_are_not_there_or_no_text(folder: Path) -> None:
    path = folder / "text/de/strings.yaml"
    path.write_bytes(b"title: \xff\n")
    assert problems(folder) == ["text/de/strings.yaml:1: the file is not UTF-8 text"]
    path.unlink()
    assert problems(folder) == ["text/de/strings.yaml: the file is missing"]


def test_a_question_needs_its_translation(folder: Path) -> None:
    lab = folder / "lab.yaml"
    words = "    title: Make a note\n"
    asked = words + "    question: Why?\n    answer: Because.\n    demonstrate: How.\n"
    lab.write_text(lab.read_text().replace(words, asked))
    assert problems(folder) == [
        f"text/de/strings.yaml:4:5: step 1: {name} is missing"
        for name in ("question", "answer", "demonstrate")
    ]


def test_the_pages_of_the_handout_must_be_as_many(folder: Path) -> None:
    (folder / "handout.yaml").write_text(
        "learn: [One, Two]\nglossary: [{term: a, meaning: b}]\ntroubles: []\n"
    )
    assert problems(folder) == ["text/de/handout.yaml: the file is missing"]
    other = folder / "text/de/handout.yaml"
    other.write_text("learn: [Eins]\nglossary: [{term: a}]\n")
    assert problems(folder) == [
        "text/de/handout.yaml:1:8: the handout: learn has 1 entries and must have 2",
        "text/de/handout.yaml:2:12: glossary, entry 1: meaning is missing",
    ]
    other.write_text("learn: [Eins, Zwei]\nglossary: [{term: a, meaning: b}]\n")
    assert loader.load(folder, images=IMAGES).id == "tiny"
    (folder / "handout.yaml").unlink()
    assert "no handout.yaml of which" in problems(folder)[0]


def test_every_folder_with_a_tag_of_a_language_counts_and_no_other(folder: Path) -> None:
    (folder / "text/notes").mkdir()
    (folder / "text/de/README.md").write_text("For translators.")
    assert loader.load(folder, images=IMAGES).id == "tiny"
    (folder / "text/fr").mkdir()
    said = problems(folder)
    assert "text/fr/01-make.md: the text of this step is missing" in said
    assert "text/fr/strings.yaml: the file is missing" in said
