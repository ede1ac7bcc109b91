"""DTLS 1.2 as an engine without I/O, OpenSSL underneath: one association by which SRTP gets its keys (RFC 5764).

    WAITING  --ClientHello with a cookie of ours (passive) or begin (active)-->  SHAKING
    SHAKING  --Finished, and a certificate with a fingerprint of the signalling--> DONE
    WAITING, SHAKING  --another certificate, no SRTP profile, errors too often-->  FAILED

OpenSSL has entropy of its own, and a clock: `DTLSv1_get_timeout` counts real seconds, so that a flight is repeated when
both it and the caller's deadline say so. A replay can therefore not repeat a handshake; it makes the keys of what the
handshake's key log says (`DtlsIdentity`, `replay.dtls_keys`).

What comes from the network cannot do harm by itself: datagrams are bounded in size and number, a ClientHello costs no
state before its sender has returned our cookie (RFC 6347 §4.2.1) and is answered by fewer bytes than it has, records
that are none are dropped before OpenSSL sees them, an alert in the clear is a hint and no command.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from voipnode.media.values import Addr

MTU = 1200  # bytes of a datagram, as RFC 8261 §5 and the browsers take it: it passes every tunnel
MAX_DATAGRAM = 4096
MAX_DATAGRAMS = 400  # that are looked at once it is done: the last flight again, and an alert at the end
MAX_ERRORS = 3  # what somebody slipped in may break a handshake: it is begun again so often

_HEADER = 13
_CHANGE_CIPHER, _ALERT, _HANDSHAKE = 20, 21, 22
_DTLS_1_2 = 0xFEFD
_RECORD_VERSIONS = (b"\xfe\xff", b"\xfe\xfd")
_FATAL = 2
# OpenSSL's words for where a handshake stands when the far side's change of cipher is next: ours as client, as server.
_CHANGES = (b"SSLv3/TLS write finished", b"SSLv3/TLS read client key exchange", b"SSLv3/TLS read certificate verify")
EXPORTER = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2


class Profile(NamedTuple):
    """A protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2): the suite that it is, and its lengths in bytes."""

    suite: str
    key_bytes: int
    salt_bytes: int

    @property
    def material_bytes(self) -> int:
        """How much keying material both directions need."""
        return 2 * (self.key_bytes + self.salt_bytes)

    def keys(self, material: bytes, *, client: bool) -> Keys:
        """The keys of either end: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2)."""
        key, salt = self.key_bytes, self.salt_bytes
        of_client = material[:key] + material[2 * key : 2 * key + salt]
        of_server = material[key : 2 * key] + material[2 * key + salt :]
        return Keys(self.suite, of_client, of_server) if client else Keys(self.suite, of_server, of_client)


# By OpenSSL's names, in our order of preference.
PROFILES = {
    b"SRTP_AEAD_AES_256_GCM": Profile("AEAD_AES_256_GCM", 32, 12),
    b"SRTP_AEAD_AES_128_GCM": Profile("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AES128_CM_SHA1_80": Profile("AES_CM_128_HMAC_SHA1_80", 16, 14),
    b"SRTP_AES128_CM_SHA1_32": Profile("AES_CM_128_HMAC_SHA1_32", 16, 14),
}
# Forward secrecy, with whatever certificate; CBC last, for those of the first days (RFC 8827 §6.5).
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:"
    b"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
)


class PeerPrint(NamedTuple):
    """A fingerprint that the peer's certificate may have: "sha-256" and the like, and the hash (RFC 8122 §5)."""

    hash_name: str
    digest: bytes


class Keys(NamedTuple):
    """What came of a handshake: the suite, and the keys with their salts behind them, ours and the peer's."""

    suite: str
    send: bytes
    receive: bytes


class DtlsIdentity:
    """Our certificate, for all associations of a node; `fingerprint` is its SHA-256. `cookie_secret`: 16 bytes or more.

    Certificates prove nothing here but their fingerprint, so that any chain is taken (RFC 5763 §5). `log_key`: told a
    line of draft-ietf-tls-keylogfile for each handshake, by which whoever has it hears the call: None but for captures.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        cookie_secret: bytes,
        log_key: Callable[[bytes], None] | None = None,
    ) -> None:
        self.fingerprint = hashlib.sha256(_der(certificate)).digest()
        self._cookie_secret = cookie_secret
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)  # RFC 8996 §5: 1.0 "MUST NOT" be negotiated
        context.set_max_proto_version(_DTLS_1_2)
        # A second handshake within the first would change keys under SRTP's feet: refused.
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _any_chain)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(b":".join(PROFILES))
        context.set_cookie_generate_callback(self._cookie)
        context.set_cookie_verify_callback(self._is_cookie)
        if log_key is not None:
            context.set_keylog_callback(lambda _, line: log_key(line))
        self._context = context

    def associate(self, *, active: bool, remote: Addr, prints: tuple[PeerPrint, ...]) -> DtlsAssociation:
        """A handshake that has yet to begin."""
        return DtlsAssociation(self, active=active, remote=remote, prints=prints)

    def connection(self, source: Addr) -> SSL.Connection:
        """A fresh connection towards `source`."""
        connection = SSL.Connection(self._context, None)
        connection.set_ciphertext_mtu(MTU)
        connection.set_app_data(source)
        return connection

    def _cookie(self, connection: SSL.Connection) -> bytes:
        host, port = connection.get_app_data()
        return hmac.digest(self._cookie_secret, f"{host} {port}".encode(), "sha256")

    def _is_cookie(self, connection: SSL.Connection, cookie: bytes) -> bool:
        return hmac.compare_digest(self._cookie(connection), cookie)


class State(Enum):
    WAITING = "waiting"
    SHAKING = "shaking"
    DONE = "done"
    FAILED = "failed"


class DtlsAssociation:
    """One association. `active`: we send the ClientHello, to `remote`; passive: to whoever sends us one, and only he.

    `prints`: what the peer's certificate may have, by the signalling. `keys` are there once `state` is DONE; `why` says
    in words why it is FAILED, `foreign` that it was another's certificate. Datagrams to send are taken by `outbox`; the
    caller arms a timer for `repeat_in_s`.
    """

    def __init__(self, identity: DtlsIdentity, *, active: bool, remote: Addr, prints: tuple[PeerPrint, ...]) -> None:
        self.state = State.WAITING
        self.remote = remote
        self.keys: Keys | None = None
        self.why = ""
        self.foreign = False
        self.alerted = False  # a fatal alert came in the clear: it may be true
        self._identity = identity
        self._active = active
        self._prints = prints
        self._received = self._errors = 0
        self._ahead = 0  # how much higher the numbers of our records in the clear are than OpenSSL's
        self._outbox: list[bytes] = []
        self._connection = self._fresh()

    def _fresh(self) -> SSL.Connection:
        self._ahead = 0
        connection = self._identity.connection(self.remote)
        (connection.set_connect_state if self._active else connection.set_accept_state)()
        return connection

    def begin(self) -> None:
        """Send the ClientHello, where that is ours to do."""
        if self._active and self.state is State.WAITING:
            self.state = State.SHAKING
            self._shake()

    def receive(self, data: bytes, source: Addr) -> None:
        """Take one datagram. Never raises."""
        if self.state is State.FAILED or len(data) > MAX_DATAGRAM:
            return
        if self.state is State.DONE:
            self._received += 1
            if self._received > MAX_DATAGRAMS:
                return
        if not self._active and self.state is State.WAITING and source != self.remote:
            self.remote = source
            self._connection = self._fresh()
        if source != self.remote:
            if self._active and self.state is State.SHAKING:
                self.remote = source  # it answers from elsewhere than it said: a router in between
            else:
                return
        if self.state is not State.DONE:
            data = self._believable(data)
        if data and _is_dtls(data):
            self._take(data)

    def _believable(self, data: bytes) -> bytes:
        """The datagram without what anybody can write and end a handshake by: alerts in the clear are noted, and not
        obeyed; a change of cipher before its turn, at which OpenSSL waits for ever, is left out."""
        kept = b""
        for record in records(data):
            if record[0] == _ALERT and record[3:5] == b"\0\0":
                self.alerted = self.alerted or record[_HEADER : _HEADER + 1] == bytes([_FATAL])
            elif record[0] != _CHANGE_CIPHER or kept or self._connection.get_state_string() in _CHANGES:
                kept += record
        return kept

    def _take(self, data: bytes) -> None:
        try:
            self._connection.bio_write(data)
        except SSL.Error as error:
            self._broken(error)
            return
        if self.state is State.WAITING:
            if not self._listen():
                return
            # RFC 6347 §4.2.1: "the server MUST use the record sequence number in the ClientHello as the record sequence
            # number in its initial ServerHello". OpenSSL begins at 1, which is a number that a HelloVerifyRequest to a
            # repeated ClientHello has had: browsers then drop a record of our flight as one that they know.
            self._ahead = max(_number(data) - 1, 0)
        if self.state is State.SHAKING:
            self._shake()
        elif self.state is State.DONE:
            self._read()

    def _listen(self) -> bool:
        """True once a ClientHello came with our cookie, so that its sender is where he says (RFC 6347 §4.2.1)."""
        try:
            self._connection.DTLSv1_listen()
        except SSL.WantReadError:
            self._collect()
            return False
        except SSL.Error as error:
            if "fragment" not in str(error):
                self._connection = self._fresh()  # what was no ClientHello leaves no trace
                return False
            # A ClientHello in pieces cannot be asked for a cookie; to send it whole takes more bytes than our answer.
        self.state = State.SHAKING
        return True

    def _shake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._collect()
            return
        except SSL.Error as error:
            self._collect()
            self._broken(error)
            return
        self._collect()
        self._finish()

    def _read(self) -> None:
        """After the handshake: the peer's last flight again, which OpenSSL answers with ours; alerts, which BYE makes
        superfluous; data, of which DTLS-SRTP has none (RFC 5764 §4.1)."""
        try:
            while True:
                self._connection.recv(MAX_DATAGRAM)
        except (SSL.WantReadError, SSL.ZeroReturnError, SSL.Error):
            self._collect()

    def _broken(self, error: SSL.Error) -> None:
        self._errors += 1
        if self.state is State.DONE:
            return
        if self._errors >= MAX_ERRORS:
            self._fail(f"the DTLS handshake failed ({_words(error)})")
            return
        self.state = State.WAITING
        self._connection = self._fresh()
        self.begin()

    def _fail(self, why: str) -> None:
        self.state, self.why = State.FAILED, why

    def _finish(self) -> None:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._matches(_der(certificate)):
            self.foreign = True
            # RFC 8842 §5.1: "MUST tear down the media session immediately"
            self._fail("the far side's certificate is not the one that its signalling announced (fingerprint)")
            return
        profile = PROFILES.get(self._connection.get_selected_srtp_profile())
        if profile is None:
            self._fail("the far side shook hands, and wants no SRTP")
            return
        material = self._connection.export_keying_material(EXPORTER, profile.material_bytes, None)
        self.keys = profile.keys(material, client=self._active)
        self.state = State.DONE

    def _matches(self, der: bytes) -> bool:
        return any(
            hmac.compare_digest(hashlib.new(each.hash_name.replace("-", ""), der).digest(), each.digest)
            for each in self._prints
        )

    def repeat_in_s(self) -> float | None:
        """How long until a flight of ours is to be repeated; None when none is."""
        if self.state is not State.SHAKING:
            return None
        left: float | None = self._connection.DTLSv1_get_timeout()
        return left

    def repeat(self) -> None:
        """Send the flight again, if its time has come. Gives up after OpenSSL's number of repetitions."""
        if self.state is not State.SHAKING:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._errors = MAX_ERRORS
            self._broken(error)
        self._collect()

    def outbox(self) -> list[bytes]:
        """The datagrams to send to `remote` now."""
        found, self._outbox = self._outbox, []
        return found

    def _collect(self) -> None:
        """What OpenSSL wrote is one run of records: as many as fit go into a datagram."""
        written = b""
        try:
            while True:
                written += self._connection.bio_read(65_536)
        except SSL.WantReadError:
            pass
        datagram = b""
        for record in map(self._numbered, records(written)):
            if datagram and len(datagram) + len(record) > MTU:
                self._outbox.append(datagram)
                datagram = b""
            datagram += record
        if datagram:
            self._outbox.append(datagram)

    def _numbered(self, record: bytes) -> bytes:
        """With its number on our count; what is encrypted (epoch 1) counts anew, from 0."""
        if not self._ahead or record[3:5] != b"\0\0":
            return record
        return record[:5] + ((_number(record) + self._ahead) % (1 << 48)).to_bytes(6, "big") + record[11:]


def _number(record: bytes) -> int:
    """A record's sequence number (RFC 6347 §4.1)."""
    return int.from_bytes(record[5:11], "big")


def records(data: bytes) -> Iterator[bytes]:
    """The records of a datagram (RFC 6347 §4.1); what is cut off at its end is left out."""
    start = 0
    while start + _HEADER <= len(data):
        end = start + _HEADER + int.from_bytes(data[start + 11 : start + 13], "big")
        if end > len(data):
            return
        yield data[start:end]
        start = end


def _is_dtls(data: bytes) -> bool:
    """True where the datagram is whole records of the kinds and versions that there are."""
    length = 0
    for record in records(data):
        if record[0] not in (_CHANGE_CIPHER, _ALERT, _HANDSHAKE) or record[1:3] not in _RECORD_VERSIONS:
            return False
        length += len(record)
    return 0 < length == len(data)


def _any_chain(*_about: object) -> bool:
    return True


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _words(error: SSL.Error) -> str:
    """OpenSSL's reason in its own words; it has none for what it does not want to explain."""
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(entry[-1]) for entry in details if isinstance(entry, tuple) and entry]
    return reasons[0] if reasons else "broken off"
