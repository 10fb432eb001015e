"""`remove.sh` of the workstation against made-up engines: what it takes away, and what it names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = (
    Path(__file__).resolve().parent.parent / "labs" / "service-discovery" / "files" / "remove.sh"
)
PROGRAMS = {
    "docker-machine": """
case $1 in
ls) printf '%s\\n' swarm-1 swarm-2 swarm-3 ;;
env) echo "export DOCKER_HOST=$2" ;;
esac""",
    # A service is a file services/NAME that holds the ids of its networks, a network a file
    # networks/NAME that holds its id. swarm-3 is a worker, and has nothing to do with any.
    "docker": """
cd "$FAKE"; echo "$DOCKER_HOST $*" >>asked
# What stands in deaf is never answered, what stands in silent as often as it stands there.
if grep -qFx "$DOCKER_HOST $1 $2" deaf; then exit 1; fi
if grep -qFx "$DOCKER_HOST $1 $2" silent; then
    n=$(grep -nFx -m1 "$DOCKER_HOST $1 $2" silent); sed -i "${n%%:*}d" silent; exit 1
fi
name=${*: -1}
for word in "$@"; do case $word in name=^*) part=${word#name=^}; part=${part%$} ;; esac; done
case "$DOCKER_HOST $1 $2" in
swarm-3\\ network* | swarm-3\\ service*) exit 1 ;;
*"network rm") grep -qrFx "$(cat "networks/$name")" services || rm "networks/$name" ;;
*"network ls") [ ! -f "networks/$part" ] || case "$*" in
    *--format*) echo "network $part" ;;
    *) cat "networks/$part" ;;
    esac ;;
*"service ls") ls services ;;
*"service rm") [ "$name" = stuck ] || rm "services/$name" ;;
*"service inspect")
    shift 2
    while [ "$1" != --format ]; do echo "$1 $(tr '\\n' ' ' <"services/$1")"; shift; done ;;
esac""",
    # A minute is over at once.
    "sleep": "true",
}


class Engines:
    """Two networks, and services on them; `services` is name to the ids of its networks."""

    def __init__(self, folder: Path, **services: str) -> None:
        self.folder = folder
        programs = folder / "bin"
        for name in ("bin", "networks", "services"):
            (folder / name).mkdir()
        self.silent, self.deaf = folder / "silent", folder / "deaf"
        for path in (self.silent, self.deaf):
            path.write_text("")
        for name, body in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/bash\n{body}\n")
            (programs / name).chmod(0o755)
        (folder / "networks" / "go-demo").write_text("id1\n")
        (folder / "networks" / "proxy").write_text("id2\n")
        for name, networks in services.items():
            text = "".join(f"{one}\n" for one in networks.split())
            (folder / "services" / name.replace("_", "-")).write_text(text)

    def remove(self, *words: str, seconds: int = 60) -> tuple[int, str]:
        """Exit code and output; `seconds` stand in for the script's own minute."""
        text = SCRIPT.read_text()
        assert text.count("SECONDS + 60") == 1
        done = subprocess.run(
            [
                "bash",
                "-c",
                text.replace("SECONDS + 60", f"SECONDS + {seconds}"),
                "remove.sh",
                *words,
            ],
            env={"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "FAKE": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout

    def left(self, what: str) -> list[str]:
        return sorted(one.name for one in (self.folder / what).iterdir())


def test_a_service_under_another_name_does_not_hold_the_network(tmp_path: Path) -> None:
    engines = Engines(tmp_path, go_demo_db="id1", godemo="id1 id2", proxy="id2", util="")
    code, said = engines.remove("service", "go-demo", "go-demo-db", "network", "go-demo")
    assert (code, said) == (0, "service godemo is on network go-demo: removed too\n")
    assert engines.left("services") == ["proxy", "util"]
    assert engines.left("networks") == ["proxy"]


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    engines = Engines(tmp_path, proxy="id2")
    words = ("service", "go-demo", "network", "go-demo", "other", "volume", "go-demo")
    for _ in range(2):
        assert engines.remove(*words) == (0, "")
    assert engines.left("services") == ["proxy"]


def test_what_does_not_go_is_named_and_asked_for_at_a_manager(tmp_path: Path) -> None:
    """The last node is a worker, where nothing of a network is known."""
    engines = Engines(tmp_path, stuck="id1")
    code, said = engines.remove("network", "go-demo", seconds=0)
    assert (code, said.splitlines()[-1]) == (1, "still there: network go-demo")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert {one.split()[0] for one in asked if one.endswith("network rm go-demo")} == {"swarm-1"}


@pytest.mark.parametrize("question", ["network ls", "service ls"])
def test_who_does_not_answer_has_not_said_that_it_is_gone(tmp_path: Path, question: str) -> None:
    engines = Engines(tmp_path, godemo="id1")
    engines.silent.write_text(f"swarm-1 {question}\n" * 3)
    code, said = engines.remove("network", "go-demo")
    assert (code, said) == (0, "service godemo is on network go-demo: removed too\n")
    assert engines.left("services") == []
    assert engines.left("networks") == ["proxy"]


def test_an_engine_that_never_answers_is_told(tmp_path: Path) -> None:
    engines = Engines(tmp_path)
    engines.deaf.write_text("swarm-1 network ls\n")
    code, said = engines.remove("network", "go-demo", seconds=0)
    assert (code, said) == (1, "still there: perhaps network go-demo\n")


def test_a_silent_last_node_ends_no_wait(tmp_path: Path) -> None:
    """What a look has found counts, not whether its last question was answered."""
    engines = Engines(tmp_path, stuck="id1")
    engines.deaf.write_text("swarm-3 volume ls\n")
    words = ("service", "stuck", "network", "go-demo", "volume", "go-demo-db")
    code, said = engines.remove(*words, seconds=0)
    assert (code, said) == (1, "still there: network go-demo\n")


def test_a_kind_comes_before_a_name(tmp_path: Path) -> None:
    engines = Engines(tmp_path)
    code, said = engines.remove("go-demo")
    assert code != 0 and "service, network or volume first" in said
    assert engines.left("networks") == ["go-demo", "proxy"]
