"""From where a node is seen from inside: programs run there, or as if they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Into the node's own files, network and name, from a container that sees its processes.
_INTO_NODE = ("nsenter", "--target", "1", "--mount", "--net", "--uts", "--")
NODE_ENGINE = "/proc/1/root/run/docker.sock"
"""The socket of a node's engine, from a container that sees the node's processes."""


@dataclass(frozen=True)
class Lookout:
    """A container in which programs see a node's processes and network.

    `api` is of the engine that runs it. `own`: it is the node itself, so that programs see the
    node's files, too, and the node's engine; otherwise it is a container on the node's engine.
    """

    api: Any
    container: str
    own: bool = True

    def on_node(self, script: str, *words: str) -> tuple[int, str]:
        """Run a shell script with the node's own programs and files; exit code and output.

        Raises what docker-py raises, APIError for one where there is no such container.
        """
        argv = ["sh", "-c", script, "sh", *words]
        return self.run(argv if self.own else [*_INTO_NODE, *argv])

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        """Run a program of the container; exit code and output. Raises as `on_node`."""
        run = self.api.exec_create(self.container, list(argv))
        said = bytes(self.api.exec_start(run["Id"])).decode("utf-8", "replace").strip()
        return int(self.api.exec_inspect(run["Id"])["ExitCode"] or 0), said
