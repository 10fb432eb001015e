"""Which version of Docker's API a machine's engine speaks: drivers make machines with old ones.

docker-machine itself says nothing of it.
"""

from __future__ import annotations

from swarmlab import engine as engines
from swarmlab.engine import Engine, Target
from swarmlab.errors import EnvironmentProblem
from swarmlab.providers.machine_env import Way
from swarmlab.words import say


def reached(way: Way) -> Engine:
    """The machine's engine. Raises EnvironmentProblem, as for an engine that is too old."""
    return engines.connect(Target(f"tcp://{way.address}:{way.port}", "docker-machine", way.certs))


class Spoken:
    """The versions to speak with the engines of machines, each asked once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def agree(self, node: str, way: Way) -> None:
        """Ask the engine of a new machine.

        Raises EnvironmentProblem for one that is too old, and when it does not answer.
        """
        try:
            self._ask(node, way)
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(
                say("The engine of {node} is of no use. {why}", node=node, why=problem.message),
                evidence=problem.evidence,
                hint=say(
                    "Have docker-machine make it with a newer engine: give its driver a newer "
                    "image, or --machine-opt engine-install-url=URL."
                ),
            ) from problem

    def known(self, node: str, way: Way) -> str:
        """The version for a machine's engine; empty while it does not tell."""
        if node not in self._known:
            try:
                self._ask(node, way)
            except EnvironmentProblem:
                return ""
        return self._known[node]

    def _ask(self, node: str, way: Way) -> None:
        engine = reached(way)
        engine.client.close()
        self._known[node] = engine.api
