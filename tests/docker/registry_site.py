"""A registry for tests: Debian's own program on loopback, with a password, behind ways to it.

A way is a port of its own that leads to the registry, with TLS or without, whole or cut off.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarmlab.cluster import tls
from swarmlab.cluster.keys import Pair
from swarmlab.wait import Observation, until

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "registry"
USER, PASSWORD = "anna", "tall-order-71"

CONFIGURATION = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {storage}}}}}
http: {{addr: "{address}", relativeurls: true}}
"""
ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(f"http://{sys.argv[1]}/v2/", timeout=2).status, end="")
except urllib.error.HTTPError as error:
    print(error.code, end="")
"""
LOCKED = "auth: {{htpasswd: {{realm: tests, path: {file}}}}}\n"
CACHING = 'proxy: {{remoteurl: "{url}"}}\n'


def program() -> Path:
    """Debian's docker-registry: the installed one, or out of its package, which is not installed.

    Installing it would start a service that nobody asked for.
    """
    found = shutil.which("docker-registry")
    if found:
        return Path(found)
    kept = CACHE / "docker-registry"
    if not kept.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            done = subprocess.run(
                ["apt-get", "-o", "Acquire::Retries=3", "download", "-qq", "docker-registry"],
                cwd=name, capture_output=True, text=True, check=False,
            )  # fmt: skip
            packages = list(Path(name).glob("*.deb"))
            assert packages, (
                f"Tests of registries need the program docker-registry.\n{done.stderr}"
                "Hint: apt-get update, or apt-get install docker-registry."
            )
            subprocess.run(["dpkg-deb", "-x", packages[0], f"{name}/x"], check=True)
            (Path(name) / "x/usr/bin/docker-registry").rename(kept)
    return kept


@dataclass(frozen=True)
class Registry:
    """A registry that runs: its port, and its process."""

    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def registry(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    locked: bool = True,
    inside: Sequence[str] = (),
    upstream: str = "",
) -> Iterator[Registry]:
    """A registry that keeps its images in `folder`, run by the words of `inside` (a namespace's).

    `port` 0: any that is free. `locked`: it wants USER's password. `upstream` is the URL of
    another registry: then it is a pull-through cache of that one, and takes nothing else.
    """
    number = port or free_port()
    text = CONFIGURATION.format(storage=folder / "storage", address=f"{host}:{number}")
    if locked:
        (folder / "users").write_text(f"{USER}:{_bcrypt(PASSWORD)}\n")
        text += LOCKED.format(file=folder / "users")
    if upstream:
        text += CACHING.format(url=upstream)
    file = folder / f"config-{number}.yml"
    file.write_text(text)
    with (folder / "log").open("ab") as log:
        running = subprocess.Popen(
            [*inside, program(), "serve", file],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _answers([*inside, sys.executable, "-c", ASK, f"{host}:{number}"], running, folder)
        yield Registry(number, running)
    finally:
        running.kill()
        running.wait()


def holds(folder: Path, repository: str, tag: str) -> Observation[None]:
    """Whether the registry of that folder has stored what is an image's alone: its manifest, its
    configuration, its last layer. A cache has of the others what its clients lacked."""
    blobs = folder / "storage/docker/registry/v2/blobs/sha256"
    link = f"storage/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}"

    def stored(digest: str) -> Path:
        found = digest.strip().removeprefix("sha256:")
        return blobs / found[:2] / found / "data"

    try:
        manifest = json.loads(stored((folder / link / "current/link").read_text()).read_bytes())
    except FileNotFoundError:
        return Observation(False, f"{repository}:{tag} is not there")
    parts = [manifest["config"], manifest["layers"][-1]]
    missing = [one["digest"] for one in parts if not stored(one["digest"]).is_file()]
    return Observation(not missing, f"{repository}:{tag} lacks {len(missing)} of {len(parts)}")


def free_port() -> int:
    """A port of loopback that nobody has just now, and that no connection is given by chance."""
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    every = range(10_000, 65_536)
    apart = [port for port in every if not int(first) <= port <= int(last)]

    def look() -> Observation[int]:
        number = secrets.choice(apart or every)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError as error:
                return Observation(False, f"port {number}: {error}")
        return Observation(True, "free", number)

    found = until("a free port", look, within=20, every=0.01).last.value
    assert found is not None
    return found


def _bcrypt(word: str) -> str:
    """The only kind of hash that the registry reads, made by the system's own crypt(3)."""
    script = 'print crypt($ARGV[0], q($2b$05$) . "abcdefghijklmnopqrstuu")'
    done = subprocess.run(["perl", "-e", script, word], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("$2b$"), "this system's crypt knows no bcrypt"
    return done.stdout


def _answers(ask: Sequence[str], running: subprocess.Popen[bytes], folder: Path) -> None:
    def look() -> Observation[None]:
        assert running.poll() is None, (folder / "log").read_text()[-500:]
        done = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=False)
        return Observation(done.stdout in ("200", "401"), done.stdout + done.stderr[-200:])

    until("the registry to answer", look, within=60)


def logged_in(folder: Path, *hosts: str, password: str = PASSWORD) -> Path:
    """A docker configuration in which those registries have the user's name and password."""
    word = base64.b64encode(f"{USER}:{password}".encode()).decode()
    folder.mkdir(exist_ok=True)
    text = json.dumps({"auths": {host: {"auth": word} for host in hosts}})
    (folder / "config.json").write_text(text)
    return folder


@dataclass
class Way:
    """A port on `host` that leads to a registry; what it does with each connection can change.

    `cut` is after how many bytes of answers it ends, over all connections; `hang` says that it
    then goes silent instead of closing.
    """

    host: str
    port: int
    authority: bytes = b""
    cut: int | None = None
    hang: bool = False
    passed: int = 0

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@contextmanager
def way(host: str, to: int, *, secure: bool = True) -> Iterator[Way]:
    """A way from `host` to the registry on loopback's port `to`."""
    listening = socket.create_server((host, 0))
    made = Way(host, int(listening.getsockname()[1]))
    context = None
    if secure:
        authority = tls.make_authority("tests")
        made.authority = authority.cert
        context = _context(tls.issue_server(authority, "registry", [host]))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                incoming, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=_carry, args=(made, incoming, context, to, over),
                             daemon=True).start()  # fmt: skip

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield made
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as both:
        both.write(pair.cert + pair.key)
        both.flush()
        context.load_cert_chain(both.name)
    return context


def _carry(
    made: Way,
    incoming: socket.socket,
    context: ssl.SSLContext | None,
    to: int,
    over: threading.Event,
) -> None:
    """One connection: requests go through as they come, answers as far as the way allows."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        stack.enter_context(incoming)
        if context is not None:
            incoming = stack.enter_context(context.wrap_socket(incoming, server_side=True))
        inner = stack.enter_context(socket.create_connection(("127.0.0.1", to)))

        def ask() -> None:
            with contextlib.suppress(OSError):
                while block := incoming.recv(1 << 16):
                    inner.sendall(block)
                inner.shutdown(socket.SHUT_WR)

        threading.Thread(target=ask, daemon=True).start()
        while block := inner.recv(1 << 16):
            made.passed += len(block)
            if made.cut is not None and made.passed > made.cut:
                if made.hang:
                    over.wait(60)
                # Closing alone says nothing to the other end while a thread still listens to it.
                incoming.shutdown(socket.SHUT_RDWR)
                return
            incoming.sendall(block)
