"""Bundles where there is no room for them: said in words, and nothing half is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from swarmlab.bundle.serving import NAME
from tests.docker.machine_site import machine
from tests.docker.registry_site import free_port

pytestmark = [pytest.mark.docker, pytest.mark.long]

ROOM = """
mkdir -p "$1" && mount -t tmpfs -o size="$2" tmpfs "$1" || exit 9
shift 2; "$@"; code=$?
echo "left: $(ls -A "$ROOM")"
exit $code
"""


def swarmlab(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def in_a_room(room: Path, size: str, *words: str) -> subprocess.CompletedProcess[str]:
    """swarmlab where the folder `room` has that much space; says what is left in it."""
    # Whoever is not root may mount as the root of a namespace of their own.
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    return subprocess.run(
        [
            *("unshare", *root, "--mount", "--propagation", "private", "sh", "-c", ROOM, "sh"),
            *(str(room), size, sys.executable, "-m", "swarmlab", *words),
        ],
        env={**os.environ, "ROOM": str(room)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bundle") / NAME
    made = swarmlab("bundle", "create", str(file), "--no-package")
    assert made.returncode == 0, made.stderr
    return file


def test_an_engine_without_room_takes_nothing(bundle: Path, tmp_path: Path) -> None:
    with machine(tmp_path, f"small-{os.getpid()}", lonely=True, disk="300m") as there:
        where: Mapping[str, str] = {"DOCKER_HOST": there.socket}
        done = swarmlab("bundle", "load", str(bundle), **where)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "The disk that holds Docker's data is full." in done.stderr
        assert "docker system df" in done.stderr
        client = there.client()
        assert client.images.list() == []
        assert client.containers.list(all=True) == []
        client.close()


def test_a_bundle_that_has_no_room_is_not_begun_and_left(tmp_path: Path) -> None:
    room = tmp_path / "room"
    done = in_a_room(room, "20m", "bundle", "create", str(room / NAME), "--no-package")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"The disk that holds {room / NAME} is full." in done.stderr
    assert "name a file on another disk" in done.stderr
    assert done.stdout.strip() == "left:"


def test_a_copy_that_has_no_room_says_so_and_keeps_what_came(bundle: Path, tmp_path: Path) -> None:
    """Kept is only what the next try goes on from, and nothing under the bundle's own name."""
    room = tmp_path / "room"
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "swarmlab", "serve-bundle", str(bundle), "--bind", "127.0.0.1",
         "--port", str(port)],
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            assert "Serving" in server.stdout.readline()
            url = f"http://127.0.0.1:{port}/{NAME}"
            done = in_a_room(room, "20m", "bundle", "fetch", url, str(room / NAME))
        finally:
            server.terminate()
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"The disk that holds {room / NAME} is full." in done.stderr
    assert NAME not in done.stdout.split()
