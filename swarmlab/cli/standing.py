"""What still holds in a lab that was just started."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from swarmlab.cli import chapter

if TYPE_CHECKING:
    from swarmlab.model import Lab


def standing(lab: Lab, name: str, done: Collection[str]) -> None:
    """Say whether the steps that are done still hold in a lab that was just started."""
    from swarmlab.console import err
    from swarmlab.report import cluster
    from swarmlab.report.live import QuietListener
    from swarmlab.words import say

    numbers = [one.number for one in lab.steps if one.id in done]
    if not numbers:
        return
    with (
        chapter._runner(lab, name, QuietListener(), changes=False) as runner,
        err().status(say("Looking whether the steps that are done still hold")),
    ):
        result = runner.verify(patient=True)
    cluster.standing(result, max(numbers))
