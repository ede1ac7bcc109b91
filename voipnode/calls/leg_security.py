"""How one leg's media is encrypted: what its account wants, what its signalling allows, what came of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.ports import RandomBits
from voipnode.media.dtls import PeerPrint
from voipnode.media.dtls_srtp import DtlsSrtp, Identity, Terms
from voipnode.media.srtp import ReceiveKey, SrtpProtection
from voipnode.media.transport import MediaTransport
from voipnode.sipstack.crypto_attributes import SUITES, CryptoLine, MasterKey
from voipnode.sipstack.dtls_attributes import Fingerprint
from voipnode.sipstack.media_security import AgreedSecurity, LocalSecurity
from voipnode.sipstack.offer_answer import AudioSession


class Encryption(NamedTuple):
    """What a status says of a leg: `keying` "" (nothing agreed yet), "none", "sdes" or "dtls", and the suite in use."""

    keying: str = ""
    cipher: str = ""

    def __str__(self) -> str:
        if self.keying == "none":
            return "in the clear"
        return f"encrypted ({self.cipher}, {self.keying.upper()})" if self.cipher else ""


UNKNOWN = Encryption()


class LegSecurity:
    """One leg's keys. `local` is what its offers and answers say, None where the account wants no encryption.

    `confidential`: TLS protects the leg's signalling as far as we can see, so that SDES keys may travel in it. Whoever
    reads them reads the sound (RFC 4568 §8), so without it they are neither given nor taken, unless the account says
    that this is as good as nothing but better. `identity`: our certificate, None = no DTLS. `peer_hosts`: from where
    besides the addresses of the SDP a handshake may come.
    """

    def __init__(
        self,
        account: AccountSettings,
        transport: MediaTransport,
        random_bits: RandomBits,
        *,
        identity: Identity | None,
        peer_hosts: frozenset[str],
        confidential: bool,
    ) -> None:
        self._transport = transport
        self._peer_hosts = peer_hosts
        self._keying: Literal["", "none", "sdes", "dtls"] = ""
        self._srtp = SrtpProtection()
        self._dtls: DtlsSrtp | None = None
        self.local = _wish(account, random_bits, identity, confidential=confidential)
        if self.local is None:
            self._keying = "none"
            return
        if self.local.fingerprint is not None and identity is not None:
            self._dtls = DtlsSrtp(identity)
        # Without keys nothing passes; a handshake may begin before the answer that names its certificate has come.
        transport.secure(self._srtp, self._dtls)

    @property
    def can_offer(self) -> bool:
        """False where the account demands encryption, and this leg has no way to agree on keys."""
        return self.local is None or bool(self.local.lines or self.local.fingerprint)

    @property
    def offers_handshake(self) -> bool:
        """Whether keys may come by DTLS."""
        return self._dtls is not None

    @property
    def encryption(self) -> Encryption:
        """How the leg is encrypted now; by DTLS without a cipher, while hands are being shaken."""
        if self._keying == "sdes":
            return Encryption("sdes", self._srtp.suite)
        if self._keying == "dtls" and self._dtls is not None:
            return Encryption("dtls", self._dtls.suite)
        return Encryption(self._keying)

    def agree(self, agreed: AudioSession, now: float) -> None:
        """Protect the leg's packets as was agreed."""
        if self.local is None:
            return
        security = agreed.security
        if security is None:
            self._keying = "none"
            self._transport.secure(None)
        elif security.keying == "sdes":
            self._keying = "sdes"
            line = security.line
            receive = [ReceiveKey(*key) for key in security.receive_keys]
            self._srtp.key(line.suite.name, line.keys[0].key_salt, receive)
            self._transport.secure(self._srtp)
        elif self._dtls is not None:
            self._keying = "dtls"
            if agreed.reachable or agreed.ice is not None:  # "nowhere", to hold: the association stays as it is
                self._dtls.agree(self._terms(agreed, security), now)
            self._transport.secure(self._dtls, self._dtls)

    def _terms(self, agreed: AudioSession, security: AgreedSecurity) -> Terms:
        prints = tuple(PeerPrint(each.hash_name, each.digest) for each in security.fingerprints)
        rtcp = (agreed.remote_rtcp_host, agreed.remote_rtcp_port)
        by_ice = agreed.ice is not None
        return Terms(
            active=security.active,
            prints=prints,
            rtp=(agreed.remote_host, agreed.remote_rtp_port),
            rtcp=None if agreed.rtcp_mux or agreed.remote_rtcp_port == 0 else rtcp,
            hosts=None if by_ice else self._peer_hosts,
            # With ICE the addresses of the SDP change while the association goes on (RFC 8842 §6).
            name=security.tls_id or ("ICE" if by_ice else ""),
        )

    def begin(self, now: float) -> None:
        """The far side knows our fingerprint, and has shown that it is where it says: shake hands."""
        if self._keying == "dtls" and self._dtls is not None:
            self._dtls.begin(now)


def _wish(
    account: AccountSettings, random_bits: RandomBits, identity: Identity | None, *, confidential: bool
) -> LocalSecurity | None:
    if account.media_encryption == "none":
        return None
    mandatory = account.media_encryption == "mandatory"
    takes_sdes = "sdes" in account.media_keying and (confidential or account.sdes_in_clear_signalling)
    lines = _lines(random_bits) if takes_sdes else ()
    takes_dtls = "dtls" in account.media_keying and identity is not None
    if not (lines or takes_dtls or mandatory):
        return None  # there is nothing that could be offered
    return LocalSecurity(
        mandatory,
        lines,
        fingerprint=Fingerprint("sha-256", identity.fingerprint) if takes_dtls and identity is not None else None,
        tls_id=f"{random_bits(144):036x}" if takes_dtls else "",  # RFC 8842 §4: at least 120 random bits
        prefers=account.media_keying[0],
    )


def _lines(random_bits: RandomBits) -> tuple[CryptoLine, ...]:
    """A line of ours for each suite, each with a key of its own (RFC 4568 §6.1), kept as long as the leg lives."""
    return tuple(
        CryptoLine(
            tag, suite, (MasterKey(random_bits(8 * suite.key_salt_bytes).to_bytes(suite.key_salt_bytes, "big")),)
        )
        for tag, suite in enumerate(SUITES.values(), start=1)
    )
