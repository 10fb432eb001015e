"""Which engine is used, and in what words it is told why one cannot be."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from docker.errors import DockerException

from swarmlab import engine, state, unconnected
from swarmlab.errors import EngineUnreachable, EnvironmentProblem

GOOD: dict[str, Any] = {
    "Version": "27.0.1",
    "ApiVersion": "1.46",
    "MinAPIVersion": "1.24",
    "Os": "linux",
    "KernelVersion": "6.1.0",
}

Serve = Callable[[Any], engine.Target]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """An engine that answers one thing to everything, on loopback."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Any) -> engine.Target:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return None

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return engine.Target(f"tcp://127.0.0.1:{server.server_port}", "DOCKER_HOST")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# Which engine.


def test_docker_host_comes_first(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://10.0.0.1:2375", "DOCKER_CONTEXT": "other"}
    assert engine.target(env) == engine.Target("tcp://10.0.0.1:2375", "DOCKER_HOST")


def test_certificates_only_when_verification_is_asked_for(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://10.0.0.1:2376", "DOCKER_CERT_PATH": str(tmp_path)}
    assert engine.target(env).certs is None
    assert engine.target({**env, "DOCKER_TLS_VERIFY": "1"}).certs == tmp_path


def test_certificates_are_where_docker_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for TLS is never spoken to without."""
    env = {"DOCKER_HOST": "tcp://10.0.0.1:2376", "DOCKER_TLS_VERIFY": "1"}
    monkeypatch.setenv("HOME", str(tmp_path))
    assert engine.target(env).certs == tmp_path / ".docker"
    assert engine.target({**env, "DOCKER_CONFIG": "/else/where"}).certs == Path("/else/where")
    assert engine.target({**env, "DOCKER_HOST": "unix:///run/docker.sock"}).certs is None


def test_a_shell_pointed_at_a_node_still_means_the_engine_below(tmp_path: Path) -> None:
    env = {
        "DOCKER_HOST": "tcp://192.168.99.11:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(state.lab_folder("default") / "certs"),
        "DOCKER_CONFIG": str(tmp_path),
    }
    assert engine.target(env).source == "the default socket"


def test_default_context_is_the_default_socket(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "default"}))
    found = engine.target({"DOCKER_CONFIG": str(tmp_path)})
    assert found.source == "the default socket"
    assert found.local


@pytest.mark.parametrize("text", ["", "not json", '["currentContext"]', '{"currentContext": 3'])
def test_a_spoilt_client_configuration_does_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert engine.target({"DOCKER_CONFIG": str(tmp_path)}).source == "the default socket"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A `docker` client on the PATH that knows one context, written by the test."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(script: str) -> None:
        program = folder / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return install


def test_the_chosen_context_is_asked_of_the_docker_client(client: Callable[[str], None]) -> None:
    told = [
        {
            "Name": "lab",
            "Metadata": {},
            "Endpoints": {"docker": {"Host": "unix:///run/lab.sock", "SkipTLSVerify": False}},
            "TLSMaterial": {},
            "Storage": {"MetadataPath": "/nowhere", "TLSPath": "/nowhere"},
        }
    ]
    client(f"cat <<'END'\n{json.dumps(told)}\nEND")
    found = engine.target({"DOCKER_CONTEXT": "lab"})
    assert found == engine.Target("unix:///run/lab.sock", "the docker context lab")


def test_an_unknown_context_is_told_without_the_whole_command(
    client: Callable[[str], None],
) -> None:
    client("echo 'context \"lab\": context not found' >&2; exit 1")
    with pytest.raises(EngineUnreachable) as caught:
        engine.target({"DOCKER_CONTEXT": "lab"})
    assert "'lab' cannot be read" in caught.value.message
    assert "docker context use default" in caught.value.hint


def test_a_context_without_a_docker_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EngineUnreachable, match="no docker client"):
        engine.target({"DOCKER_CONTEXT": "lab"})


# What it answers.


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.46", "1.24", "1.44"), ("1.52", "1.48", "1.48")],
)
def test_the_version_spoken_is_one_that_both_know(
    serve: Serve, newest: str, oldest: str, spoken: str
) -> None:
    where = serve({**GOOD, "ApiVersion": newest, "MinAPIVersion": oldest})
    found = engine.connect(where)
    assert found.api == spoken
    assert found.client.api.api_version == spoken
    assert found.kernel == "6.1.0"


def test_proxies_and_authorities_of_the_environment_are_ignored(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    found = engine.connect(serve(GOOD))
    assert found.client.api.trust_env is False
    assert found.client.api.version(api_version=False)["Version"] == "27.0.1"


def test_too_old(serve: Serve) -> None:
    with pytest.raises(EnvironmentProblem, match=r"Too old: .* 19\.03.*20\.10") as caught:
        engine.connect(serve({**GOOD, "Version": "19.03.1", "ApiVersion": "1.40"}))
    assert "Upgrade" in caught.value.hint


def test_windows_containers(serve: Serve) -> None:
    with pytest.raises(EnvironmentProblem, match="Not Linux") as caught:
        engine.connect(serve({**GOOD, "Os": "windows"}))
    assert "Linux containers" in caught.value.hint


@pytest.mark.parametrize("answer", [{}, {"ApiVersion": "new"}, b"<html>hello</html>"])
def test_something_else_listens_there(serve: Serve, answer: Any) -> None:
    with pytest.raises(EngineUnreachable) as caught:
        engine.connect(serve(answer))
    assert caught.value.hint


def test_nothing_there(tmp_path: Path) -> None:
    where = engine.Target(f"unix://{tmp_path}/none.sock", "the default socket")
    with pytest.raises(EngineUnreachable, match=r"No Docker engine: .* does not exist") as caught:
        engine.connect(where)
    assert "docker.io" in caught.value.hint


def test_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    import socket

    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(EngineUnreachable, match="nothing listens"):
        engine.connect(engine.Target(f"unix://{path}", "the default socket"))


def test_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object, **kwargs: object) -> None:
        cause = PermissionError(13, "Permission denied")
        raise DockerException("Error while fetching server API version") from cause

    monkeypatch.setattr("docker.api.client.APIClient.version", denied)
    with pytest.raises(EngineUnreachable, match="No rights") as caught:
        engine.connect(engine.Target("unix:///var/run/docker.sock", "the default socket"))
    assert "usermod -aG docker" in caught.value.hint


def test_nobody_answers_on_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    where = engine.Target("tcp://127.0.0.1:1", "DOCKER_HOST")
    with pytest.raises(EngineUnreachable, match="Unreachable") as caught:
        engine.connect(where)
    assert "DOCKER_HOST" in caught.value.hint


def test_silence_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(engine, "_PROBE_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = engine.Target(f"tcp://127.0.0.1:{silent.getsockname()[1]}", "DOCKER_HOST")
        with pytest.raises(EngineUnreachable, match="Unreachable"):
            engine.connect(where)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///var/run/docker.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://192.0.2.7:2375", False),
    ],
)
def test_local_or_not(url: str, local: bool) -> None:
    assert engine.Target(url, "DOCKER_HOST").local is local


class Answer:
    """The HTTP answer that docker-py hides in a stream: it flushes the stream when it is closed."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.closed = False
        self._stream = stream

    def close(self) -> None:
        self._stream.flush()
        self.closed = True


class Stream(io.BytesIO):
    _response: Answer


def test_a_stream_is_closed_after_the_answer_that_it_was_taken_out_of() -> None:
    stream = Stream()
    stream._response = answer = Answer(stream)
    engine.close_stream(stream)
    assert answer.closed
    assert stream.closed
    plain = io.BytesIO()
    engine.close_stream(plain)
    assert plain.closed


@pytest.mark.parametrize("url", ["unix:///no/such.sock", "tcp://127.0.0.1:1", "fd://x"])
@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("DOCKER_HOST", "Unset DOCKER_HOST"),
        ("the docker context far", "docker context use default"),
    ],
)
def test_whoever_chose_an_engine_is_not_told_to_install_one(
    url: str, source: str, wanted: str
) -> None:
    """An address that is out of date is the likely cause, where somebody gave one."""
    for failure in (FileNotFoundError("No such file"), ValueError("what is this")):
        told = unconnected.explain(engine.Target(url, source), failure)
        assert wanted in told.hint and "apt-get" not in told.hint
    usual = engine.Target(url, str(engine.DEFAULT_SOURCE))
    assert "apt-get" in unconnected.explain(usual, FileNotFoundError("No such file")).hint
