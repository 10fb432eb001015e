"""What a killed test may leave of an engine of its own: told from everything else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker import engine_record, own_engine
from tests.docker.engine_record import Process

WRITES = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from tests.docker import engine_record
folder = engine_record.folder()
engine_record.write(folder, int(sys.argv[2]))
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def engine() -> Iterator[subprocess.Popen[bytes]]:
    """In place of an engine."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_an_engine_is_lost_when_its_test_is_gone(
    engine: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path), str(engine.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as test:
        assert test.stdout is not None
        folder = Path(test.stdout.readline().strip())
        assert list(engine_record.lost()) == []
        test.kill()
    (record,) = engine_record.lost()
    assert record.folder == folder
    assert record.engine is not None and record.engine.pid == engine.pid
    assert record.engine.lives
    engine.kill()
    engine.wait()
    assert not record.engine.lives
    shutil.rmtree(folder)
    assert list(engine_record.lost()) == []


def test_a_process_that_has_got_the_number_is_another(engine: subprocess.Popen[bytes]) -> None:
    now = Process.of(engine.pid)
    assert now.lives
    assert not Process(engine.pid, now.began + "0").lives
    assert not Process(engine.pid, "another-run-of-the-machine " + now.began.split()[1]).lives
    assert not Process(engine.pid, "").lives
    engine.kill()
    # Ended, and its parent has not asked yet.
    os.waitid(os.P_PID, engine.pid, os.WEXITED | os.WNOWAIT)
    assert not now.lives


def test_a_lost_engine_is_killed_and_nobody_else(engine: subprocess.Popen[bytes]) -> None:
    now = Process.of(engine.pid)
    own_engine._kill(Process(engine.pid, now.began + "0"))
    assert now.lives
    own_engine._kill(now)
    assert engine.wait() == -signal.SIGKILL
    own_engine._kill(now)


def test_a_place_that_others_may_write_to_is_not_believed() -> None:
    engine_record.folder()
    engine_record.place().chmod(0o777)
    with pytest.raises(AssertionError, match="not ours alone"):
        list(engine_record.lost())
