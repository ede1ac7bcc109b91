"""What went wrong with TLS, in words that the person who installs the node can act upon."""

from __future__ import annotations

import ssl
from datetime import datetime

from voipnode.net.tls_identity import Certificate

# OpenSSL's X509_V_ERR_*, as SSLCertVerificationError.verify_code gives them (openssl-verify(1)).
NOT_YET_VALID = 9
EXPIRED = 10
SELF_SIGNED = 18
SELF_SIGNED_IN_CHAIN = 19
NO_ISSUER = (2, 20, 21)

NOT_TLS = "the peer does not speak TLS on that port"

# By OpenSSL's reason; alerts are what the peer said (RFC 8446 §6.2).
_REASONS = {
    "WRONG_VERSION_NUMBER": NOT_TLS,
    "UNSUPPORTED_PROTOCOL": "the peer offers only an old TLS version (1.0 or 1.1), or none that is allowed here",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer takes no TLS version that is allowed here (sip.tls versions)",
    "NO_PROTOCOLS_AVAILABLE": "no TLS version is left that is allowed here (sip.tls versions)",
    "HTTP_REQUEST": "the peer does not speak TLS but HTTP",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer wants a client certificate, and none is set here",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the peer refused the handshake: it wants a client certificate, or has no cipher "
    "in common with us",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the peer says that our certificate was revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not accept our certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the peer does not accept certificates of our kind",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know who signed our certificate",
    "TLSV1_ALERT_ACCESS_DENIED": "the peer denies access to our certificate",
    "TLSV1_UNRECOGNIZED_NAME": "the peer does not know the name that we called it by",
    "NO_SHARED_CIPHER": "the peer has no cipher in common with us",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no client certificate, which sip.tls.verify_clients demands",
}


def handshake_words(error: ssl.SSLError) -> str:
    """What a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return certificate_words(error.verify_code, error.verify_message, None)
    reason = error.reason or ""
    return _REASONS.get(reason) or f"TLS failed: {reason.replace('_', ' ').lower() or error}"


def certificate_words(code: int, message: str, certificate: Certificate | None) -> str:
    """Why a certificate is not trusted; in detail where it is at hand."""
    if code == EXPIRED:
        return "the peer's certificate has expired" + (f" on {_day(certificate.not_after)}" if certificate else "")
    if code == NOT_YET_VALID:
        since = (
            f" before {_day(certificate.not_before)}; is the clock right?" if certificate else "; is the clock right?"
        )
        return f"the peer's certificate is not valid yet{since}"
    if code == SELF_SIGNED:
        names = f" (it is for {certificate.names_told()})" if certificate else ""
        return f"the peer's certificate is signed by itself{names}; set it as ca to trust it"
    if code == SELF_SIGNED_IN_CHAIN or code in NO_ISSUER:
        issuer = f": {certificate.issuer}" if certificate else ""
        return f"the peer's certificate is signed by a CA that is not known here{issuer}; set that CA as ca"
    return f"the peer's certificate is not trusted: {message}"


def name_words(certificate: Certificate, domain: str) -> str:
    """The certificate is somebody else's (RFC 5922 §7.3)."""
    wildcard = any(name.startswith("*") for name in certificate.domains)
    hint = "; names with * are not valid in SIP (RFC 5922)" if wildcard else ""
    return f'the peer\'s certificate is not for "{domain}" but for {certificate.names_told()}{hint}'


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
