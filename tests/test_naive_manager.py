"""The naive manager against made-up engines: what it believes, and what it then starts.

`docker`, `docker-machine` and `curl` are small programs here that keep containers and keys as
files, so that the script's own logic is what is looked at.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = (
    Path(__file__).resolve().parent.parent
    / "labs"
    / "service-discovery"
    / "files"
    / "naive-manager.sh"
)
PROGRAMS = {
    "docker-machine": 'echo "export DOCKER_HOST=$2"',
    # A container is a file engines/NODE/ID that holds its service.
    "docker": """
mkdir -p "$FAKE/engines/$DOCKER_HOST"; cd "$FAKE/engines/$DOCKER_HOST"
case $1 in
run)
    id=$(printf %012x $(($(cat "$FAKE/last") + 1))); echo $((16#$id)) >"$FAKE/last"
    for word in "$@"; do case $word in naive=*) echo "${word#naive=}" >"$id" ;; esac; done
    echo "$*" >>"$FAKE/runs"; echo "${id}0123456789" ;;
ps) for id in *; do [ -f "$id" ] && echo "$(cat "$id") $DOCKER_HOST $id"; done; true ;;
rm) for word in "$@"; do [ ! -f "$word" ] || rm "$word"; done ;;
esac""",
    # A key is a file below keys/.
    "curl": """
method=GET data=
while [ $# -gt 0 ]; do case $1 in
-X) method=$2; shift ;;
--data-binary) data=$(cat); shift ;;
-d) data=$2; shift ;;
http*) key=$FAKE/keys/${1#http://}; key=${key%\\?raw} ;;
esac; shift; done
if [ $method = PUT ]; then mkdir -p "${key%/*}"; echo "$data" >"$key"; else cat "$key"; fi""",
}


class Lab:
    """Three made-up engines and the managers' working directory."""

    def __init__(self, folder: Path, registry: str = "") -> None:
        self.folder = folder
        (folder / "last").write_text("0")
        programs = folder / "bin"
        programs.mkdir()
        for name, body in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/bash\n{body}\n")
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "FAKE": str(folder),
            "REGISTRY": registry,
        }

    def manager(self, name: str, service: str, count: int) -> str:
        done = subprocess.run(
            ["bash", str(SCRIPT), name, service, str(count), "-e", "DB=db", "image"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def containers(self, service: str) -> list[Path]:
        files = sorted((self.folder / "engines").glob("*/*"))
        return [file for file in files if file.read_text().strip() == service]


@pytest.fixture
def private(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def shared(tmp_path: Path) -> Lab:
    return Lab(tmp_path, "http://registry/naive")


def test_a_manager_starts_what_is_missing_and_the_nodes_take_turns(private: Lab) -> None:
    private.manager("A", "go-demo", 3)
    nodes = [file.parent.name for file in private.containers("go-demo")]
    assert nodes == ["swarm-1", "swarm-2", "swarm-3"]
    assert "-e DB=db image" in (private.folder / "runs").read_text()


def test_without_a_registry_the_second_manager_starts_its_own(private: Lab) -> None:
    private.manager("A", "go-demo", 2)
    assert "I know of 0" in private.manager("B", "go-demo", 3)
    assert len(private.containers("go-demo")) == 5


def test_without_a_registry_a_killed_container_goes_unnoticed(private: Lab) -> None:
    private.manager("A", "go-demo", 2)
    private.containers("go-demo")[0].unlink()
    assert "I know of 2" in private.manager("A", "go-demo", 3)
    assert len(private.containers("go-demo")) == 2


def test_with_a_registry_it_does_not_matter_which_manager_is_asked(shared: Lab) -> None:
    shared.manager("A", "go-demo", 2)
    assert "I know of 2" in shared.manager("B", "go-demo", 3)
    assert len(shared.containers("go-demo")) == 3


def test_with_a_registry_a_killed_container_is_noticed(shared: Lab) -> None:
    shared.manager("A", "go-demo", 2)
    shared.containers("go-demo")[0].unlink()
    assert "I know of 1" in shared.manager("A", "go-demo", 3)
    assert len(shared.containers("go-demo")) == 3


@pytest.mark.parametrize("kind", ["private", "shared"])
def test_removing_takes_the_last_ones_and_only_of_that_service(
    kind: str, request: pytest.FixtureRequest
) -> None:
    lab: Lab = request.getfixturevalue(kind)
    lab.manager("A", "go-demo-db", 1)
    lab.manager("A", "go-demo", 3)
    lab.manager("A", "go-demo", 1)
    assert [file.parent.name for file in lab.containers("go-demo")] == ["swarm-1"]
    lab.manager("A", "go-demo", 0)
    assert lab.containers("go-demo") == []
    assert len(lab.containers("go-demo-db")) == 1


def test_what_is_dead_already_can_be_removed(private: Lab) -> None:
    private.manager("A", "go-demo", 2)
    private.containers("go-demo")[1].unlink()
    private.manager("A", "go-demo", 0)
    assert private.containers("go-demo") == []
    assert (private.folder / "A.state").read_text() == ""
