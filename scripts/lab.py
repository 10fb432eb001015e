#!/usr/bin/env python3
"""What the author of a lab needs: look for mistakes in its files, and run it for real.

    scripts/lab.py FOLDER                       every problem of the files, with line and column
    scripts/lab.py FOLDER --run [--name NAME]   run all steps on a lab of that name, prove them,
                                                and see each typical mistake caught by its check

The lab NAME (default: `author`) is brought up when it is missing, and stays up.
Exit codes are those of swarmlab: 0 passed, 1 a check failed, 2 wrong files, 3 the environment.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from swarmlab import linting, wait
from swarmlab.cluster import lifecycle
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.console import ConsoleProgress, show_error
from swarmlab.errors import EXIT_FAILED, EXIT_PASSED, EXIT_USAGE, SwarmlabError
from swarmlab.images.catalog import substitutions
from swarmlab.model import Lab, Mistake, Step
from swarmlab.report.linting import linted
from swarmlab.report.live import LiveListener
from swarmlab.results import Verdict
from swarmlab.runner import Runner
from swarmlab.student import ProgressStore

CAUGHT_SECONDS = 30.0


def say(text: str) -> None:
    """One line on standard output, at once even through a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def caught(runner: Runner, workspace: LabWorkspace, step: Step, mistake: Mistake) -> bool:
    """Make the mistake on a cluster where the step is done; whether its check then fails."""
    workspace.session().run(mistake.command.run, timeout=mistake.command.timeout)

    def look() -> wait.Observation[None]:
        (result,) = runner.verify([step.number]).steps
        verdicts = {check.id: check.verdict for check in result.checks}
        return wait.Observation(verdicts.get(mistake.caught_by) is Verdict.FAILED, str(verdicts))

    return wait.poll(look, within=CAUGHT_SECONDS, every=0.5).done


def run(lab: Lab, name: str) -> int:
    """Run every step with its mistakes, back to the start, and all once more; the exit code."""
    with lifecycle.lock(name), LabWorkspace(name, lab, ConsoleProgress()) as workspace:

        def runner(full: int | None = None) -> Runner:
            return Runner(
                lab,
                workspace=workspace,
                progress=ProgressStore(name),
                listener=LiveListener(full),
            )

        for step in lab.steps:
            if (code := runner(step.number).step(step.number).exit_code) != EXIT_PASSED:
                return code
            for mistake in step.mistakes:
                if not caught(runner(), workspace, step, mistake):
                    say(f"The mistake {mistake.id} is not caught by {mistake.caught_by}.")
                    return EXIT_FAILED
                say(f"The mistake {mistake.id} is caught by {mistake.caught_by}.")
                if (code := runner().step(step.number).exit_code) != EXIT_PASSED:
                    return code
        say("Back to the start by the resets, and once more:")
        if (code := runner().run(lab.steps[0].number).exit_code) != EXIT_PASSED:
            return code
    say(f"All {len(lab.steps)} steps of {lab.id} are proven, and so are their resets.")
    return EXIT_PASSED


def main() -> int:
    """Parse, load, and run when that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", action="store_true", help="run the lab on a real cluster")
    parser.add_argument("--name", default="author", help="the cluster's name (author)")
    args = parser.parse_args()
    try:
        found = linting.lint(args.folder, images=substitutions("local"))
        linted(found)
        if found.problems or found.lab is None:
            return EXIT_USAGE
        return run(found.lab, args.name) if args.run else EXIT_PASSED
    except SwarmlabError as error:
        show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
