"""What programs in containers say, heard to the end.

A busy machine loses words in three ways. An engine gives up passing them on two seconds after the
program has ended; docker-py's `exec_run` drops those that come along with the head of the answer,
which `lookout.run` does not; and whoever follows a log while its container ends, as docker-py's
`containers.run` does, may hear of the end before the last lines (moby's followLogs waits for
either, in no order).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docker import DockerClient
from docker.models.containers import Container

from swarmlab import lookout
from swarmlab.wait import Observation, until

_END = "=== heard to the end ==="
_MARKED = 'end=$1; shift; "$@"; printf "%s%d" "$end" $?'
_SECONDS = 120


def within(container: Container, *command: str) -> tuple[int, str]:
    """Exit code and output of a command in a running container that has `sh`.

    The end of the output is marked, and what was not heard to its end is run again: the command
    must bear that.
    """
    assert container.client is not None
    api = container.client.api

    def look() -> Observation[tuple[int, str]]:
        _, output = lookout.run(api, str(container.id), ["sh", "-c", _MARKED, "sh", _END, *command])
        said, end, code = output.rpartition(_END)
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
