"""What can be said of the lab's files without running them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from swarmlab import loader, scaffold
from swarmlab.advice import MOST
from swarmlab.authoring.steps import shown_failing
from swarmlab.loader import load_builtin

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "labs" / "service-discovery"
STEPS: list[dict[str, Any]] = yaml.safe_load((LAB / "lab.yaml").read_text())["steps"]
CATALOG = yaml.safe_load((ROOT / "swarmlab" / "images" / "catalog.yaml").read_text())["images"]
IDS = [
    "no-registry",
    "standalone-registry",
    "swarm",
    "consul-server",
    "consul-agents",
    "proxy",
    "go-demo",
    "diverge",
    "distribute",
    "tasks-dns",
    "state",
    "scale-restore",
    "heal",
    "clean-up",
]
WIDTH = 78  # columns: unbroken on an 80-column terminal behind a prompt, and on paper
PICTURE_WIDTH = 76
PLACE = re.compile(r"^\[command: ([a-z0-9-]+)\]$", re.MULTILINE)
each_step = pytest.mark.parametrize("step", STEPS, ids=[step["id"] for step in STEPS])


def text_of(step: dict[str, Any]) -> str:
    return (LAB / "text" / "en" / f"{step['number']:02}-{step['id']}.md").read_text()


def typed(command: dict[str, Any]) -> str:
    """The command as a student sees it, with the catalog's image names."""
    run: str = command["run"]
    return re.sub(r"\{image\.([a-z-]+)\}", lambda match: CATALOG[match[1]]["inside"], run)


def checks_of(step: dict[str, Any]) -> list[dict[str, Any]]:
    moments: list[dict[str, Any]] = [
        check
        for command in step["commands"]
        for check in command.get("checks", []) + command.get("during", [])
    ]
    return [*moments, *step["checks"]]


def test_the_fourteen_steps_have_their_numbers_and_ids() -> None:
    assert [step["number"] for step in STEPS] == list(range(1, 15))
    assert [step["id"] for step in STEPS] == IDS


@each_step
def test_the_text_places_every_command_once_in_order(step: dict[str, Any]) -> None:
    assert PLACE.findall(text_of(step)) == [command["id"] for command in step["commands"]]


def test_no_text_is_left_over() -> None:
    wanted = {f"{step['number']:02}-{step['id']}.md" for step in STEPS}
    assert {path.name for path in (LAB / "text" / "en").iterdir()} == wanted


@each_step
def test_every_line_fits_the_paper(step: dict[str, Any]) -> None:
    for command in [*step["commands"], *step["reset"], *step["mistakes"]]:
        for line in typed(command).splitlines():
            assert len(line) <= WIDTH, line
    for number, part in enumerate(text_of(step).split("```")):
        if number % 2:
            # What stands beside the fence is read out, and not drawn.
            for line in part.splitlines()[1:]:
                assert len(line) <= PICTURE_WIDTH, line


@each_step
def test_every_check_has_an_id_of_its_own_and_says_what_to_do(step: dict[str, Any]) -> None:
    checks = checks_of(step)
    ids = [check["id"] for check in checks]
    assert len(set(ids)) == len(ids)
    assert checks, "a step that proves nothing"
    for check in checks:
        assert check["title"] and check["hint"].strip(), check["id"]
        assert set(check.get("needs", [])) <= set(ids), check["id"]


def test_every_step_lists_its_typical_mistakes() -> None:
    numbers = [len(step["mistakes"]) for step in STEPS]
    assert min(numbers) >= 3 and sum(numbers) >= 50


LABS = (LAB, ROOT / "docs" / "examples" / "hello-swarm", scaffold.TEMPLATE)


@pytest.mark.parametrize("folder", LABS, ids=[folder.name for folder in LABS])
def test_every_check_is_seen_failing_before_its_step_or_by_a_mistake(folder: Path) -> None:
    """`swarmlab lab test` demands it of any lab; of ours it is known before a cluster is up."""
    lab = loader.load(folder, images={name: name for name in CATALOG})
    shown = shown_failing(lab)
    never = [
        f"{step.id}/{check.id}"
        for step in lab.steps
        for check in step.all_checks
        if not check.before and (step.id, check.id) not in shown
    ]
    assert never == []


@each_step
def test_a_mistake_is_told_by_what_is_seen_and_mended_by_what_is_typed(
    step: dict[str, Any],
) -> None:
    for mistake in step["mistakes"]:
        assert mistake["seen"], mistake["id"]
        # A command to type stands in the hint, or what to change in the one that was typed.
        assert "`" in mistake["hint"], mistake["id"]


def test_no_hint_is_crowded_out_by_others_for_the_same_sight() -> None:
    hints: dict[tuple[str, str], set[str]] = {}
    for step in STEPS:
        for mistake in step["mistakes"]:
            where, _, check = mistake["caught_by"].rpartition("/")
            sight = f"{where or step['id']}/{check}", mistake["seen"]
            hints.setdefault(sight, set()).add(mistake["hint"])
    assert {sight for sight, told in hints.items() if len(told) > MOST} == set()


@each_step
def test_a_claim_ends_at_a_later_step_and_none_outlives_the_lab(step: dict[str, Any]) -> None:
    for check in step["checks"]:
        if step["id"] == "clean-up":
            assert "until" not in check
        else:
            assert IDS.index(check["until"]) > IDS.index(step["id"]), check["id"]


@each_step
def test_the_first_docker_command_of_a_step_chooses_its_engine(step: dict[str, Any]) -> None:
    """A step is typed in a fresh shell: nothing may be left over from the step before."""
    everything = "\n".join(typed(command) for command in step["commands"])
    docker = re.search(r"^\s*(\$inside|docker |docker-compose )", everything, re.MULTILINE)
    if docker is not None:
        assert "eval $(docker-machine env swarm-" in everything[: docker.start()]


def test_addresses_with_a_question_mark_stand_in_quotes() -> None:
    """Unquoted, the shell may take `?` for a pattern and `&` for the end of the command."""
    for step in STEPS:
        for command in [*step["commands"], *step["reset"]]:
            joined = typed(command).replace("\\\n", "")
            for line in joined.splitlines():
                unquoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", line)
                assert "?recurse" not in unquoted and "&" not in unquoted.replace("&&", ""), line


def test_the_closing_requirements_are_stated_and_proven_in_the_step_that_heals() -> None:
    heal = next(step for step in STEPS if step["id"] == "heal")
    text, titles = text_of(heal), " ".join(check["title"] for check in heal["checks"])
    for requirement in ("State is synchronised between instances", "State is restored at start"):
        assert requirement in text
        assert requirement in titles


def test_the_points_of_the_chapter_add_up_to_a_hundred() -> None:
    """Whoever adds a check takes its points from others, so that a mark stays one of a hundred."""
    lab = load_builtin("service-discovery")
    assert lab.worth == 100
    assert [step.number for step in lab.steps if not step.worth] == [14]
    assert max(step.worth for step in lab.steps) < 12
