"""What programs in containers say, heard to the end.

A busy machine loses words in two ways. docker-py reads the head of an exec's answer into a buffer,
and the first words with it when they are there already (docker/docker-py#2042). And whoever follows
a log while its container ends, as docker-py's `containers.run` does, may hear of the end before the
last lines (moby's followLogs waits for either, in no order).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docker import DockerClient
from docker.models.containers import Container

from swarmlab.wait import Observation, until

_END = "=== heard to the end ==="
_MARKED = '"$@"; printf "%s%d" "$0" $?'
_SECONDS = 120


def within(container: Container, *command: str) -> tuple[int, str]:
    """Exit code and output of a command in a running container that has `sh`.

    The end of the output is marked, and what was not heard to its end is run again: the command
    must bear that.
    """

    def look() -> Observation[tuple[int, str]]:
        output = container.exec_run(["sh", "-c", _MARKED, _END, *command]).output
        assert isinstance(output, bytes)
        said, end, code = output.decode(errors="replace").rpartition(_END)
        whole = bool(end) and code.isdigit()
        return Observation(whole, f"{said}{code}"[-300:], (int(code), said) if whole else None)

    heard = until("the whole output of a command", look, within=_SECONDS).last.value
    assert heard is not None
    return heard


def once(engine: DockerClient, image: str, command: Sequence[str], **options: Any) -> str:
    """The output of a program that has a container to itself, which is removed. It must not fail.

    What the log holds once the container has ended is all that was said.
    """
    container = engine.containers.create(image, list(command), **options)
    try:
        container.start()
        code = container.wait(timeout=_SECONDS)["StatusCode"]
        assert code == 0, container.logs(tail=20).decode(errors="replace")
        return bytes(container.logs(stderr=False)).decode(errors="replace")
    finally:
        container.remove(force=True, v=True)
