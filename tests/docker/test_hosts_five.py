"""Five machines of one's own, three of which are managers: the whole chapter on them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.docker.hosts_site import Room, all_held, done, room, swarmlab
from tests.docker.lifecycle_site import left

pytestmark = [pytest.mark.docker, pytest.mark.long]

NAME = f"five-{os.getpid()}"
NAMES = tuple(f"swarm-{number}" for number in range(1, 6))


@pytest.fixture
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with room(tmp_path_factory.mktemp("five"), NAME, NAMES) as made:
        yield made
    assert left(NAME) == []


def test_the_chapter_on_three_managers_and_two_workers(there: Room) -> None:
    before = all_held(there)
    file = str(there.file(over=("tcp", "ssh", "tcp", "ssh", "context")))
    try:
        done(there, "up", "--hosts", file, "--managers", "3", "--workers", "2", timeout=600)
        status = json.loads(done(there, "status", "--json"))
        roles = {node["name"]: node["role"] for node in status["nodes"]}
        assert roles == dict(zip(NAMES, ["manager"] * 3 + ["worker"] * 2, strict=True))
        found = json.loads(done(there, "run", "--json", timeout=900))
    finally:
        ended = swarmlab(there, "down", timeout=600)
    assert ended.returncode == 0, ended.stderr
    wrong = [
        (step["id"], check["id"], check["verdict"], check["actual"])
        for step in found["steps"]
        for check in step["checks"]
        if check["verdict"] != "passed"
    ]
    assert wrong == []
    assert len(found["steps"]) == 14
    assert all_held(there) == before
