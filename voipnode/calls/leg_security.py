"""How one leg's media is encrypted: what its account wants, what its signalling allows, what came of it."""

from __future__ import annotations

from typing import NamedTuple

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.ports import RandomBits
from voipnode.media.srtp import ReceiveKey, SrtpProtection
from voipnode.media.transport import MediaTransport
from voipnode.sipstack.crypto_attributes import SUITES, CryptoLine, MasterKey
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


UNKNOWN, IN_THE_CLEAR = Encryption(), Encryption("none")


class LegSecurity:
    """One leg's keys. `local` is what its offers and answers say, None where the account wants no encryption.

    `confidential`: TLS protects the leg's signalling as far as we can see, so that SDES keys may travel in it. Whoever
    reads them reads the sound (RFC 4568 §8), so without it they are neither given nor taken, unless the account says
    that this is as good as nothing but better.
    """

    def __init__(
        self, account: AccountSettings, transport: MediaTransport, random_bits: RandomBits, *, confidential: bool
    ) -> None:
        self._transport = transport
        self._srtp: SrtpProtection | None = None
        self.local = self._wish(account, random_bits, confidential=confidential)
        self.encryption = IN_THE_CLEAR if self.local is None else UNKNOWN
        if self.local is not None and self.local.mandatory:
            self._srtp = SrtpProtection()
            transport.secure(self._srtp)  # without keys: nothing leaves before there are some

    def _wish(self, account: AccountSettings, random_bits: RandomBits, *, confidential: bool) -> LocalSecurity | None:
        if account.media_encryption == "none":
            return None
        mandatory = account.media_encryption == "mandatory"
        takes_sdes = "sdes" in account.media_keying and (confidential or account.sdes_in_clear_signalling)
        lines = _lines(random_bits) if takes_sdes else ()
        if not lines and not mandatory:
            return None  # there is nothing that could be offered
        return LocalSecurity(mandatory, lines, prefers=account.media_keying[0])

    @property
    def can_offer(self) -> bool:
        """False where the account demands encryption, and this leg has no way to agree on keys."""
        return self.local is None or bool(self.local.lines or self.local.fingerprint)

    def agree(self, agreed: AudioSession, now: float) -> None:
        """Protect the leg's packets as was agreed."""
        security = agreed.security
        if security is None:
            if self._transport.protection is not None:
                self._transport.secure(None)
            self.encryption = IN_THE_CLEAR
        else:
            self._key(security)

    def _key(self, security: AgreedSecurity) -> None:
        if self._srtp is None:
            self._srtp = SrtpProtection()
        line = security.line
        receive = [ReceiveKey(*key) for key in security.receive_keys]
        self._srtp.key(line.suite.name, line.keys[0].key_salt, receive)
        if self._transport.protection is not self._srtp:
            self._transport.secure(self._srtp)
        self.encryption = Encryption("sdes", line.suite.name)


def _lines(random_bits: RandomBits) -> tuple[CryptoLine, ...]:
    """A line of ours for each suite, each with a key of its own (RFC 4568 §6.1), kept as long as the leg lives."""
    return tuple(
        CryptoLine(
            tag, suite, (MasterKey(random_bits(8 * suite.key_salt_bytes).to_bytes(suite.key_salt_bytes, "big")),)
        )
        for tag, suite in enumerate(SUITES.values(), start=1)
    )
