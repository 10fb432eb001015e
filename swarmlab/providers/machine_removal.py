"""A machine taken away, as far as docker-machine and its driver know of it."""

from __future__ import annotations

from pathlib import Path

from swarmlab.images.command import Ended
from swarmlab.providers import machine_store as stores
from swarmlab.providers.machine_program import Program, failed, last
from swarmlab.wait import patient
from swarmlab.words import say

_SECONDS = 300.0
# The driver's own words are what is between these.
_ROUTINE = ("About to remove", "WARNING: This action will delete", "Successfully removed")


def remove(program: Program, store: Path, found: stores.Machine) -> tuple[str, ...]:
    """Remove the machine; what is to be looked for by hand then, in words.

    One that its driver does not remove is forgotten when it was never whole, or when the driver
    calls its state an error. Another is kept, for the driver may remove it another time.
    Raises EnvironmentProblem.
    """
    node, folder = found.name, stores.folder(store, found.name)
    # Some drivers forget the address at a stop, some never write it; the certificates stay.
    whole = bool(found.address) or (folder / "server.pem").exists()
    ended = program.run("rm", "-y", node, within=patient(_SECONDS))
    if not folder.exists():
        # docker-machine keeps what a driver calls the machine only once that has made it.
        return () if whole else (_begun(found, ended),)
    # No other state will do: a driver that reaches no cloud may say that there is none.
    if whole and program.state(node) != "Error":
        raise failed(_failed(node), ended, _advice(node))
    # A machine whose making failed may be in the store alone, and its driver knows none.
    forced = program.run("rm", "-f", node, within=patient(_SECONDS))
    if folder.exists():
        raise failed(_failed(node), forced)
    words = say(
        "docker-machine forgot {node}, but its driver {driver} could not remove it. Look there"
        " whether a machine of that name is left. It said: {words}",
        node=node,
        driver=found.driver,
        words=last(ended),
    )
    return (words,)


def _begun(found: stores.Machine, ended: Ended) -> str:
    own = [line for line in ended.tail if not line.startswith(_ROUTINE)]
    return say(
        "docker-machine removed {node}, which was never whole: its driver {driver} may have made"
        " more than it knew of. Look there whether a machine of that name is left. It said:"
        " {words}",
        node=found.name,
        driver=found.driver,
        words=" ".join(own) or last(ended),
    )


def _failed(node: str) -> str:
    return say("docker-machine could not remove {node}.", node=node)


def _advice(node: str) -> str:
    return say(
        "What docker-machine or its driver says there is to be put right; then run the command"
        " again. If that machine is gone already, `docker-machine rm -f {node}` forgets it.",
        node=node,
    )
