"""Certificates as docker-machine and Docker's documented commands make them: without identifiers.

After docker-machine's libmachine/cert/cert.go, and the openssl commands of
https://docs.docker.com/engine/security/protect-access/.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swarmlab.cluster.keys import Pair

_USES = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)
_ALL = ("digital_signature", "key_encipherment", "key_agreement")


def make_authority(name: str, *, by_hand: bool = False) -> Pair:
    """An authority of docker-machine's; `by_hand`: of `openssl req -x509`, without a usage."""
    key = rsa.generate_private_key(65537, 2048)
    return _pair(
        _builder(name, _name(name), key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(*_identifier(key) if by_hand else (_usage(*_ALL, "key_cert_sign"), True))
        .sign(key, hashes.SHA256()),
        key,
    )


def issue_server(
    authority: Pair, name: str, addresses: Iterable[str], *, by_hand: bool = False
) -> Pair:
    """A certificate of an engine at those addresses."""
    also = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *also])
    return _issue(authority, name, ExtendedKeyUsageOID.SERVER_AUTH, _ALL, by_hand, names)


def issue_client(authority: Pair, name: str, *, by_hand: bool = False) -> Pair:
    """A certificate that lets a client in."""
    return _issue(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH, _ALL[:1], by_hand)


def _issue(
    authority: Pair,
    name: str,
    purpose: x509.ObjectIdentifier,
    uses: tuple[str, ...],
    by_hand: bool,
    names: x509.SubjectAlternativeName | None = None,
) -> Pair:
    issuer = x509.load_pem_x509_certificate(authority.cert)
    issuer_key = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(issuer_key, rsa.RSAPrivateKey)
    key = rsa.generate_private_key(65537, 2048)
    builder = _builder(name, issuer.subject, key)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    if not by_hand:
        plain = x509.BasicConstraints(ca=False, path_length=None)
        builder = builder.add_extension(plain, critical=True)
        builder = builder.add_extension(_usage(*uses), critical=True)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def _builder(name: str, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1080))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)])


def _usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{**_USES, **dict.fromkeys(names, True)})


def _identifier(key: rsa.RSAPrivateKey) -> tuple[x509.SubjectKeyIdentifier, bool]:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False


def _pair(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )
