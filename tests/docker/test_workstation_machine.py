"""The workstation's own `docker-machine`, beside what the real one says of the same file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from swarmlab import archive
from swarmlab import engine as engines
from swarmlab.images import builder
from tests.docker import testhosts
from tests.docker.lifecycle_site import host
from tests.test_machine_captures import ADDRESS, REAL, STORE

pytestmark = pytest.mark.docker

BIN = "/srv/bin"
OTHER = "192.0.2.12"
# Each answers as curl does: with a version, not at all, refused, or with a word about TLS.
CURL = """#!/bin/sh
case "$*" in
    *{address}:*) {first} ;;
    *) {second} ;;
esac
"""
WELL = """echo '{"Version": "26.1.5"}'"""
OFF = "echo 'curl: (7) Failed to connect' >&2; exit 7"
SILENT = "echo 'curl: (28) Connection timed out' >&2; exit 28"
STRANGE = "echo 'curl: (60) SSL certificate problem' >&2; exit 60"


class Typed:
    """The program in its image, with a store of two machines, and a `curl` that reaches them or
    does not."""

    def __init__(self, box: str) -> None:
        self.box = box
        self.run("rm", "-rf", STORE)
        files = {}
        for name, address in (("swarm-1", ADDRESS), ("swarm-2", OTHER)):
            text = REAL["inspect"].out.replace("swarm-1", name).replace(ADDRESS, address)
            files[f"{STORE}/machines/{name}/config.json"] = text.encode()
        host().put_archive(box, "/", archive.pack(files))
        self.reach(WELL, WELL)

    def reach(self, first: str, second: str) -> None:
        """How the engines of the two answer."""
        curl = CURL.format(address=ADDRESS, first=first, second=second).encode()
        packed = archive.pack({f"{BIN}/curl": curl}, modes={f"{BIN}/curl": archive.PROGRAM})
        host().put_archive(self.box, "/", packed)

    def forget(self, *names: str) -> None:
        """Take these machines out of the store."""
        self.run("rm", "-r", *(f"{STORE}/machines/{name}" for name in names))

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Exit code, output and error output of a command there."""
        api: Any = host()
        ran = api.exec_create(self.box, list(words), environment=environment)["Id"]
        out, err = api.exec_start(ran, demux=True)
        code = int(api.exec_inspect(ran)["ExitCode"])
        return code, (out or b"").decode(), (err or b"").decode()

    def __call__(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """The same of docker-machine with these words."""
        return self.run("docker-machine", *words, **environment)


@pytest.fixture(scope="module")
def box() -> Iterator[str]:
    built = builder.ensure(["workstation"], engine=engines.connect().client)
    image = next(one.reference for one in built if one.name == "workstation")
    api = host()
    made = api.create_container(
        image,
        entrypoint=["sleep", "infinity"],
        environment={"MACHINE_STORAGE_PATH": STORE, "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin"},
        labels={testhosts.LABEL: "workstation"},
        network_disabled=True,
    )["Id"]
    try:
        api.start(made)
        yield made
    finally:
        api.remove_container(made, force=True, v=True)


@pytest.fixture
def typed(box: str) -> Typed:
    return Typed(box)


@pytest.mark.parametrize(
    "case",
    [
        *("ip", "status", "url", "active, none", "ls -q", "env, no name", "env, two names"),
        *("env --shell sh", "env --shell bash", "env --shell nosuch"),
        *(case for case in REAL if case.startswith("inspect -f")),
    ],
)
def test_what_is_typed_gets_the_words_of_the_real_one(case: str, typed: Typed) -> None:
    real = REAL[case]
    typed.forget("swarm-2")
    assert typed(*real.words) == (real.code, real.out, real.err)


def test_the_whole_is_the_file_itself(typed: Typed) -> None:
    code, out, _ = typed("inspect", "swarm-1")
    assert (code, json.loads(out)) == (0, json.loads(REAL["inspect"].out))
    assert typed("inspect", "swarm-1", "-f", "{{.Name}}") == (0, "swarm-1\n", "")


def test_a_whole_part_is_printed_with_its_depths(typed: Typed) -> None:
    code, out, _ = typed("inspect", "-f", "{{prettyjson .HostOptions}}", "swarm-1")
    assert code == 0
    told = json.loads(REAL["inspect"].out)["HostOptions"]
    assert out == json.dumps(told, indent=4, sort_keys=True) + "\n"


def test_a_name_that_is_not_there_gets_the_words_of_the_real_one(typed: Typed) -> None:
    typed.forget("swarm-1", "swarm-2")
    for command in ("env", "status", "ip", "inspect"):
        real = REAL[f"{command}, no such machine"]
        assert typed(*real.words) == (real.code, real.out, real.err)
    assert typed("ls") == (0, REAL["ls, empty"].out, "")


def test_a_node_that_is_off_has_no_url(typed: Typed) -> None:
    typed.reach(OFF, WELL)
    code, out, _ = typed("ls", DOCKER_HOST=f"tcp://{OTHER}:2376")
    _, *rows = out.splitlines()
    assert code == 0
    assert [row.split() for row in rows] == [
        ["swarm-1", "-", "generic", "Stopped", "Unknown"],
        ["swarm-2", "*", "generic", "Running", f"tcp://{OTHER}:2376", "v26.1.5"],
    ]
    assert typed("status", "swarm-1") == (0, "Stopped\n", "")
    typed.reach(OFF, OFF)
    off = REAL["ls, off"].out.replace("box    ", "generic").splitlines()
    assert [row.split() for row in typed("ls")[1].splitlines()[:2]] == [row.split() for row in off]


def test_an_engine_that_says_nothing_or_refuses_is_told_from_one_that_is_off(typed: Typed) -> None:
    typed.reach(SILENT, STRANGE)
    _, *rows = typed("ls")[1].splitlines()
    assert rows[0].split() == ["swarm-1", "generic", "Timeout"]
    assert rows[1].split()[:6] == [
        "swarm-2",
        "-",
        "generic",
        "Running",
        f"tcp://{OTHER}:2376",
        "Unknown",
    ]
    assert "Unable to query docker version: curl: (60) SSL certificate problem" in rows[1]


def test_the_list_can_be_narrowed_and_shaped(typed: Typed) -> None:
    typed.reach(WELL, OFF)
    assert typed("ls", "-q", "--filter", "state=running") == (0, "swarm-1\n", "")
    assert typed("ls", "--quiet", "--filter=state=Stopped")[1] == "swarm-2\n"
    assert (
        typed("ls", "-q", "--filter", "name=m-2$", "--filter", "driver=generic")[1] == "swarm-2\n"
    )
    assert typed("ls", "-q", "--filter", "driver=virtualbox")[1] == ""
    assert typed("ls", "--format", "{{.Name}}: {{.State}} {{.URL}}")[1].splitlines() == [
        f"swarm-1: Running tcp://{ADDRESS}:2376",
        "swarm-2: Stopped ",
    ]
    assert typed("ls", "-f", r"table {{.Name}}\t{{.State}}")[1].splitlines() == [
        "NAME      STATE",
        "swarm-1   Running",
        "swarm-2   Stopped",
    ]
    assert typed("ls", "--filter", "size=1") == (1, "", "Unsupported filter key 'size'\n")
    assert typed("ls", "--long") == (1, "", "flag provided but not defined: --long\n")
    code, out, err = typed("ls", "--format", "{{range .}}")
    assert (code, out) == (1, "") and "only fields are known" in err


def test_the_environment_may_be_asked_for_with_options(typed: Typed) -> None:
    code, out, _ = typed("env", "swarm-1", "--no-proxy", NO_PROXY="localhost")
    assert code == 0
    assert f'export NO_PROXY="localhost,{ADDRESS}"' in out
    assert "# eval $(docker-machine env swarm-1 --no-proxy)" in out
    code, _, err = typed("env", "--shell", "fish", "swarm-1")
    assert code == 1 and "is bash" in err
    assert typed("env", "--shell") == (1, "", "flag needs an argument: --shell\n")
    assert typed("env", "-u")[1].splitlines()[0] == "unset DOCKER_TLS_VERIFY"
