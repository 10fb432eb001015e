"""The base image's two ways: which is taken, what is said, and what a secret leaves behind."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import docker
import pytest
import requests
from docker import DockerClient

from swarmlab.errors import EngineUnreachable, ImageProblem
from swarmlab.images import apt, base, builder, command, leftovers, recipe, schedule, store
from swarmlab.images import engine as transport
from swarmlab.labels import OWNER
from swarmlab.progress import SilentProgress
from swarmlab.wait import Observation, until


class FakeEngine(BaseHTTPRequestHandler):
    """An engine that knows an image in a registry and cannot pull it; it keeps what it is sent."""

    seen: list[tuple[str, dict[str, list[str]], bytes]]
    refusal = "toomanyrequests: pulls are limited"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.endswith("/info"):
            self._answer({"Architecture": "x86_64", "MemTotal": 1})
        elif "/distribution/" in path:
            self._answer({"Descriptor": {}})
        elif path.endswith("/containers/json"):
            self._answer(self.containers)
        else:
            self._answer({"message": "no such thing"}, 404)

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.seen.append((parts.path, query, self._body()))
        if "fromImage" in query:
            self._answer({"error": self.refusal})
        elif parts.path.endswith("/commit"):
            self._answer({"Id": "made"}, 201)
        else:
            self._answer({"status": "imported"})

    def do_DELETE(self) -> None:
        parts = urlsplit(self.path)
        self.seen.append((parts.path, parse_qs(parts.query), b""))
        self._answer({})

    containers: list[dict[str, Any]]

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def fake() -> type[FakeEngine]:
    return type("Own", (FakeEngine,), {"seen": [], "containers": []})


@pytest.fixture
def engine(fake: type[FakeEngine]) -> Iterator[DockerClient]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), fake)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    client = docker.DockerClient(
        base_url=f"tcp://127.0.0.1:{server.server_port}", version="1.41", timeout=10
    )
    client.api.trust_env = False
    yield client
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Debian machine of the engine's architecture with root's rights and a debootstrap.

    Its `unshare` writes a small tar in the place of make.sh.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        info = tarfile.TarInfo("made-here")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"ok"))
    (tools / "made.tar").write_bytes(made.getvalue())
    unshare = f'#!/bin/sh\necho "I: with $*" >&2\nexec cat {tools}/made.tar\n'
    for name, text in (("unshare", unshare), ("debootstrap", "#!/bin/sh\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setattr(base, "_ROOT_PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setenv("SWARMLAB_MIRROR", "https://bob:s3cret@mirror.example.org/debian")
    return tools


def make(engine: DockerClient, said: list[str]) -> str:
    return base.make(
        engine,
        recipe.folder("base"),
        image="debian:trixie-slim",
        suite="trixie",
        target="swarmlab/base:0",
        key="0",
        tell=said.append,
        stop=threading.Event(),
    )


def test_a_pull_that_fails_is_replaced_by_debootstrap(
    engine: DockerClient, fake: type[FakeEngine], debian: Path
) -> None:
    said: list[str] = []
    source = make(engine, said)
    assert any("toomanyrequests" in line for line in said)
    assert source.startswith("debootstrap: trixie")
    imported = next(body for _, query, body in fake.seen if "fromSrc" in query)
    with tarfile.open(fileobj=io.BytesIO(imported)) as tar:
        assert tar.getnames() == ["made-here"]


def test_who_is_logged_in_pulls_the_base_by_that_name(
    engine: DockerClient,
    fake: type[FakeEngine],
    debian: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Registries let those pull more often. A configuration that is broken stops nobody."""
    heard: list[str | None] = []
    answer = fake.do_POST

    def listen(self: FakeEngine) -> None:
        if "fromImage" in self.path:
            heard.append(self.headers.get("X-Registry-Auth"))
        answer(self)

    monkeypatch.setattr(fake, "do_POST", listen)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    login = base64.b64encode(b"anna:s3cret").decode()
    auths = {"https://index.docker.io/v1/": {"auth": login}}
    for text in (json.dumps({"auths": auths}), "{", "{}"):
        (tmp_path / "config.json").write_text(text)
        make(engine, [])
    told, *others = heard
    assert told is not None
    assert json.loads(base64.b64decode(told))["username"] == "anna"
    assert others == [None, None]


def test_a_mirrors_password_stays_in_nobodys_sight(
    engine: DockerClient, fake: type[FakeEngine], debian: Path
) -> None:
    said: list[str] = []
    source = make(engine, said)
    changes = next(query["changes"] for _, query, _ in fake.seen if "fromSrc" in query)
    assert any("mirror.example.org" in change for change in changes)
    assert any("mirror.example.org" in line for line in said)
    # Not even `***`: the login is no part of the address that make.sh gets, and with it the image.
    told = f"{source} {changes} {said}"
    assert "https://mirror.example.org/debian" in told and "bob" not in told


def test_when_both_ways_are_closed_both_reasons_are_told(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(ImageProblem, match="debootstrap works on Linux") as caught:
        make(engine, [])
    assert "toomanyrequests" in caught.value.evidence


def test_the_archive_of_a_derivative_is_not_taken_for_debians(
    engine: DockerClient, debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWARMLAB_MIRROR")
    monkeypatch.setattr(apt, "of_debian", lambda: False)
    monkeypatch.setattr(apt, "mirror", lambda: "http://archive.example.org/ubuntu")
    with pytest.raises(ImageProblem, match="apt is not Debian's"):
        make(engine, [])


@pytest.mark.parametrize(
    ("text", "debian"),
    [
        ('NAME="Debian GNU/Linux"\nID=debian\n', True),
        ('ID="debian"\n', True),
        ("ID=ubuntu\nID_LIKE=debian\n", False),
        ("VERSION_ID=debian\n", False),
    ],
)
def test_a_release_tells_debian_from_what_is_like_it(
    tmp_path: Path, text: str, debian: bool
) -> None:
    (tmp_path / "os-release").write_text(text)
    assert apt.of_debian(tmp_path / "os-release") is debian
    assert not apt.of_debian(tmp_path / "absent")


def test_an_import_that_fails_says_what_to_do(
    engine: DockerClient, fake: type[FakeEngine], debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: FakeEngine) -> None:
        self._body()
        self._answer({"error": "write /x: no space left on device"})

    monkeypatch.setattr(fake, "do_POST", full)
    with pytest.raises(ImageProblem, match="disk is full") as caught:
        make(engine, [])
    assert caught.value.hint


def test_sudo_is_given_the_proxys_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    for code in (0, 1):
        done = subprocess.CompletedProcess[bytes]([], code)
        monkeypatch.setattr(subprocess, "run", lambda *a, done=done, **k: done)
        if code == 0:
            assert "http_proxy" in " ".join(base._as_root())
        else:
            with pytest.raises(ImageProblem, match="sudo -v"):
                base._as_root()


ASK = """
import sys, docker
from swarmlab.images import base
engine = docker.DockerClient(base_url=sys.argv[1], version="1.41", timeout=60)
engine.api.trust_env = False
print(base.registry_has(engine, "debian:trixie-slim", within=0.2), flush=True)
"""


def test_a_registry_without_an_answer_delays_no_exit(
    engine: DockerClient, fake: type[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()

    def wait(self: FakeEngine) -> None:
        silent.wait(120)

    monkeypatch.setattr(fake, "do_GET", wait)
    url = engine.api.base_url.replace("http://", "tcp://")
    start = time.monotonic()
    try:
        done = subprocess.run([sys.executable, "-c", ASK, url], capture_output=True, timeout=110)
    finally:
        silent.set()
    assert done.stdout == b"False\n", done.stderr
    assert time.monotonic() - start < 90


def test_a_maker_hears_that_it_should_stop(tmp_path: Path) -> None:
    """What runs by sudo cannot be signalled; the end of its input tells it."""
    stop = threading.Event()
    with pytest.raises(schedule.Stopped):
        command.run(
            ["sh", "-c", "echo at it; cat >/dev/null; echo over"],
            tell=lambda line: stop.set(),
            stop=stop,
            env={},
        )


@pytest.mark.parametrize("deaf", [False, True])
def test_a_group_is_told_to_end_before_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    """What it started, too: it may have something to tidy up. Whoever does not hear is killed."""
    monkeypatch.setattr(command, "_GRACE_SECONDS", 0.5 if deaf else 60.0)
    mark = tmp_path / "tidied"
    trap = "''" if deaf else "'echo > \"$MARK\"; exit'"
    inner = f"trap {trap} TERM; echo at it; while :; do sleep 0.1; done"
    stop = threading.Event()
    with pytest.raises(schedule.Stopped):
        command.run(
            ["sh", "-c", 'sh -c "$INNER" & wait'],
            tell=lambda line: stop.set(),
            stop=stop,
            env={"MARK": str(mark), "INNER": inner},
            own_group=True,
        )
    assert mark.exists() is not deaf


def test_a_maker_hears_that_its_caller_is_gone(tmp_path: Path) -> None:
    mark = tmp_path / "over"
    caller = (
        "import sys, threading\n"
        "from swarmlab.images import command\n"
        "command.run(['sh', '-c', 'echo at it; cat >/dev/null; echo >\"$MARK\"'],"
        " tell=lambda line: print(line, flush=True), stop=threading.Event(),"
        f" env={{'MARK': {str(mark)!r}}})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as words:
        assert words.readline() == b"at it\n"
        process.kill()
        process.wait()
    until(
        "the program to end",
        lambda: Observation[None](mark.exists(), "it goes on"),
        within=60,
    )


def test_a_program_that_is_absent_is_named() -> None:
    with pytest.raises(Exception, match="absent-program cannot be started"):
        command.run(["absent-program"], tell=print, stop=threading.Event(), env={})


def test_the_loaded_node_is_saved_with_a_nodes_own_command(
    engine: DockerClient, fake: type[FakeEngine]
) -> None:
    store._commit(engine, "loader", "swarmlab/loaded-node:0", "0")
    ((path, query, body),) = fake.seen
    assert path.endswith("/commit")
    assert query["container"] == ["loader"]
    assert 'CMD ["run"]' in query["changes"][0]
    assert json.loads(body)["OpenStdin"] is False


def test_an_engine_that_falls_silent_while_it_saves_is_explained(
    engine: DockerClient, fake: type[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()
    monkeypatch.setattr(fake, "do_POST", lambda self: silent.wait(30))
    monkeypatch.setattr(store, "_SAVE_SECONDS", 0.2)
    try:
        with pytest.raises(EngineUnreachable) as caught:
            store._commit(engine, "loader", "swarmlab/loaded-node:0", "0")
    finally:
        silent.set()
    assert caught.value.hint


def test_a_time_limit_of_the_client_is_explained(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: object, **options: object) -> str:
        raise requests.ReadTimeout("read timed out")

    monkeypatch.setattr(base, "make", late)
    work = builder._Work(engine, recipe.Keys(), SilentProgress())
    with pytest.raises(EngineUnreachable):
        work.job("base")(threading.Event())


def test_a_refusal_of_the_engine_says_what_to_do(engine: DockerClient) -> None:
    with (
        pytest.raises(ImageProblem, match="no such thing") as caught,
        transport.request(engine, "GET", "/absent", params={}),
    ):
        raise AssertionError("the engine refused")
    assert caught.value.hint


def test_only_what_a_dead_process_left_is_removed(
    engine: DockerClient, fake: type[FakeEngine]
) -> None:
    mine = leftovers.labels()
    owner = mine[OWNER]
    owners = {
        "alive": owner,
        # No process ever has this number: Linux counts to 2**22.
        "dead": owner.rpartition(" ")[0] + f" {2**22 + 1}",
        "before-the-restart": f"{owner.split()[0]} other-boot 1",
        "elsewhere": f"not-{owner}",
        "odd": "x",
        "empty": "",
    }
    fake.containers = [
        {"Id": name, "Labels": {**mine, OWNER: owner}} for name, owner in owners.items()
    ]
    assert leftovers.remove(engine) == 2
    removed = {path.rpartition("/")[2]: query for path, query, _ in fake.seen}
    assert set(removed) == {"dead", "before-the-restart"}
    assert all(query["v"] == ["True"] for query in removed.values())
