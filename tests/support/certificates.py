"""Certificates of a test's own authority: good ones and every kind of bad one."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def alternative(name: str) -> x509.GeneralName:
    """A name as an alternative name: an IP address, a URI, or else a DNS name."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.UniformResourceIdentifier(name) if ":" in name else x509.DNSName(name)


class Authority:
    """A CA of its own; `ca` is its certificate as a PEM file."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0
        builder = _builder(_name(name), _name(name), self._key.public_key(), now() - DAY, now() + 30 * DAY)
        self._certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._key, hashes.SHA256()
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / f"{name.replace(' ', '-')}.pem"
        self.ca.write_bytes(self._certificate.public_bytes(PEM))

    def issue(
        self,
        *names: str,
        common: str = "",
        begins: datetime.datetime | None = None,
        ends: datetime.datetime | None = None,
        signed_by_itself: bool = False,
        to: Path | None = None,
    ) -> Path:
        """A PEM file with a certificate for `names` (DNS names, IP addresses, URIs) and its key."""
        self._count += 1
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common or f"certificate {self._count}")
        issuer, signer = (subject, key) if signed_by_itself else (_name(self.name), self._key)
        builder = _builder(subject, issuer, key.public_key(), begins or now() - DAY, ends or now() + 30 * DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(alternative, names))), critical=False)
        certificate = builder.sign(signer, hashes.SHA256())
        path = to or self.folder / f"{self._count}.pem"
        path.write_bytes(certificate.public_bytes(PEM) + key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
        return path


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def der_of(path: Path) -> bytes:
    """The certificate of a PEM file as DER."""
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
