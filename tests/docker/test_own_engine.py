"""An engine of a test's own: what is left of it when its test is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from swarmlab.images import builder, leftovers
from tests.docker import engine_record
from tests.docker.own_engine import clear_lost

pytestmark = [
    pytest.mark.docker,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts an engine of its own: only root can"),
]

KILLED = """
import sys
from tests.docker.own_engine import own_engine

with own_engine() as engine:
    engine.give("util")
    client = engine.client()
    box = client.containers.run(sys.argv[1], ["600"], entrypoint="sleep", detach=True)
    box.reload()
    print(engine.url.removeprefix("unix://"), box.attrs["State"]["Pid"], flush=True)
    sys.stdin.read()
"""


def test_the_next_test_ends_what_a_killed_one_has_left() -> None:
    here = docker.from_env(version="auto")
    (util,) = [one.reference for one in builder.ensure(["util"], engine=here) if one.name == "util"]
    witness = here.api.create_container(util, labels=leftovers.labels())["Id"]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, util],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as test:
        assert test.stdout is not None
        socket, pid = test.stdout.readline().split()
        folder, inside = Path(socket).parent, engine_record.Process.of(int(pid))
        record = engine_record.read(folder / "record.json")
        assert record.engine is not None and record.engine.lives and inside.lives
        # While it lives nobody touches what it has.
        clear_lost()
        assert record.engine.lives and inside.lives
        with engine_record.alone():
            test.kill()
            test.wait()
            assert record.engine.lives and inside.lives
    # This one's or another's: whoever is first ends what it finds, and who comes then waits.
    clear_lost()
    assert not record.engine.lives and not inside.lives
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    # What the machine's own engine has is no test's.
    here.api.remove_container(witness)
    here.close()
