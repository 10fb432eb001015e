"""A node on a machine so slow that its engine gives up waiting for the containerd it started."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from docker import DockerClient
from docker.models.containers import Container

from swarmlab import engine, labels
from swarmlab.images import builder
from swarmlab.providers.dind import CAPABILITIES, SECURITY
from swarmlab.wait import Observation, poll, until
from tests.docker.heard import within

pytestmark = pytest.mark.docker

LATE = "failed to start containerd: timeout waiting for containerd to start"
# The engine's own last words and exit code, in its place, as often as asked for.
SLOW = f"""
cat >/usr/local/bin/dockerd <<'END'
#!/bin/sh
echo start >>/starts
if [ $(wc -l </starts) -le "$LATE_STARTS" ]; then echo '{LATE}' >&2; exit 1; fi
exec /usr/sbin/dockerd "$@"
END
chmod +x /usr/local/bin/dockerd
exec swarmlab-node run
"""


@pytest.fixture
def client() -> Iterator[DockerClient]:
    connected = engine.connect().client
    yield connected
    connected.close()


def start(client: DockerClient, late: int) -> Container:
    builder.ensure(["node"], engine=client)
    api: Any = client.api
    config = {
        "Image": builder.reference("node"),
        "Entrypoint": ["bash", "-c", SLOW],
        "Env": [f"LATE_STARTS={late}"],
        "Labels": {labels.ROLE: labels.ROLE_BUILD},
        "HostConfig": {
            "CapAdd": list(CAPABILITIES),
            "SecurityOpt": list(SECURITY),
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "NetworkMode": "none",
            "Mounts": [{"Type": "volume", "Target": "/var/lib/docker"}],
        },
    }
    container = client.containers.get(api.create_container_from_config(config)["Id"])
    container.start()
    return container


def counted(container: Container, expected: int) -> int:
    """How often the node told of it, once it is as often as expected, or has had its time.

    The engine hands a line of a log on a moment after it was written.
    """

    def look() -> Observation[int]:
        count = container.logs().decode().count("containerd was late")
        return Observation(count >= expected, str(count), count)

    found = poll(look, within=20).last.value
    assert found is not None
    return found


def test_a_late_engine_is_started_again(client: DockerClient) -> None:
    container = start(client, late=2)
    try:

        def look() -> Observation[None]:
            code, said = container.exec_run(["docker", "version"])
            return Observation(code == 0, str(said)[-200:])

        until("the engine's third start", look, within=120)
        # Two that the test makes late, and what the machine itself may have made late since.
        late = int(within(container, "sh", "-c", "wc -l </starts")[1]) - 1
        assert late >= 2
        assert counted(container, late) == late
    finally:
        container.remove(force=True, v=True)


def test_an_engine_that_is_always_late_ends_the_node(client: DockerClient) -> None:
    container = start(client, late=1000)
    try:
        assert container.wait(timeout=120)["StatusCode"] == 1
        assert counted(container, 7) == 7
        assert LATE in container.logs().decode()
    finally:
        container.remove(force=True, v=True)
