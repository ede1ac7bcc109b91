"""A certificate of the node's own making, so that TLS works before anybody has installed one.

It proves nothing: whoever connects must be told to accept it. It keeps listeners out, and those who compare its
fingerprint may trust it, so it is made once and kept.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import re
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

log = logging.getLogger(__name__)

VALID = datetime.timedelta(days=3650)
# A clock that was never set begins long ago (RFC 5280 §4.1.2.5): whoever has the right time must find it valid.
BEGINS = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_HOST = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")


def own_certificate(path: Path) -> Path:
    """The PEM file at `path` with certificate and key (P-256); made where there is none, or one that is over.

    Raises OSError where it cannot be written.
    """
    now = datetime.datetime.now(datetime.UTC)
    with contextlib.suppress(OSError, ValueError):
        if x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc > now:
            return path
    pem = _make(_host_name(), max(now, BEGINS) + VALID)
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()  # of a run that ended in the middle
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    log.info("a TLS certificate of the node's own was made: %s", path)
    return path


def _host_name() -> str:
    name = socket.gethostname().lower()
    return name if _HOST.fullmatch(name) else "voipnode"


def _make(host: str, ends: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"{host}.local")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
