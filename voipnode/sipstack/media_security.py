"""Which encryption two descriptions agree on: SDES keys (RFC 4568) or DTLS-SRTP (RFC 5763, RFC 8842), or none.

| our policy | they offer plain RTP | plain RTP with keys (RFC 8643) | a secure profile with keys | one without |
|---|---|---|---|---|
| no security | plain | plain | 488 | 488 |
| best effort | plain | encrypted | encrypted | 488 |
| mandatory | 488 | encrypted | encrypted | 488 |

What is offered: best effort writes RTP/AVP with keys, which a peer without encryption reads as a plain offer; mandatory
a secure profile, which it refuses. Keys that are answered and cannot be used never mean "then in the clear": who
answered with keys sends encrypted, so the exchange has failed (RFC 4568 §7.1.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from voipnode.sipstack.crypto_attributes import MAX_CRYPTO_LINES, CryptoLine, MasterKey
from voipnode.sipstack.dtls_attributes import MAX_FINGERPRINTS, TLS_ID, Fingerprint, Setup
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.sdp import Attribute, MediaDescription, SessionDescription

Keying: TypeAlias = Literal["sdes", "dtls"]

RTP_AVP, RTP_SAVP, DTLS_SAVP = "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"
# RFC 3551, RFC 4585 §9, RFC 3711 §12, RFC 5124 §4, RFC 5764 §8. An F allows early feedback, and obliges nobody to it.
PLAIN_PROFILES = frozenset({RTP_AVP, "RTP/AVPF"})
SECURE_PROFILES = frozenset({RTP_SAVP, "RTP/SAVPF"})
DTLS_PROFILES = frozenset({DTLS_SAVP, "UDP/TLS/RTP/SAVPF"})
PROFILES = PLAIN_PROFILES | SECURE_PROFILES | DTLS_PROFILES


@dataclass(frozen=True, slots=True)
class LocalSecurity:
    """What our side offers and takes. `lines` are our SDES keys by suite, strongest first, none = no SDES.

    `fingerprint` is our certificate's, None = no DTLS; `tls_id` names our side of the association that we want
    (RFC 8842 §4). `prefers` decides where the far side offers both ways. At least one of the two must be there.
    """

    mandatory: bool
    lines: tuple[CryptoLine, ...] = ()
    fingerprint: Fingerprint | None = None
    tls_id: str = ""
    prefers: Keying = "sdes"

    def profile(self, before: str, agreed: AgreedSecurity | None) -> str:
        """The profile of an offer; `before` is the one in use, "" at first, which stays where it can."""
        if before and (agreed is not None or not (self.mandatory or before not in PLAIN_PROFILES)):
            return before
        if not self.mandatory:
            return RTP_AVP
        return RTP_SAVP if self.lines else DTLS_SAVP

    def attributes(self, agreed: AgreedSecurity | None) -> tuple[Attribute, ...]:
        """What our offers say of it: at first all that we can, later on what is in use, so that nothing changes."""
        found: list[Attribute] = []
        if agreed is None or agreed.keying == "sdes":
            lines = [line for line in self.lines if line.suite.offered] if agreed is None else [agreed.line]
            found += [Attribute("crypto", str(line)) for line in lines]
        if agreed is None or agreed.keying == "dtls":
            found += self._dtls(Setup.ACTPASS, tls_id=True)  # RFC 8842 §5.2, §5.5: actpass in every offer
        return tuple(found)

    def answer_attributes(self, agreed: AgreedSecurity) -> tuple[Attribute, ...]:
        """What our answer says: the one line taken with our key for its suite, or who begins the handshake."""
        if agreed.keying == "sdes":
            return (Attribute("crypto", str(agreed.line)),)
        # RFC 8842 §5.3: no tls-id for who sent none
        return self._dtls(Setup.ACTIVE if agreed.active else Setup.PASSIVE, tls_id=bool(agreed.tls_id))

    def _dtls(self, setup: Setup, *, tls_id: bool) -> tuple[Attribute, ...]:
        if self.fingerprint is None:
            return ()
        found = (Attribute("fingerprint", str(self.fingerprint)), Attribute("setup", setup.value))
        return (*found, Attribute("tls-id", self.tls_id)) if tls_id and self.tls_id else found


@dataclass(frozen=True, slots=True)
class AgreedSecurity:
    """What came of it. SDES: `line` is ours under the tag agreed on, with the key that we send with; `receive_keys` are
    the far side's.

    DTLS: `fingerprints` are those that the far side's certificate may have, `active`: the handshake is ours to begin,
    `tls_id` is the far side's name for the association, "" where it gave none.
    """

    keying: Keying
    sdes: CryptoLine | None = None
    receive_keys: tuple[MasterKey, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    active: bool = False
    tls_id: str = ""

    @property
    def line(self) -> CryptoLine:
        """The SDES line with our key."""
        assert self.sdes is not None
        return self.sdes


class RemoteSecurity(NamedTuple):
    """What one section of the far side says about keys."""

    profile: str
    lines: tuple[CryptoLine, ...]
    fingerprints: tuple[Fingerprint, ...]
    setup: str | None
    tls_id: str
    said: bool  # there is a word about keys, if one that nobody can use

    @property
    def secure(self) -> bool:
        """True where the profile itself demands encryption."""
        return self.profile not in PLAIN_PROFILES


def read_security(description: SessionDescription, media: MediaDescription) -> RemoteSecurity:
    """What a section says about keys, or the session for it (fingerprint, setup: RFC 8122 §5, RFC 4145 §4)."""
    setup = _values(description, media, "setup")
    tls_id = next(iter(_values(description, media, "tls-id")), "")
    lines, fingerprints = crypto_lines(media), _fingerprints(_values(description, media, "fingerprint"))
    said = media.attribute("crypto") is not None or bool(fingerprints)
    return RemoteSecurity(
        media.protocol.upper(),
        lines,
        fingerprints,
        setup[0].strip().lower() if setup else None,
        tls_id if TLS_ID.fullmatch(tls_id) else "",
        said,
    )


def unread(media: MediaDescription) -> RemoteSecurity:
    """The same for who encrypts nothing: only the profile counts."""
    return RemoteSecurity(media.protocol.upper(), (), (), None, "", said=False)


def crypto_lines(media: MediaDescription) -> tuple[CryptoLine, ...]:
    """The valid `a=crypto` lines that can be served, each tag once (RFC 4568 §5.1.1); the first of a tag counts."""
    found: dict[int, CryptoLine] = {}
    values = [value for name, value in media.attributes if name == "crypto" and value is not None]
    for value in values[:MAX_CRYPTO_LINES]:
        with suppress(ParseError):
            line = CryptoLine.parse(value)
            found.setdefault(line.tag, line)
    return tuple(found.values())


def take_offer(local: LocalSecurity | None, remote: RemoteSecurity, before: AgreedSecurity | None) -> Outcome:
    """What we make of an offer; words where it must be refused. `before` is what the dialog had agreed on."""
    if local is None:
        return None
    for keying in (local.prefers, "dtls" if local.prefers == "sdes" else "sdes"):
        agreed = _take_lines(local, remote) if keying == "sdes" else _take_fingerprint(local, remote, before)
        if agreed is not None:
            return agreed
    if local.mandatory:
        return "media must be encrypted, and the offer has no keys that can be used"
    return "the offer has no keys that can be used" if remote.secure else None


def take_answer(local: LocalSecurity | None, ours: MediaDescription, remote: RemoteSecurity) -> Outcome:
    """What the answer to our section `ours` comes to; words where the exchange has failed."""
    if local is None:
        return None
    if remote.profile not in DTLS_PROFILES and remote.lines:
        return _answered_line(crypto_lines(ours), remote.lines)
    if remote.fingerprints and local.fingerprint is not None:
        said = next((value for name, value in ours.attributes if name == "setup"), None)
        return _answered_setup(said, remote)
    if remote.said or remote.secure:
        return "the answer has no keys that can be used"
    return "media must be encrypted, and the answer has no keys" if local.mandatory else None


Outcome: TypeAlias = AgreedSecurity | str | None
"""Agreed, refused with these words, or in the clear."""


def _take_lines(local: LocalSecurity, remote: RemoteSecurity) -> AgreedSecurity | None:
    """RFC 4568 §5.1.2: "the first valid supported crypto attribute in the list"."""
    if remote.profile in DTLS_PROFILES:
        return None
    ours = {line.suite.name: line for line in local.lines}
    taken = next((line for line in remote.lines if line.suite.name in ours), None)
    if taken is None:
        return None
    mine = ours[taken.suite.name]
    if any(key.key_salt == mine.keys[0].key_salt for key in taken.keys):
        return None  # §7.1.2: "MUST be different from those in the offer"; our own, sent back at us
    return AgreedSecurity("sdes", replace(mine, tag=taken.tag), taken.keys)


def _take_fingerprint(
    local: LocalSecurity, remote: RemoteSecurity, before: AgreedSecurity | None
) -> AgreedSecurity | None:
    if local.fingerprint is None or not remote.fingerprints:
        return None
    # RFC 4145 §4: an offer without setup means active.
    match remote.setup or Setup.ACTIVE:
        case Setup.ACTPASS if before is not None and before.keying == "dtls":
            active = before.active  # RFC 8842 §5.3: "does not change the previously negotiated DTLS roles"
        case Setup.ACTPASS | Setup.PASSIVE:
            active = True  # RFC 5763 §5: whoever answers begins, and media comes a round trip earlier
        case Setup.ACTIVE:
            active = False
        case _:
            return None  # RFC 8842 §5.1: holdconn must not be used
    return AgreedSecurity("dtls", fingerprints=remote.fingerprints, active=active, tls_id=remote.tls_id)


def _answered_line(ours: Iterable[CryptoLine], answered: tuple[CryptoLine, ...]) -> AgreedSecurity | str:
    """RFC 4568 §5.1.3: suite and tag of one of our lines, echoed, with a key of the far side's own."""
    line = answered[0]
    mine = next((mine for mine in ours if mine.tag == line.tag and mine.suite == line.suite), None)
    if mine is None or len(answered) > 1:
        return "the answer takes no crypto line that was offered"
    if any(key.key_salt == mine.keys[0].key_salt for key in line.keys):
        return "the answer repeats our own key"
    return AgreedSecurity("sdes", mine, line.keys)


def _answered_setup(said: str | None, remote: RemoteSecurity) -> AgreedSecurity | str:
    theirs = remote.setup or Setup.PASSIVE  # RFC 4145 §4: an answer without setup
    if theirs not in (Setup.ACTIVE, Setup.PASSIVE) or theirs == said:
        return "the answer leaves open who begins the handshake"
    active = theirs == Setup.PASSIVE
    return AgreedSecurity("dtls", fingerprints=remote.fingerprints, active=active, tls_id=remote.tls_id)


def _fingerprints(values: list[str]) -> tuple[Fingerprint, ...]:
    found: list[Fingerprint] = []
    for value in values[:MAX_FINGERPRINTS]:
        with suppress(ParseError):
            found.append(Fingerprint.parse(value))
    return tuple(found)


def _values(description: SessionDescription, media: MediaDescription, name: str) -> list[str]:
    """The attribute's values in the section, or, where it has none, in the session."""
    for attributes in (media.attributes, description.attributes):
        found = [value for key, value in attributes if key == name and value is not None]
        if found:
            return found
    return []
