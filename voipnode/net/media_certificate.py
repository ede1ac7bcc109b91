"""The certificate that DTLS-SRTP shows: made when the node starts, vouched for by its fingerprint in the signalling."""

from __future__ import annotations

import datetime
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from voipnode.media.dtls import DtlsIdentity

log = logging.getLogger(__name__)

# Nobody looks at these (RFC 5763 §5), and a clock that was never set must not matter: see own_certificate.
BEGINS, ENDS = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)


def media_identity(key_log: Path | None = None) -> DtlsIdentity:
    """A fresh key (P-256), its certificate under a name that tells nothing, and a secret for cookies; takes 1 ms.

    Whoever has the file `key_log` hears the calls: None but for captures. Where it cannot be written, that is logged.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voipnode")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(ENDS)
        .sign(key, hashes.SHA256())
    )
    return DtlsIdentity(certificate, key, secrets.token_bytes(32), None if key_log is None else _writer(key_log))


def _writer(key_log: Path) -> Callable[[bytes], None]:
    def write(line: bytes) -> None:
        try:
            number = os.open(key_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(number, "ab") as file:
                file.write(line + b"\n")
        except OSError as error:  # OpenSSL calls, and could do nothing with it
            log.warning("%s: the keys of a call are not written: %s", key_log, error.strerror)

    return write
