"""TLS to engines with other people's certificates, on a Python that is as strict as 3.13."""

from __future__ import annotations

import asyncio
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
from docker.tls import TLSConfig

from swarmlab import engine
from swarmlab.cluster import access
from swarmlab.cluster.keys import Pair
from swarmlab.engine import Target
from swarmlab.errors import EngineUnreachable
from swarmlab.providers.base import ENGINE_PORT, Node, NodeState
from swarmlab.providers.hosts import reaching
from swarmlab.providers.hosts.file import Host
from swarmlab.relay import way
from tests import plain_certs


class Answers(http.server.BaseHTTPRequestHandler):
    """As much of an engine as says its version and that it is there."""

    def do_GET(self) -> None:
        told = {"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "24.0", "Os": "linux"}
        body = b"OK" if self.path.endswith("_ping") else json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Folder:
    """Certificates in files, the client's part as clients are given it."""

    def __init__(self, path: Path, *, by_hand: bool = False, address: str = "127.0.0.1") -> None:
        self.path = path
        authority = plain_certs.make_authority("me", by_hand=by_hand)
        server = plain_certs.issue_server(authority, "me.swarm-1", [address], by_hand=by_hand)
        client = plain_certs.issue_client(authority, "me.client", by_hand=by_hand)
        path.mkdir()
        (path / "ca.pem").write_bytes(authority.cert)
        for prefix, pair in (("", client), ("server-", server)):
            self._write(prefix, pair)

    def _write(self, prefix: str, pair: Pair) -> None:
        (self.path / f"{prefix}cert.pem").write_bytes(pair.cert)
        (self.path / f"{prefix}key.pem").write_bytes(pair.key)

    @contextmanager
    def served(self) -> Iterator[int]:
        """The port of an engine with these certificates; it lets their client in alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path / "server-cert.pem", self.path / "server-key.pem")
        context.load_verify_locations(self.path / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            server.server_close()


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both makers of contexts demand what they demand on Python 3.13, whichever this one is."""
    new = SimpleNamespace(version_info=(3, 13, 0, "final", 0))
    monkeypatch.setattr("urllib3.util.ssl_.sys", new)
    made = ssl.create_default_context

    def stricter(*words: object, cafile: str) -> ssl.SSLContext:
        context = made(cafile=cafile)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", stricter)


def ping(port: int, certs: Path) -> bool:
    ports = {ENGINE_PORT: ("127.0.0.1", port)}
    node = Node("swarm-1", "127.0.0.1", NodeState.RUNNING, ports=ports)
    client = access.client(node, certs, timeout=10)
    try:
        return bool(client.api.ping())
    finally:
        client.close()


@pytest.mark.parametrize("by_hand", [False, True], ids=["docker-machine", "openssl"])
def test_certificates_without_identifiers_are_accepted(tmp_path: Path, by_hand: bool) -> None:
    folder = Folder(tmp_path / "certs", by_hand=by_hand)
    with folder.served() as port:
        url, certs = f"tcp://127.0.0.1:{port}", folder.path
        # docker-py by itself would not: the demand is really made here.
        files = (str(certs / "cert.pem"), str(certs / "key.pem"))
        tls = TLSConfig(client_cert=files, ca_cert=str(certs / "ca.pem"), verify=True)
        theirs = docker.APIClient(base_url=url, version="1.44", timeout=10, tls=tls)
        theirs.trust_env = False
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            theirs.ping()
        assert ping(port, certs)
        found = engine.connect(Target(url, "a test", certs))
        assert (found.version, found.client.ping()) == ("24.0", True)
        found.client.close()
        reaching.connect(Host("swarm-1", url=url, certs=certs)).client.close()


def test_through_the_relay_they_are_accepted_too(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "certs")

    async def greet(port: int) -> bytes:
        wire = Target(f"tcp://127.0.0.1:{port}", "a test", folder.path)
        reader, writer = await way._connected(wire)
        writer.write(b"GET /_ping HTTP/1.0\r\n\r\n")
        said = await reader.read()
        writer.close()
        return said

    with folder.served() as port:
        assert asyncio.run(greet(port)).endswith(b"OK")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_chain_and_the_name_are_verified_as_ever(tmp_path: Path) -> None:
    folder, others = Folder(tmp_path / "certs"), Folder(tmp_path / "others")
    with others.served() as port:
        # The client is one that the engine lets in, but believes another authority.
        (others.path / "ca.pem").write_bytes((folder.path / "ca.pem").read_bytes())
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            ping(port, others.path)
        unverified = Target(f"tcp://127.0.0.1:{port}", "a test", others.path, verify=False)
        engine.connect(unverified).client.close()
    elsewhere = Folder(tmp_path / "elsewhere", address="192.0.2.7")
    with elsewhere.served() as port:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            ping(port, elsewhere.path)
        with pytest.raises(EngineUnreachable):
            engine.connect(Target(f"tcp://127.0.0.1:{port}", "a test", elsewhere.path))
