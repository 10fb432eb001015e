"""Runs a lab on a live cluster from its first step to its last, and keeps what was seen."""

from __future__ import annotations

import platform
from typing import Any, cast

from swarmlab import __version__, recording, words
from swarmlab.checks.base import World
from swarmlab.errors import ClusterProblem
from swarmlab.images import catalog
from swarmlab.listener import Listener
from swarmlab.model import Lab
from swarmlab.recording import Recording
from swarmlab.results import Verdict
from swarmlab.runner import Runner
from swarmlab.student import ProgressStore
from swarmlab.words import say
from swarmlab.workspace import Workspace

# The language beside English in which a recording can be shown.
OTHER = "zh"


def record(
    lab: Lab,
    *,
    workspace: Workspace,
    progress: ProgressStore,
    listener: Listener,
    images: str = catalog.LOCAL,
) -> Recording:
    """Run the whole lab anew and return its recording; the last step may remove the cluster.

    What checks find is kept in both languages: Chinese is spoken meanwhile, and of what was said
    its English is known. Raises ClusterProblem when a step did not pass: what is wrong is not to
    be handed out.
    """
    versions = found(workspace.world())
    spoken = words.language()
    told = cast(Listener, _InLanguage(listener, spoken))
    runner = Runner(lab, workspace=workspace, progress=progress, listener=told)
    words.use(OTHER)
    try:
        result = runner.run(lab.steps[0].number)
    finally:
        words.use(spoken)
    wrong = next((s for s in result.steps if s.verdict is not Verdict.PASSED), None)
    if wrong is not None:
        bad = [check for check in wrong.checks if check.verdict is not Verdict.PASSED]
        raise ClusterProblem(
            say("Step {number} did not pass, so nothing was recorded.", number=wrong.number),
            evidence="\n".join(
                words.english(f"{one.title}: {one.actual or one.reason}") for one in bad
            ),
            hint=say(
                "`swarmlab step {number}` shows it in full; mend it, then record again.",
                number=wrong.number,
            ),
        )
    return recording.of_result(result, catalog=images, versions=versions, language=OTHER)


class _InLanguage:
    """A listener that is told in the language of the user while another one is spoken."""

    def __init__(self, listener: Listener, language: str) -> None:
        self._listener = listener
        self._language = language

    def __getattr__(self, event: str) -> Any:
        told = getattr(self._listener, event)

        def tell(*what: Any) -> None:
            with words.aside(self._language):
                told(*(words.english(one) if isinstance(one, str) else one for one in what))

        return tell


def found(world: World) -> dict[str, str]:
    """What runs in this lab, by name: swarmlab, the engines, the programs in the images."""
    node = world.engine(world.nodes[0]).version()
    host = world.host_engine().version()
    return {
        "swarmlab": __version__,
        "engine of the nodes": str(node["Version"]),
        "engine of the machine": str(host["Version"]),
        "kernel": str(host.get("KernelVersion", platform.release())),
        **{name: spec.version for name, spec in catalog.load().images.items()},
    }
