"""Certificates that the tests issue themselves: right ones, and one of each wrong kind."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificates", "Pair"]

_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Pair:
    """A certificate chain and its private key, as PEM files."""

    cert: Path
    key: Path

    @classmethod
    def write(cls, directory: Path, name: str, leaf: trustme.LeafCert) -> Pair:
        """Write `leaf` into two files named after `name`."""
        pair = cls(directory / f"{name}.pem", directory / f"{name}.key")
        pair.cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(pair.key))
        return pair


class Certificates:
    """A little public-key infrastructure in one directory.

    Attributes:
        ca: The authority that both sides trust.
        other_ca: An authority that signed nothing here.
        server: For localhost, 127.0.0.1 and ::1.
        client: For a client that has to show one.
        stranger: A client certificate of the other authority.
        misnamed: Valid, but for another host.
        expired: For the right host, but of yesterday.
        early: For the right host, but from tomorrow on.
        self_signed: For 127.0.0.1 alone, signed by itself and marked as an authority, as `openssl req -x509` does.
        client_in_one: The client's certificate and key in one file.
        locked_key: The client's key, encrypted with `password`.
        password: What opens `locked_key`.
    """

    password = "open sesame"

    def __init__(self, directory: Path) -> None:
        """Issue everything into `directory`, which has to exist."""
        authority, other = trustme.CA(), trustme.CA()
        now = dt.datetime.now(dt.UTC)
        self.ca = directory / "ca.pem"
        self.other_ca = directory / "other-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        other.cert_pem.write_to_path(str(self.other_ca))
        self.server = Pair.write(directory, "server", authority.issue_cert(*_NAMES))
        self.misnamed = Pair.write(directory, "misnamed", authority.issue_cert("elsewhere.example"))
        self.expired = Pair.write(
            directory, "expired", authority.issue_cert(*_NAMES, not_after=now - dt.timedelta(days=1))
        )
        tomorrow, later = now + dt.timedelta(days=1), now + dt.timedelta(days=9)
        self.early = Pair.write(directory, "early", authority.issue_cert(*_NAMES, not_before=tomorrow, not_after=later))
        self.self_signed = _sign_itself(directory, now)
        client = authority.issue_cert("client.example")
        self.client = Pair.write(directory, "client", client)
        self.client_in_one = directory / "client-in-one.pem"
        self.client_in_one.write_bytes(client.private_key_and_cert_chain_pem.bytes())
        self.stranger = Pair.write(directory, "stranger", other.issue_cert("client.example"))
        self.locked_key = directory / "locked.key"
        key = serialization.load_pem_private_key(client.private_key_pem.bytes(), password=None)
        self.locked_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(self.password.encode()),
            )
        )


def _sign_itself(directory: Path, now: dt.datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self-signed")])
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(directory / "self-signed.pem", directory / "self-signed.key")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pair
