"""`down`: the cluster's end, or that of every lab of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from swarmlab import naming
from swarmlab.cli.options import DEFAULT_LANGUAGE, DEFAULT_NAME, Language, Name, speak
from swarmlab.cli.providing import PANEL as OWN
from swarmlab.cli.providing import LostHosts, asked, typed
from swarmlab.words import say


def down(
    context: typer.Context,
    name: Name = DEFAULT_NAME,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Remove every lab of this machine, and look that nothing is left."
        ),
    ] = False,
    hosts: LostHosts = None,
    lost: Annotated[
        bool,
        typer.Option(
            "--forget-lost",
            help="Forget machines that do not answer, with what the lab left on them.",
            rich_help_panel=OWN,
        ),
    ] = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Remove the lab: containers, volumes, network, certificates, progress.

    Nothing else on the engine is touched; images and the build cache stay. Without a lab it
    says so and is content. Machines of your own are left as they were found; what is not is told,
    with exit code 3. Their file (--hosts) is needed only when this engine has lost the lab.
    """
    from swarmlab.cluster import lifecycle
    from swarmlab.console import ConsoleProgress, show_error
    from swarmlab.errors import SwarmlabError, UsageError
    from swarmlab.report.cluster import cluster_down

    speak(language)
    if everything and typed(context, "name"):
        raise UsageError(
            say("--all and --name do not go together: the one means every lab, the other one."),
            hint=say("`swarmlab down` removes the lab of that name alone."),
        )
    choice = asked("", hosts)
    names = lifecycle.names() if everything else [name]
    if not names:
        cluster_down(None)
    failed: SwarmlabError | None = None
    for one in names:
        # What is advised about it names it.
        naming.choose(one)
        try:
            cluster_down(lifecycle.down(one, ConsoleProgress(), choice=choice, lost=lost))
        except SwarmlabError as error:
            # One lab that is busy is no reason to leave the others.
            if failed is not None:
                show_error(failed)
            failed = error
    if failed is not None:
        raise failed
    if everything:
        _prove_that_nothing_is_left()


def _prove_that_nothing_is_left() -> None:
    """Look once more for anything of any lab; tell of keys of labs that the engine does not know.

    Raises EnvironmentProblem when there is something.
    """
    from swarmlab import state
    from swarmlab.cluster import lifecycle
    from swarmlab.errors import EnvironmentProblem
    from swarmlab.report.cluster import nothing_left

    left = lifecycle.names()
    if left:
        raise EnvironmentProblem(
            say(
                "There is something of {left} again: another command made it meanwhile.",
                left=", ".join(left),
            ),
            hint=say("`swarmlab list` shows it; `swarmlab down --all` removes it."),
        )
    nothing_left(state.with_keys(()))
