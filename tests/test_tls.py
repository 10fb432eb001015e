"""swarmlab.cluster.tls: what is issued, proven by real handshakes on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from swarmlab.cluster import tls
from swarmlab.cluster.keys import Pair

NODES = {"swarm-1": "10.77.0.11", "swarm-2": "10.77.0.12", "swarm-3": "10.77.0.13"}


@dataclass(frozen=True)
class Issued:
    """A lab's certificates, and the authority that signed them."""

    authority: Pair
    servers: Mapping[str, Pair]
    client: Pair


def issued() -> Issued:
    authority = tls.make_authority("default")
    return Issued(
        authority,
        {name: tls.issue_server(authority, name, [address]) for name, address in NODES.items()},
        tls.issue_client(authority, "swarmlab default client"),
    )


@pytest.fixture(scope="module")
def lab() -> Issued:
    return issued()


def context(
    folder: Path, side: ssl._SSLMethod, authority: Pair, own: Pair | None
) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(cadata=authority.cert.decode())
    if own is not None:
        folder.mkdir(exist_ok=True)
        (folder / "cert.pem").write_bytes(own.cert)
        (folder / "key.pem").write_bytes(own.key)
        made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


def talk(
    tmp_path: Path,
    *,
    server: Pair,
    client: Pair | None,
    authority: Pair,
    server_authority: Pair | None = None,
    name: str,
) -> bytes:
    """What a client hears from an engine-like server; raises ssl.SSLError or OSError."""
    inside = context(tmp_path / "s", ssl.PROTOCOL_TLS_SERVER, server_authority or authority, server)
    outside = context(tmp_path / "c", ssl.PROTOCOL_TLS_CLIENT, authority, client)
    outside.check_hostname = True

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        try:
            with inside.wrap_socket(connection, server_side=True) as secure:
                secure.sendall(b"OK")
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as plain,
                outside.wrap_socket(plain, server_hostname=name) as secure,
            ):
                return secure.recv(2)
        finally:
            thread.join(timeout=10)


@pytest.mark.parametrize("name", ["swarm-2", "10.77.0.12", "127.0.0.1", "localhost"])
def test_a_node_is_known_by_its_name_its_address_and_loopback(
    lab: Issued, tmp_path: Path, name: str
) -> None:
    server = lab.servers["swarm-2"]
    heard = talk(tmp_path, server=server, client=lab.client, authority=lab.authority, name=name)
    assert heard == b"OK"


@pytest.mark.parametrize("name", ["swarm-1", "10.77.0.11", "example.org"])
def test_a_node_cannot_stand_for_another(lab: Issued, tmp_path: Path, name: str) -> None:
    server = lab.servers["swarm-2"]
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        talk(tmp_path, server=server, client=lab.client, authority=lab.authority, name=name)


def test_an_engine_lets_in_nobody_without_a_certificate(lab: Issued, tmp_path: Path) -> None:
    server = lab.servers["swarm-1"]
    with pytest.raises(OSError):
        heard = talk(tmp_path, server=server, client=None, authority=lab.authority, name="swarm-1")
        # TLS 1.3 tells a refused client only when it reads, and then perhaps by hanging up.
        if not heard:
            raise ConnectionResetError


def test_an_engine_lets_in_nobody_from_a_lab_of_the_same_name(lab: Issued, tmp_path: Path) -> None:
    stranger = issued()
    with pytest.raises(OSError):
        heard = talk(
            tmp_path,
            server=lab.servers["swarm-1"],
            client=stranger.client,
            authority=lab.authority,
            name="swarm-1",
        )
        if not heard:
            raise ConnectionResetError


def test_a_client_trusts_no_other_lab(lab: Issued, tmp_path: Path) -> None:
    stranger = issued()
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(
            tmp_path,
            server=stranger.servers["swarm-1"],
            client=lab.client,
            authority=lab.authority,
            server_authority=stranger.authority,
            name="swarm-1",
        )


def test_a_client_certificate_cannot_serve(lab: Issued, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        talk(
            tmp_path, server=lab.client, client=lab.client, authority=lab.authority, name="swarm-1"
        )


def test_a_node_can_be_issued_later(lab: Issued, tmp_path: Path) -> None:
    late = tls.issue_server(lab.authority, "swarm-4", ["10.77.0.14"])
    heard = talk(tmp_path, server=late, client=lab.client, authority=lab.authority, name="swarm-4")
    assert heard == b"OK"


def test_validity_allows_for_wrong_clocks(lab: Issued) -> None:
    now = datetime.now(UTC)
    for pair in (lab.authority, lab.client, *lab.servers.values()):
        certificate = x509.load_pem_x509_certificate(pair.cert)
        assert certificate.not_valid_before_utc < now - timedelta(hours=23)
        assert certificate.not_valid_after_utc > now + timedelta(days=3 * 365)


def test_every_serial_number_and_key_is_its_own(lab: Issued) -> None:
    pairs = (lab.authority, lab.client, *lab.servers.values())
    certificates = [x509.load_pem_x509_certificate(pair.cert) for pair in pairs]
    assert len({certificate.serial_number for certificate in certificates}) == len(pairs)
    assert len({pair.key for pair in pairs}) == len(pairs)


def test_a_whole_set_has_a_pair_for_all_and_no_authority_that_could_sign_more(
    tmp_path: Path,
) -> None:
    found = tls.make_set("default", NODES)
    authority = Pair(found.ca, b"")
    for name, server in found.nodes.items():
        heard = talk(tmp_path, server=server, client=found.client, authority=authority, name=name)
        assert heard == b"OK"
    assert set(found.nodes) == set(NODES)
    assert b"KEY" not in found.ca


def test_repr_shows_no_key(lab: Issued) -> None:
    found = tls.make_set("default", NODES)
    shown = f"{lab} {lab!r} {lab.authority} {found} {found!r}"
    assert "swarm-1" in shown
    for pair in (lab.authority, lab.client, *lab.servers.values(), *found.nodes.values()):
        assert "KEY" not in shown
        assert pair.key.splitlines()[1].decode() not in shown


def test_long_lab_names_fit() -> None:
    made = x509.load_pem_x509_certificate(tls.make_authority("x" * 80).cert)
    (name,) = made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert len(name.value) == 64


def test_wrong_address_is_refused() -> None:
    with pytest.raises(ValueError, match="swarm"):
        tls.make_set("default", {"swarm-1": "swarm-1"})


def test_a_whole_lab_takes_far_less_than_100_ms() -> None:
    def once() -> float:
        start = time.process_time()
        tls.make_set("default", NODES)
        return time.process_time() - start

    assert min(once() for _ in range(5)) < 0.1
