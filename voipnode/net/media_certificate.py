"""The certificate that DTLS-SRTP shows: made when the node starts, vouched for by its fingerprint in the signalling."""

from __future__ import annotations

import datetime
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from voipnode.media.dtls import DtlsIdentity

# Nobody looks at these (RFC 5763 §5), and a clock that was never set must not matter: see own_certificate.
BEGINS, ENDS = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)


def media_identity() -> DtlsIdentity:
    """A fresh key (P-256), its certificate under a name that tells nothing, and a secret for cookies; takes 1 ms."""
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
    return DtlsIdentity(certificate, key, secrets.token_bytes(32))
