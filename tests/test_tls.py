"""swarmlab.cluster.tls: what is issued, proven by real handshakes on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from swarmlab.cluster import tls

NODES = {"swarm-1": "10.77.0.11", "swarm-2": "10.77.0.12", "swarm-3": "10.77.0.13"}


@pytest.fixture(scope="module")
def lab() -> tls.CertificateSet:
    return tls.make_set("default", NODES)


def context(
    folder: Path, side: ssl._SSLMethod, authority: tls.Pair, own: tls.Pair | None
) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(cadata=authority.certificate.decode())
    if own is not None:
        folder.mkdir(exist_ok=True)
        (folder / "cert.pem").write_bytes(own.certificate)
        (folder / "key.pem").write_bytes(own.key)
        made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


def talk(
    tmp_path: Path,
    *,
    server: tls.Pair,
    client: tls.Pair | None,
    authority: tls.Pair,
    server_authority: tls.Pair | None = None,
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
    lab: tls.CertificateSet, tmp_path: Path, name: str
) -> None:
    server = lab.servers["swarm-2"]
    heard = talk(tmp_path, server=server, client=lab.client, authority=lab.authority, name=name)
    assert heard == b"OK"


@pytest.mark.parametrize("name", ["swarm-1", "10.77.0.11", "example.org"])
def test_a_node_cannot_stand_for_another(
    lab: tls.CertificateSet, tmp_path: Path, name: str
) -> None:
    server = lab.servers["swarm-2"]
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        talk(tmp_path, server=server, client=lab.client, authority=lab.authority, name=name)


def test_an_engine_lets_in_nobody_without_a_certificate(
    lab: tls.CertificateSet, tmp_path: Path
) -> None:
    server = lab.servers["swarm-1"]
    with pytest.raises(OSError):
        heard = talk(tmp_path, server=server, client=None, authority=lab.authority, name="swarm-1")
        # TLS 1.3 tells a refused client only when it reads, and then perhaps by hanging up.
        if not heard:
            raise ConnectionResetError


def test_an_engine_lets_in_nobody_from_a_lab_of_the_same_name(
    lab: tls.CertificateSet, tmp_path: Path
) -> None:
    stranger = tls.make_set("default", NODES)
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


def test_a_client_trusts_no_other_lab(lab: tls.CertificateSet, tmp_path: Path) -> None:
    stranger = tls.make_set("default", NODES)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(
            tmp_path,
            server=stranger.servers["swarm-1"],
            client=lab.client,
            authority=lab.authority,
            server_authority=stranger.authority,
            name="swarm-1",
        )


def test_a_client_certificate_cannot_serve(lab: tls.CertificateSet, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        talk(
            tmp_path, server=lab.client, client=lab.client, authority=lab.authority, name="swarm-1"
        )


def test_a_node_can_be_issued_later(lab: tls.CertificateSet, tmp_path: Path) -> None:
    late = tls.issue_server(lab.authority, "swarm-4", ["10.77.0.14"])
    heard = talk(tmp_path, server=late, client=lab.client, authority=lab.authority, name="swarm-4")
    assert heard == b"OK"


def test_validity_allows_for_wrong_clocks(lab: tls.CertificateSet) -> None:
    now = datetime.now(UTC)
    for pair in (lab.authority, lab.client, *lab.servers.values()):
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        assert certificate.not_valid_before_utc < now - timedelta(hours=23)
        assert certificate.not_valid_after_utc > now + timedelta(days=3 * 365)


def test_every_serial_number_and_key_is_its_own(lab: tls.CertificateSet) -> None:
    pairs = (lab.authority, lab.client, *lab.servers.values())
    certificates = [x509.load_pem_x509_certificate(pair.certificate) for pair in pairs]
    assert len({certificate.serial_number for certificate in certificates}) == len(pairs)
    assert len({pair.key for pair in pairs}) == len(pairs)


def test_repr_shows_no_key(lab: tls.CertificateSet) -> None:
    shown = f"{lab} {lab!r} {lab.authority}"
    assert "swarm-1" in shown
    for pair in (lab.authority, lab.client, *lab.servers.values()):
        assert "KEY" not in shown
        assert pair.key.splitlines()[1].decode() not in shown


def test_long_lab_names_fit(lab: tls.CertificateSet) -> None:
    assert len(tls.make_authority("x" * 80).name) == 64


def test_wrong_address_is_refused() -> None:
    with pytest.raises(ValueError, match="swarm"):
        tls.make_set("default", {"swarm-1": "swarm-1"})


def test_a_whole_lab_takes_far_less_than_100_ms() -> None:
    def once() -> float:
        start = time.perf_counter()
        tls.make_set("default", NODES)
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.1
