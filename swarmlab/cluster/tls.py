"""The lab's own certificate authority, and what it issues to nodes and to the lab's clients.

Engines listen with TLS on 2376 and let in only who shows a certificate of the same authority:
`--tlsverify`, https://docs.docker.com/engine/security/protect-access/. All functions are pure:
PEM in, PEM out; nothing is written to disk here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swarmlab.cluster.keys import Keys, Pair

CLOCK_SKEW = timedelta(days=1)
"""How far behind a machine's clock may be; virtual machines wake with old clocks."""

VALIDITY = timedelta(days=5 * 365)

_LONGEST_NAME = 64  # characters of a common name, RFC 5280, upper bound ub-common-name


def make_set(lab: str, nodes: Mapping[str, str], also: Iterable[str] = ()) -> Keys:
    """Everything for a new lab; `nodes` maps a node's name to its IP address.

    `also` are addresses at which every node can be met.

    The authority's key is not part of it and is gone afterwards. Raises ValueError for an
    address that is none.
    """
    authority = make_authority(lab)
    return Keys(
        ca=authority.cert,
        client=issue_client(authority, f"swarmlab {lab} client"),
        nodes={
            name: issue_server(authority, name, [address, *also]) for name, address in nodes.items()
        },
    )


def make_authority(lab: str) -> Pair:
    """A new certificate authority, good for the certificates of one lab and for nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"swarmlab {lab} authority")
    certificate = (
        _builder(name, name, key.public_key(), key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def issue_server(authority: Pair, name: str, addresses: Iterable[str]) -> Pair:
    """A server certificate for a node, good under its name, its addresses and localhost.

    Raises ValueError for an address that is none.
    """
    alternatives = x509.SubjectAlternativeName(
        [x509.DNSName(host) for host in dict.fromkeys([name, "localhost"])]
        + [
            x509.IPAddress(ipaddress.ip_address(address))
            for address in dict.fromkeys([*addresses, "127.0.0.1"])
        ]
    )
    return _issue(authority, name, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def issue_client(authority: Pair, name: str) -> Pair:
    """A client certificate, which every engine of the lab lets in."""
    return _issue(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def _issue(
    authority: Pair,
    name: str,
    purpose: x509.ObjectIdentifier,
    alternatives: x509.SubjectAlternativeName | None,
) -> Pair:
    issuer = x509.load_pem_x509_certificate(authority.cert)
    issuer_key = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise ValueError("The authority's key is not one that make_authority made.")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(name), issuer.subject, key.public_key(), issuer_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_public_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    # Python 3.13 verifies strictly and refuses certificates without the two key identifiers.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public_key), critical=False
        )
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_NAME])])


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        cert=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
