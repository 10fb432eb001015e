"""What an engine's refusals mean, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from swarmlab.errors import EngineUnreachable, EnvironmentProblem, SwarmlabError
from swarmlab.process import redact
from swarmlab.words import later, say

_KNOWN = (
    (
        "no space left on device",
        later("The disk that holds Docker's data is full."),
        later(
            "Free some space (`docker system df` tells what Docker uses, `docker "
            "image prune` frees some of it), then run the command again."
        ),
    ),
    (
        "pool overlaps",
        later("The subnet for the lab is in use by another network."),
        later("Run the command again: another subnet will be chosen."),
    ),
    (
        "address already in use",
        later("A port or an address that the lab needs is in use on this machine."),
        later(
            "Run the command again; if it stays so, `swarmlab down` and `swarmlab up` begin anew."
        ),
    ),
    (
        "cannot assign requested address",
        later("The address to publish at is not one of the engine's machine."),
        later(
            "Give --publish-address an address that the machine has (`ip -br address` lists them)."
        ),
    ),
    (
        "port is already allocated",
        later("A port that the lab needs is in use on this machine."),
        later("Run the command again: the engine will choose another port."),
    ),
    (
        "cannot allocate memory",
        later("The machine has no memory left."),
        later(
            "Close other programs or stop other labs (`swarmlab list`, then `swarmlab stop --name "
            "NAME`); a lab needs 2 GiB."
        ),
    ),
    (
        "killed for want of memory",
        later("The machine had no memory left, and a node of the lab was killed for it."),
        later(
            "Close other programs or stop other labs (`swarmlab list`, then `swarmlab stop --name "
            "NAME`); a lab needs 2 GiB."
        ),
    ),
    (
        "unable to apply caps",
        later(
            "The engine may not give a container the rights a node needs "
            "(SYS_ADMIN, NET_ADMIN, SYS_PTRACE)."
        ),
        later("Run swarmlab on a machine whose engine runs as root; `swarmlab doctor` tells more."),
    ),
    (
        "no such image",
        later("An image of the lab is missing from the engine."),
        later("Build it with `swarmlab images build`, then run the command again."),
    ),
)

# With these no node can work, a new one no better.
_OF_MACHINE = (
    "no space left on device",
    "cannot allocate memory",
    "killed for want of memory",
)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the engine refuses while `doing` something into an EnvironmentProblem.

    An engine that does not answer any more becomes EngineUnreachable.
    """
    try:
        yield
    except APIError as error:
        raise explain(doing, said(error)) from error
    except (DockerException, RequestException, OSError) as error:
        raise EngineUnreachable(
            say("The Docker engine stopped answering while {doing}.", doing=doing),
            evidence=redact(str(error))[:300],
            hint=say("Look with `swarmlab doctor`, then run the command again."),
        ) from error


def explain(doing: str, text: str) -> EnvironmentProblem:
    """The engine's refusal `text` as an error that says what happened and what to do."""
    low = text.lower()
    for sign, message, hint in _KNOWN:
        if sign in low:
            return EnvironmentProblem(say(message), evidence=text, hint=say(hint))
    return EnvironmentProblem(
        say("The Docker engine refused while {doing}.", doing=doing),
        evidence=text,
        hint=say("Look with `swarmlab doctor`, then run the command again."),
    )


def of_machine(problem: SwarmlabError) -> EnvironmentProblem | None:
    """What the machine lacks, when that is why a node does not work; None: it is the node's."""
    text = f"{problem.message}\n{problem.evidence}"
    if any(sign in text.lower() for sign in _OF_MACHINE):
        return explain(say("starting a node"), text)
    return None


def said(error: APIError) -> str:
    """What the engine said, without the URL around it and without secrets."""
    return redact(str(error.explanation or error))[:500]


def no_vxlan(said: str) -> EnvironmentProblem:
    """The refusal of a kernel that cannot carry overlay networks."""
    return EnvironmentProblem(
        say(
            "This machine's kernel has no VXLAN, on which Swarm's overlay networks "
            "are built: a lab cannot run here."
        ),
        evidence=said[:300],
        hint=say(
            "Load it (`sudo modprobe vxlan`) or boot a kernel that has "
            "CONFIG_VXLAN; `swarmlab doctor` looks again."
        ),
    )
