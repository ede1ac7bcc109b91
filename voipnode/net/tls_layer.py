"""TLS on one connection, without I/O; as a client it also makes sure that the peer is who was asked for."""

from __future__ import annotations

import contextlib
import ssl

from voipnode.net.layers import StreamFailure
from voipnode.net.tls import WatchedContext
from voipnode.net.tls_identity import Certificate
from voipnode.net.tls_words import NOT_TLS, handshake_words, name_words

READ_BYTES = 65536
ALERT, HANDSHAKE = 0x15, 0x16  # what a peer's first record may be (RFC 8446 §5.1)


class TlsLayer:
    """One side of TLS. `domain` is the name that the server must prove, None on the server's side.

    Nothing is handed up, and the layer is not `ready`, before the handshake is complete and the name is proven.
    """

    def __init__(self, watched: WatchedContext, domain: str | None = None) -> None:
        self._watched = watched
        self._domain = domain
        self._context = watched.current()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=domain is None,
            server_hostname=domain or None,  # SNI; OpenSSL leaves it out for an IP address, as RFC 6066 §3 asks
            session=None if domain is None else watched.session(domain, self._context),
        )
        self._heard = False
        self.name = "TLS"
        self._session_kept = domain is None
        self.ready = False
        self.ended = False

    @property
    def resumed(self) -> bool:
        """Whether the handshake was an abbreviated one."""
        return bool(self._tls.session_reused)

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate as DER, once the layer is ready; None where it showed none."""
        return self._tls.getpeercert(binary_form=True)

    def begin(self) -> None:
        if self._domain is not None:
            self._shake_hands()

    def receive(self, data: bytes) -> list[bytes]:
        if not self._heard:
            if data[0] not in (ALERT, HANDSHAKE):
                raise StreamFailure(NOT_TLS)
            self._heard = True
        self._incoming.write(data)
        if not self.ready:
            self._shake_hands()
        return self._read() if self.ready else []

    def send(self, data: bytes) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise StreamFailure(handshake_words(error)) from error

    def end(self) -> None:
        if self.ready:
            with contextlib.suppress(ssl.SSLError):  # WANT_READ: we do not wait for the peer's goodbye
                self._tls.unwrap()

    def data_to_send(self) -> bytes:
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLCertVerificationError as error:
            raise StreamFailure(handshake_words(error), error.verify_code) from error
        except ssl.SSLError as error:
            raise StreamFailure(handshake_words(error)) from error
        self._check_name()
        self.ready = True

    def _check_name(self) -> None:
        """RFC 5922 §7.3: a server that does not prove the name is not spoken to."""
        if self._domain is None or not self._watched.profile.verify:
            return
        try:
            certificate = Certificate(self.certificate or b"")
        except ValueError as error:
            raise StreamFailure(str(error)) from error
        proven = certificate.proves(self._domain)
        if not proven and self._watched.profile.wildcards:
            proven = certificate.covers(self._domain)
        if not proven:
            raise StreamFailure(name_words(certificate, self._domain))

    def _read(self) -> list[bytes]:
        pieces = []
        try:
            while piece := self._tls.read(READ_BYTES):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise StreamFailure(handshake_words(error)) from error
        if pieces and not self._session_kept and self._domain is not None:
            # Now, since the tickets of TLS 1.3 come after the handshake, just before the first data (RFC 8446 §4.6.1).
            self._session_kept = True
            self._watched.keep_session(self._domain, self._context, self._tls.session)
        return pieces
