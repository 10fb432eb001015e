"""What goes wrong in a command: told in words, and turned into an exit code."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from swarmlab import naming
from swarmlab.errors import EXIT_INTERRUPTED, EXIT_UNHEARD, SwarmlabError, Unheard
from swarmlab.words import say

# What the parser raises for a command line that makes no sense; Typer gives it no public name.
MISUSE: type[Exception] = typer.BadParameter.__bases__[0]


@contextmanager
def explained() -> Iterator[None]:
    """Tell what the block raises, and end the process with the exit code that it means."""
    try:
        yield
    except SwarmlabError as error:
        _told(error)
    except MISUSE as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise  # it is the help itself
        from swarmlab.cli.misuse import misused

        _told(misused(error))
    except tuple(_unforeseen()) as error:
        from swarmlab.console import deafen
        from swarmlab.errors import EnvironmentProblem

        if _unheard(error):
            deafen(sys.stdout)
            # Not 0: nobody heard the end, so nobody may take it for proven.
            raise SystemExit(EXIT_UNHEARD) from None
        _told(
            EnvironmentProblem(
                say(
                    "Something on this machine or its engine failed: {kind}.",
                    kind=type(error).__name__,
                ),
                evidence=str(error).strip().partition("\n")[0][:300],
                hint=say(
                    "`swarmlab status` says where the lab stands, `swarmlab "
                    "doctor` what this machine can do."
                ),
            )
        )
    except KeyboardInterrupt:
        advice = naming.named(say("`swarmlab status` says where the lab stands."))
        sys.stderr.write(f"\n{say('Interrupted.')} {advice}\n")
        raise SystemExit(EXIT_INTERRUPTED) from None


def _told(error: SwarmlabError) -> None:
    """Show it and end the process."""
    from swarmlab.cli import outcome
    from swarmlab.console import show_error

    outcome.broken_off(error)
    show_error(error)
    raise SystemExit(error.exit_code) from None


def _unforeseen() -> list[type[Exception]]:
    """What the engine's client and the file system raise when nobody nearer caught it.

    Looked up in what is loaded already: a command that never asked the engine cannot meet its
    errors, and `--help` must not import its client.
    """
    found: list[type[Exception]] = [OSError]
    for module, name in (("docker.errors", "DockerException"), ("requests", "RequestException")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return found


def _unheard(error: Exception) -> bool:
    """Whether the reader of our output went away (`swarmlab steps | head`), and not a server."""
    if isinstance(error, Unheard) or not isinstance(error, BrokenPipeError):
        return isinstance(error, Unheard)
    ends = select.poll()
    ends.register(sys.stdout.fileno(), 0)
    return bool(ends.poll(0))
