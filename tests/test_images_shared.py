"""Images by way of a registry: addresses, credentials, what the engine is asked, troubles."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from docker import DockerClient
from docker.errors import APIError

from swarmlab.errors import EnvironmentProblem, ImageProblem, UsageError
from swarmlab.images import (
    build,
    catalog,
    credentials,
    recipe,
    refusal,
    registry,
    shared,
    transfer,
    turn,
)
from swarmlab.images.registry import Registry
from swarmlab.images.schedule import Stopped
from swarmlab.wait import Observation, until
from tests.test_process import is_running

SECRET = "tall-order-71"


@pytest.mark.parametrize(
    ("text", "place", "plain"),
    [
        ("10.0.0.5:5000", "10.0.0.5:5000/swarmlab", False),
        ("registry.example.org/class/a-1/", "registry.example.org/class/a-1", False),
        ("localhost", "localhost/swarmlab", False),
        ("http://Registry.example.org", "registry.example.org/swarmlab", True),
        ("https://registry.example.org:444/x", "registry.example.org:444/x", False),
        ("docker.io/anna", "docker.io/anna", False),
        ("https://index.docker.io/anna", "docker.io/anna", False),
        ("registry-1.docker.io/anna", "docker.io/anna", False),
        ("hub.docker.com/anna", "docker.io/anna", False),
        ("registry.example.org:65535/v2/class", "registry.example.org:65535/v2/class", False),
        ("[::1]:5000/class", "[::1]:5000/class", False),
        ("http://[FD00::5]/class", "[fd00::5]/class", True),
        ("[2001:db8::192.0.2.1]", "[2001:db8::192.0.2.1]/swarmlab", False),
    ],
)
def test_an_address_is_read(text: str, place: str, plain: bool) -> None:
    found = registry.parse(text)
    assert (found.place, found.plain) == (place, plain)
    assert registry.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no address"),
        ("ftp://x.org", "no address"),
        ("registry", "neither a dot nor a port"),
        ("teacher/swarmlab", "neither a dot nor a port"),
        ("x.org/Class", "cannot begin"),
        ("x.org/class:1.0", "cannot begin"),
        ("x.org/a//b", "cannot begin"),
        ("docker.io", "account"),
        ("docker.io/a/b", "account"),
        ("https://index.docker.io/v1/", "account"),
        ("hub.docker.com/u/anna", "account"),
        ("reg.example:5000/v2/", "has its API"),
        ("reg.example:5000/v1", "has its API"),
        ("reg.example:5000/x@sha256:" + "a" * 64, "cannot begin"),
        ("reg.example:0/x", "no address"),
        ("reg.example:65536", "no address"),
        ("::1", "no address"),
        ("fd00::5:5000/class", "no address"),
        ("[::1/class", "no address"),
        ("[1::2::3]:5000", "no address"),
        ("[10.0.0.5]:5000", "no address"),
        ("[fe80::1%eth0]:5000", "no address"),
        ("[::1]:65536", "no address"),
        (f"anna:{SECRET}@[::1]:5000", "No name and password"),
        ("anna@x.org", "No name and password"),
        (f"anna:1/{SECRET}@x.org", "No name and password"),
        (f"anna:{SECRET}@x.org", "No name and password"),
        (f"https://anna:{SECRET}@x.org/a", "No name and password"),
    ],
)
def test_a_wrong_address_is_refused_in_words(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        registry.parse(text)
    assert caught.value.hint
    assert SECRET not in str(caught.value)


def test_a_mirror_is_named_by_its_root() -> None:
    assert registry.mirror("http://10.0.0.5:5000/") == "http://10.0.0.5:5000"
    assert registry.mirror("https://Mirror.example.org") == "https://mirror.example.org"
    assert registry.mirror("http://[FD00::5]:5000/") == "http://[fd00::5]:5000"


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.5:5000", "https://x.org/path", "http://", "http://[x", "http://x.org?a=1"),
        *("http://x.org:0", "https://x.org:99999", "http://[::1", "http://[::g]:5000"),
    ],
)
def test_a_wrong_mirror_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        registry.mirror(text)
    with pytest.raises(UsageError) as caught:
        registry.mirror(f"https://anna:{SECRET}@x.org")
    assert SECRET not in str(caught.value)


# What engines say: 20.10 and 26.1, as they said it.
SAID = [
    ('Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused',
     "does not answer", "Does the registry run"),
    ('Get "https://nowhere.invalid/v2/": dial tcp: lookup nowhere.invalid on 10.0.0.1:53: no '
     "such host", "does not resolve", "spelling"),
    ("manifest for h:5/swarmlab/util:nope not found: manifest unknown: manifest unknown",
     "has no h:5/swarmlab/util:k", "images push --registry h:5/swarmlab"),
    ("name unknown: repository name not known to registry", "has no ", "images push"),
    ('Head "http://h:5/v2/swarmlab/util/manifests/k": no basic auth credentials',
     "has none for it", "docker login h:5"),
    ('Head "http://h:5/v2/swarmlab/util/manifests/k": unauthorized: authentication required',
     "do not count there", "docker login h:5"),
    ("pull access denied for h:5/swarmlab/util, repository does not exist or may require "
     "'docker login': denied: requested access to the resource is denied", "refused", "login"),
    ('Get "https://h:5/v2/": http: server gave HTTP response to HTTPS client',
     "plain HTTP", "insecure-registries"),
    ('Get "https://h:5/v2/": x509: certificate signed by unknown authority',
     "does not trust the certificate", "/etc/docker/certs.d/h:5/ca.crt"),
    ("toomanyrequests: You have reached your pull rate limit.", "limit is reached", "mirror"),
    ("unexpected EOF", "broke off", "still runs"),
    ("EOF", "broke off", "still runs"),
    ("received unexpected HTTP status: 503 Service Unavailable", "cannot serve now", "log"),
    ("error parsing HTTP 502 response body: invalid character '<' looking for beginning of value",
     "cannot serve now", "log"),
    ('Get "https://h:5/v2/": x509: certificate has expired or is not yet valid: current time '
     "2026-11-25T00:00:00Z is after 2025-01-01T00:00:00Z", "does not count today", "clock"),
    ('Get "https://h:5/v2/": x509: certificate is valid for a.example, not h',
     "for other names", "as its certificate does"),
    ('Get "https://geoffrey.example:5000/v2/": remote error: tls: internal error',
     "could not be had", "Look at the registry"),
    ("read tcp 127.0.0.1:4->127.0.0.1:5: read: connection reset by peer", "broke off", "run"),
    ("write /x: no space left on device", "disk of the Docker engine is full", "Free"),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries",
     "processor", "each kind of machine"),
    ("invalid reference format", "too old to ask a registry by an IPv6 address", "host name"),
    ("something nobody foresaw", "could not be had from h:5", "Look at the registry"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message", "hint"), SAID)
def test_each_trouble_has_its_own_words(said: str, message: str, hint: str) -> None:
    found = refusal.explained("h:5/swarmlab/util:k", said)
    assert message in found.message
    assert hint in found.hint
    assert said[:20] in found.evidence
    assert "{" not in found.message + found.hint


@pytest.mark.parametrize(
    ("said", "here", "inside"),
    [
        ("server gave HTTP response to HTTPS client", "daemon.json", "with http:// before"),
        ("x509: certificate signed by unknown authority", "with the engine", "on which you type"),
        ("connection refused", "as seen from the machine", "from inside a node"),
    ],
)
def test_what_helps_a_node_is_not_what_helps_a_machine(said: str, here: str, inside: str) -> None:
    """Nodes that are containers have no file of their own that anybody could change for good."""
    for asker in (refusal.HERE, refusal.Asker("swarm-1")):
        assert here in refusal.explained("h:5/class/x:1", said, asker=asker).hint
    found = refusal.explained("h:5/class/x:1", said, asker=refusal.Asker("swarm-1", contained=True))
    assert inside in found.hint
    assert here not in found.hint
    assert "swarm-1" in found.message
    assert ("swarmlab up" in found.hint) == ("`swarmlab down`" in found.hint)


def test_an_image_of_docker_hub_is_named_as_such() -> None:
    node = refusal.Asker("swarm-1")
    found = refusal.explained("mongo:3.2.10", "connection refused", own=False, asker=node)
    assert found.message == "Docker Hub does not answer swarm-1."
    missing = refusal.explained("hashicorp/consul:9", "manifest unknown", own=False)
    assert "name and the tag" in missing.hint


@dataclass
class FakeEngine:
    """An engine of which only images are asked; `pulls` says what it answers to each pull."""

    pulls: list[list[dict[str, Any]]] = field(default_factory=list)
    status: int = 200
    label: str | None = None
    images: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    hang: threading.Event | None = None

    def auth(self) -> dict[str, Any]:
        """What the last pull or push was told of credentials."""
        header = next(h for m, p, h in reversed(self.asked) if "X-Registry-Auth" in h)
        return cast(dict[str, Any], json.loads(base64.urlsafe_b64decode(header["X-Registry-Auth"])))


@contextmanager
def serving(fake: FakeEngine) -> Iterator[DockerClient]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            return

        def handle_it(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path).partition("/v1.41")[2]
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            fake.asked.append((self.command, path, dict(self.headers.items())))
            size = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(size)
            if path == "/images/create" or path.endswith("/push"):
                return self.stream(query)
            if path == "/info":
                return self.answer({"Architecture": "x86_64", "MemTotal": 1})
            if path == "/containers/json":
                return self.answer([])
            if path == "/images/json":
                return self.answer(
                    [
                        {"RepoTags": [tag], "Size": 1, "Labels": {recipe.SOURCE: "Debian packages"}}
                        for tag in fake.images
                    ]
                )
            if path.endswith("/tag"):
                name = f"{query['repo']}:{query['tag']}"
                fake.images[name] = fake.images[path[len("/images/") : -len("/tag")]]
                return self.answer({}, 201)
            if self.command == "DELETE":
                gone = fake.images.pop(path[len("/images/") :], None)
                return self.answer(
                    [] if gone else {"message": "No such image"}, 200 if gone else 404
                )
            return self.answer({"Config": {"Labels": {recipe.LABEL: fake.label}}})

        def stream(self, query: dict[str, str]) -> None:
            if fake.status != 200:
                return self.answer({"message": fake.pulls[0][0]["error"]}, fake.status)
            messages = fake.pulls.pop(0)
            body = b"".join(json.dumps(one).encode() + b"\r\n" for one in messages)
            if "fromImage" in query and not any("error" in one for one in messages):
                fake.images[f"{query['fromImage']}:{query['tag']}"] = "pulled"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if fake.hang:
                fake.hang.wait(20)
            return None

        def answer(self, value: Any, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = handle_it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = DockerClient(base_url=f"tcp://127.0.0.1:{server.server_port}", version="1.41")
    client.api.trust_env = False
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker configuration of the test's own, empty to begin with."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder / "config.json"


def _logged_in(file: Path, host: str) -> None:
    word = base64.b64encode(f"anna:{SECRET}".encode()).decode()
    file.write_text(json.dumps({"auths": {host: {"auth": word}}}))


PLACE = Registry("10.0.0.5:5000")
MOVED = {"status": "Downloading", "id": "a", "progressDetail": {"current": 3e6, "total": 9e6}}


def _far(name: str) -> str:
    return PLACE.own(name, recipe.Keys().key(name), "amd64")


def test_what_is_missing_is_pulled_and_named_as_if_built_here() -> None:
    keys = recipe.Keys()
    fake = FakeEngine([[MOVED, {"status": "Status: Downloaded"}]], label=keys.key("util"))
    fake.images[keys.reference("consul")] = "built"
    with serving(fake) as engine:
        found = shared.ensure(["util", "consul"], engine=engine, registry=PLACE)
    assert [(one.name, one.built, one.source) for one in found] == [
        ("consul", False, "Debian packages"),
        ("util", True, "registry: 10.0.0.5:5000/swarmlab"),
    ]
    # The name at the registry is let go of.
    assert set(fake.images) == {
        keys.reference("consul"), keys.reference("util"), "swarmlab/util:latest"
    }  # fmt: skip
    assert not any("X-Registry-Auth" in headers for _, _, headers in fake.asked)


def test_what_is_there_asks_no_registry() -> None:
    keys = recipe.Keys()
    fake = FakeEngine(images={keys.reference("util"): "built"})
    with serving(fake) as engine:
        (found,) = shared.ensure(["util"], engine=engine, registry=PLACE)
    assert not found.built
    assert [path for _, path, _ in fake.asked if "create" in path] == []


def test_another_image_under_the_right_name_is_not_accepted() -> None:
    fake = FakeEngine([[]], label="f" * 12)
    with serving(fake) as engine, pytest.raises(ImageProblem, match="not what its name says"):
        shared.ensure(["util"], engine=engine, registry=PLACE)
    assert fake.images == {}


def test_a_refused_pull_leaves_nothing_and_says_why() -> None:
    for status, said in ((404, "manifest unknown"), (200, "unexpected EOF")):
        fake = FakeEngine([[{"error": said}]], status=status)
        with serving(fake) as engine, pytest.raises(ImageProblem) as caught:
            shared.ensure(["util"], engine=engine, registry=PLACE)
        assert _far("util") in caught.value.message
        assert said in caught.value.evidence
        assert fake.images == {}


def test_an_unknown_image_is_refused_before_anything_is_asked() -> None:
    fake = FakeEngine()
    with serving(fake) as engine, pytest.raises(UsageError, match="no image 'utils'"):
        shared.ensure(["utils"], engine=engine, registry=PLACE)
    assert fake.asked == []


def test_credentials_of_the_configuration_go_to_the_engine(_configuration: Path) -> None:
    _logged_in(_configuration, "10.0.0.5:5000")
    fake = FakeEngine([[]], label=recipe.Keys().key("util"))
    with serving(fake) as engine:
        shared.ensure(["util"], engine=engine, registry=PLACE)
    assert (fake.auth()["username"], fake.auth()["password"]) == ("anna", SECRET)


def test_credentials_of_another_registry_stay_at_home(_configuration: Path) -> None:
    _logged_in(_configuration, "registry.example.org")
    fake = FakeEngine([[]], label=recipe.Keys().key("util"))
    with serving(fake) as engine:
        shared.ensure(["util"], engine=engine, registry=PLACE)
    assert not any("X-Registry-Auth" in headers for _, _, headers in fake.asked)


HERE = "10.0.0.5:5000"
WORD = base64.b64encode(f"anna:{SECRET}".encode()).decode()
GOOD = {"auth": WORD}


def _told() -> dict[str, str]:
    """What an engine would be told."""
    found = credentials.header(f"{HERE}/class/util:1", threading.Event())
    if not found:
        return {}
    told = json.loads(base64.urlsafe_b64decode(found["X-Registry-Auth"]))
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize(
    "other",
    [
        None, 5, [], {"auth": ""}, {"auth": None}, {"auth": "!!!"}, {"auth": 5},
        {"username": {"a": 1}},
    ],
)  # fmt: skip
def test_an_odd_entry_of_another_registry_spoils_nothing(other: Any, _configuration: Path) -> None:
    _configuration.write_text(json.dumps({"auths": {"other.example": other, HERE: GOOD}}))
    told = _told()
    assert (told["username"], told["password"]) == ("anna", SECRET)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "anna", "password": SECRET}, {"username": "anna", "password": SECRET}),
        ({"auth": "", "username": "anna", "password": SECRET}, {"username": "anna"}),
        (GOOD, {"username": "anna", "password": SECRET}),
        ({"auth": base64.b64encode(f"anna:{SECRET}\0\0".encode()).decode()},
         {"password": SECRET}),
        ({"auth": WORD, "identitytoken": "tok"}, {"identitytoken": "tok"}),
        ({"registrytoken": "tok"}, {"registrytoken": "tok"}),
        ({"auth": None}, {}),
        ({"auth": ""}, {}),
        ({}, {}),
        (None, {}),
    ],
)  # fmt: skip
def test_an_entry_is_read_whichever_way_it_is_written(
    entry: Any, expected: dict[str, str], _configuration: Path
) -> None:
    _configuration.write_text(json.dumps({"auths": {f"https://{HERE}/v1/": entry}}))
    told = _told()
    assert expected.items() <= told.items()
    assert bool(told) == bool(expected)


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io"])
def test_docker_hub_has_its_credentials_whatever_it_is_called(
    key: str, _configuration: Path
) -> None:
    _configuration.write_text(json.dumps({"auths": {key: GOOD}}))
    place = registry.parse("registry-1.docker.io/anna").own("util", "k", "amd64")
    assert credentials.header(place, threading.Event())


def test_of_several_entries_the_one_that_docker_reads_counts(_configuration: Path) -> None:
    old = {"auth": base64.b64encode(b"old:old").decode()}
    hub = "https://index.docker.io/v1/"
    for entries in (
        {"docker.io": old, hub: GOOD},
        {f"https://{HERE}": old, HERE: GOOD},
        {HERE: {}, f"https://{HERE}": GOOD},
    ):
        _configuration.write_text(json.dumps({"auths": entries}))
        where = "docker.io/anna/util:1" if hub in entries else f"{HERE}/class/util:1"
        found = credentials.header(where, threading.Event())["X-Registry-Auth"]
        assert json.loads(base64.urlsafe_b64decode(found))["username"] == "anna", entries


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ('"x"', "no JSON object"),
        ("{", "config.json cannot be read"),
        ("[" * 100_000, "config.json cannot be read"),
        ("\udcff", "config.json cannot be read"),
        ('{"auths": []}', '"auths" is not'),
        ('{"credHelpers": "vault"}', '"credHelpers" is not'),
        ('{"credsStore": 5}', '"credsStore" is not'),
        (json.dumps({"auths": {HERE: [SECRET]}}), "no JSON object"),
        (json.dumps({"auths": {HERE: {"auth": 5}}}), '"auth" is no text'),
        (json.dumps({"auths": {HERE: {"auth": SECRET}}}), '"auth" is no name and password'),
    ],
)
def test_a_configuration_that_is_not_understood_is_told_as_that(
    text: str, said: str, _configuration: Path
) -> None:
    _configuration.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ImageProblem) as caught:
        _told()
    assert said in caught.value.message
    assert str(_configuration) in caught.value.message
    assert "helper" not in f"{caught.value.message} {caught.value.hint}"
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "{}", '{"auths": null, "credHelpers": null}', '{"detachKeys": "ctrl-e,e"}',
     '{"credHelpers": {"other.example": "absent"}}', '{"credHelpers": {"other.example": 5}}'],
)  # fmt: skip
def test_a_configuration_without_credentials_has_none(text: str, _configuration: Path) -> None:
    _configuration.write_text(text)
    assert _told() == {}


def test_credentials_as_docker_kept_them_long_ago(_configuration: Path) -> None:
    _configuration.write_text(json.dumps({HERE: {**GOOD, "email": "a@x.org"}}))
    assert _told()["password"] == SECRET


def test_a_credential_helper_is_asked(
    _configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "bin" / "docker-credential-vault"
    helper.parent.mkdir()
    told = json.dumps({"ServerURL": "x", "Username": "anna", "Secret": SECRET})
    helper.write_text(f"#!/bin/sh\necho '{told}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    _configuration.write_text(json.dumps({"credHelpers": {"10.0.0.5:5000": "vault"}}))
    fake = FakeEngine([[]], label=recipe.Keys().key("util"))
    with serving(fake) as engine:
        shared.ensure(["util"], engine=engine, registry=PLACE)
    assert (fake.auth()["Username"], fake.auth()["Password"]) == ("anna", SECRET)


def test_a_credential_helper_that_waits_for_somebody_is_given_up(
    _configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-vault"
    told = json.dumps({"ServerURL": "x", "Username": "anna", "Secret": SECRET})
    helper.write_text(f"#!/bin/sh\necho '{told}'\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(credentials, "_HELPER_SECONDS", 0.5)
    monkeypatch.setattr(credentials, "patient", lambda seconds: seconds)
    _configuration.write_text(json.dumps({"credsStore": "vault"}))
    with pytest.raises(ImageProblem, match="docker-credential-vault did not answer") as caught:
        credentials.header("10.0.0.5:5000/class/util:1", threading.Event())
    assert SECRET not in str(caught.value)
    assert "credsStore" in caught.value.hint
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


# Ctrl-C while a helper is asked, by a thread of the scheduler or by the main one.
INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from docker import DockerClient
from docker.errors import APIError
from swarmlab.cli.failing import explained
from swarmlab.images import recipe, shared
from swarmlab.images.registry import Registry
engine = DockerClient(base_url=sys.argv[1], version="1.41")
engine.api.trust_env = False
with explained():
    getattr(shared, sys.argv[2])(["util"], engine=engine, registry=Registry("10.0.0.5:5000"))
"""


@pytest.mark.parametrize("command", ["ensure", "push"])
def test_nobody_who_interrupts_waits_for_a_credential_helper(
    command: str, _configuration: Path, tmp_path: Path
) -> None:
    """It ends at once, and so does the helper with what it had started."""
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(
        f"#!/bin/sh\nsleep 600 &\necho $$ $! > {tmp_path}/new\n"
        f"mv {tmp_path}/new {tmp_path}/pids\nwait\n"
    )
    helper.chmod(0o755)
    _configuration.write_text(json.dumps({"credsStore": "vault"}))
    fake = FakeEngine([[]])
    if command == "push":
        fake.images[recipe.reference("util")] = "built"
    with serving(fake) as engine:
        asking = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, engine.api.base_url, command],
            env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
            stderr=subprocess.PIPE,
            text=True,
        )
        until("the helper", lambda: Observation((tmp_path / "pids").exists(), ""), within=60)
        interrupted = time.monotonic()
        asking.send_signal(signal.SIGINT)
        said = asking.communicate(timeout=50)[1]
        took = time.monotonic() - interrupted
    assert asking.returncode == 130, said
    assert "Interrupted." in said and "Traceback" not in said
    assert took < 40
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    until("their end", lambda: Observation(not any(map(is_running, pids)), ""), within=60)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", None),
        ("echo 'the vault is broken'; exit 1", "the vault is broken"),
        ("echo '[]'", "TypeError"),
        ("echo nothing", "JSONDecodeError"),
    ],
)
def test_what_a_credential_helper_says_counts(
    script: str,
    said: str | None,
    _configuration: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _configuration.write_text(json.dumps({"credsStore": "vault"}))
    if said is None:
        assert credentials.header("10.0.0.5:5000/class/util:1", threading.Event()) == {}
        return
    with pytest.raises(ImageProblem, match="cannot tell the credentials") as caught:
        credentials.header("10.0.0.5:5000/class/util:1", threading.Event())
    assert said in caught.value.evidence


def test_a_missing_credential_helper_is_named(_configuration: Path) -> None:
    _configuration.write_text(json.dumps({"credsStore": "absent"}))
    fake = FakeEngine([[]])
    with serving(fake) as engine, pytest.raises(ImageProblem, match="cannot tell") as caught:
        shared.ensure(["util"], engine=engine, registry=PLACE)
    assert "docker-credential-absent" in caught.value.evidence
    assert "credsStore" in caught.value.hint


def test_a_silent_registry_is_given_up_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SILENCE_SECONDS", 0.3)
    hang = threading.Event()
    fake = FakeEngine([[MOVED]], hang=hang)
    try:
        with serving(fake) as engine, pytest.raises(ImageProblem, match="sent nothing") as caught:
            shared.ensure(["util"], engine=engine, registry=PLACE)
    finally:
        hang.set()
    assert caught.value.message.startswith("10.0.0.5:5000 ")


def test_a_stop_ends_a_pull() -> None:
    stop = threading.Event()
    stop.set()
    fake = FakeEngine([[MOVED, MOVED]])
    with serving(fake) as engine, pytest.raises(Stopped):
        transfer.pull(engine, _far("util"), tell=lambda words: None, stop=stop)


def test_how_far_a_pull_is_and_that_it_is_tried_again_is_said() -> None:
    said: list[str] = []
    other = {**MOVED, "id": "b", "progressDetail": {"current": 1e6, "total": 1e6}}
    retry = {"status": "Retrying in 5 seconds", "id": "a", "progressDetail": {}}
    fake = FakeEngine([[MOVED, other, retry]])
    with serving(fake) as engine:
        transfer.pull(engine, _far("util"), tell=said.append, stop=threading.Event())
    assert said[:2] == ["3 of 9 MB", "4 of 10 MB"]
    assert "tries again (retrying in 5 seconds)" in said[2]


def test_a_push_names_each_image_for_its_processor_and_takes_the_name_away(
    _configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = recipe.Keys()
    fake = FakeEngine([[], []], images={keys.reference(n): n for n in ("util", "consul")})
    before = dict(fake.images)
    monkeypatch.setattr(turn, "taken", lambda told: pytest.fail("nothing is to be built"))
    with serving(fake) as engine:
        assert shared.push(["util", "consul"], engine=engine, registry=PLACE) == [
            _far("consul"), _far("util")
        ]  # fmt: skip
    assert fake.images == before
    pushes = [path for _, path, _ in fake.asked if path.endswith("/push")]
    assert pushes == [f"/images/10.0.0.5:5000/swarmlab/{n}/push" for n in ("consul", "util")]
    # An engine wants the header also where there is nothing to tell.
    assert fake.auth() == {}


def test_a_failed_push_takes_the_name_away_too() -> None:
    keys = recipe.Keys()
    fake = FakeEngine([[{"error": "denied: not yours"}]], images={keys.reference("util"): "u"})
    with serving(fake) as engine, pytest.raises(ImageProblem, match="refused"):
        shared.push(["util"], engine=engine, registry=PLACE)
    assert set(fake.images) == {keys.reference("util")}


def test_a_registry_named_by_an_ipv6_address_is_asked_like_another(_configuration: Path) -> None:
    place = Registry("[::1]:5000", "class")
    _logged_in(_configuration, place.host)
    keys = recipe.Keys()
    fake = FakeEngine([[]], images={keys.reference("util"): "u"})
    with serving(fake) as engine:
        (pushed,) = shared.push(["util"], engine=engine, registry=place)
    assert pushed.startswith("[::1]:5000/class/util:")
    (path,) = [unquote(path) for _, path, _ in fake.asked if path.endswith("/push")]
    assert path == "/images/[::1]:5000/class/util/push"
    assert (fake.auth()["username"], fake.auth()["serveraddress"]) == ("anna", place.host)


def test_an_engine_that_takes_no_such_name_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["invalid reference format", "something else"]

    def tag(*_: object) -> None:
        raise APIError("400", explanation=words.pop(0))

    monkeypatch.setattr(build, "tag", tag)
    fake = FakeEngine(images={recipe.Keys().reference("util"): "u"})
    for match in ("too old to ask a registry by an IPv6 address", "refused while giving"):
        with serving(fake) as engine, pytest.raises(EnvironmentProblem, match=match):
            shared.push(["util"], engine=engine, registry=Registry("[::1]:5000"))


def test_registries_get_all_that_a_lab_starts_from() -> None:
    assert {"loaded-node", "workstation", "node", "util"} < set(shared.names())
    assert catalog.BASE not in shared.names()
