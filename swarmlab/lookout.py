"""From where a node is seen from inside: programs run there, or as if they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Into the node's own files, network and name, from a container that sees its processes.
_INTO_NODE = ("nsenter", "--target", "1", "--mount", "--net", "--uts", "--")
NODE_ENGINE = "/proc/1/root/run/docker.sock"
"""The socket of a node's engine, from a container that sees the node's processes."""
_TIMES = 3  # that a command is run whose words were lost


@dataclass(frozen=True)
class Ran:
    """How a program ended in a container, and what it printed."""

    exit_code: int
    output: str
    errors: str


def heard(api: Any, container: str, argv: Sequence[str]) -> Ran:
    """Run a program that changes nothing and has something to say. Raises what docker-py raises.

    An engine under load may lose the words of one that ends at once (docker/docker-py#2042): what
    ended well and said nothing is run again.
    """
    for _ in range(_TIMES):
        identity = api.exec_create(container, list(argv))["Id"]
        output, errors = api.exec_start(identity, demux=True)
        exit_code = api.exec_inspect(identity)["ExitCode"]
        ran = Ran(
            -1 if exit_code is None else int(exit_code),
            (output or b"").decode(errors="replace"),
            (errors or b"").decode(errors="replace").strip(),
        )
        if ran.exit_code or ran.output:
            break
    return ran


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
        run = self.api.exec_create(self.container, self._argv(script, *words))
        said = bytes(self.api.exec_start(run["Id"])).decode("utf-8", "replace").strip()
        return int(self.api.exec_inspect(run["Id"])["ExitCode"] or 0), said

    def heard_on_node(self, script: str) -> Ran:
        """The same for a script that changes nothing and has something to say; see `heard`."""
        return heard(self.api, self.container, self._argv(script))

    def _argv(self, script: str, *words: str) -> list[str]:
        argv = ["sh", "-c", script, "sh", *words]
        return argv if self.own else [*_INTO_NODE, *argv]
