"""The chapter's diagrams as SVG, drawn from `diagrams.yaml`; and one from the live cluster.

Each is 640 units wide, stands by itself (no reference to anything outside, no id that could
clash), is legible without colour, and has its text alternative in `<title>`, `<desc>` and
`aria-label`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swarmlab.errors import UsageError
from swarmlab.handout.diagrams.layout import picture
from swarmlab.handout.diagrams.load import LANGUAGES, library
from swarmlab.handout.diagrams.model import Diagram
from swarmlab.handout.diagrams.paint import paint
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.checks.base import World

OVERVIEW = "cluster"
"""The diagram of the whole cluster at a glance."""


def names(lab: Path | None = None) -> tuple[str, ...]:
    """The names of all diagrams of the lab in that folder (default: the chapter's), in order."""
    return tuple(diagram.name for diagram in library(lab).diagrams)


def for_step(step_id: str) -> tuple[str, ...]:
    """The diagrams that explain the step, in order; none for most."""
    return tuple(one.name for one in library().diagrams if step_id in one.steps)


def title(name: str, language: str = "en", lab: Path | None = None) -> str:
    """What stands above the diagram. Raises UsageError for a name or language not there."""
    return _find(name, language, lab).title.says(language)


def svg(name: str, language: str = "en", lab: Path | None = None) -> str:
    """The diagram as an SVG element. Raises UsageError for a name or language not there."""
    return paint(picture(_find(name, language, lab), library(lab), language))


def live(world: World, language: str = "en") -> str:
    """The cluster as it is now: nodes, leader, tasks, Consul, proxies' configurations.

    What does not answer is drawn as such; raises EnvironmentProblem only when nothing does.
    """
    from swarmlab.handout.diagrams.current import draw
    from swarmlab.handout.diagrams.look import look

    return draw(look(world), language)


def _find(name: str, language: str, lab: Path | None) -> Diagram:
    if language not in LANGUAGES:
        raise UsageError(
            say("There are no diagrams in {language!r}.", language=language),
            hint=say("Choose a language with --lang: {names}.", names=say(", ").join(LANGUAGES)),
        )
    try:
        return library(lab).find(name)
    except KeyError:
        raise UsageError(
            say("There is no diagram {name!r}.", name=name),
            hint=say("There is: {names}.", names=say(", ").join(names(lab)) or say("none")),
        ) from None
