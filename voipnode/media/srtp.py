"""SRTP (RFC 3711) of one leg: keys in, packets protected and proven; libsrtp does the cryptography.

A leg keeps one context for each key that it sends with, for as long as it lives: a key that comes back after a change
of suite continues its packet index, since to begin it anew would use a keystream twice (RFC 3711 §9.1). What the far
side sends is read by its newest keys, and by those before while they may still be on their way (RFC 4568 §7.1.4).
The same keys agreed on again, as in every hold, change nothing.

Sessions are made by pylibsrtp; packets go to libsrtp's functions without its wrapper, which costs half as much again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from voipnode.media.errors import LocalError
from voipnode.media.protection import Fault, ProtectionError

OVERLAP_PACKETS = 250  # of the new keys, until what the old ones protected is no longer taken: 5 s of sound


class Suite(NamedTuple):
    """A crypto suite: its base profile in libsrtp, the bytes of master key and salt, and of the RTP packet's tag.

    `cipher`: what a suite that libsrtp's binding has no profile for puts in the place of the base's.
    """

    profile: int
    key_bytes: int
    salt_bytes: int
    rtp_tag_bytes: int
    rtcp_tag_bytes: int
    cipher: int | None = None


_AES_ICM_256 = 5  # SRTP_AES_ICM_256 of libsrtp 2's srtp.h
# By their names in SDP (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2). The tag of an AEAD is part of its ciphertext.
SUITES = {
    "AEAD_AES_256_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 0, 0),
    "AEAD_AES_128_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 0, 0),
    "AES_256_CM_HMAC_SHA1_80": Suite(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 32, 14, 10, 10, _AES_ICM_256),
    "AES_CM_128_HMAC_SHA1_80": Suite(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10, 10),
    "AES_256_CM_HMAC_SHA1_32": Suite(Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 32, 14, 4, 10, _AES_ICM_256),
    "AES_CM_128_HMAC_SHA1_32": Suite(Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 16, 14, 4, 10),
}

# srtp_err_status_t (srtp.h) -> what that makes of the packet
_FAULTS: dict[int, Fault] = {
    7: "forged",  # auth_fail
    8: "forged",  # cipher_fail
    9: "replayed",  # replay_fail: a bad index
    10: "replayed",  # replay_old: too old to tell
    15: "expired",  # key_expired
}
# By whether it is RTCP.
_PROTECT = (lib.srtp_protect, lib.srtp_protect_rtcp)
_UNPROTECT = (lib.srtp_unprotect, lib.srtp_unprotect_rtcp)
_MAX_PACKET = 1500  # longer than anything that we are sent
_MAX_TRAILER = 148  # SRTP_MAX_SRTCP_TRAILER_LEN: what protection may add


class _Unprotect(Protocol):
    def __call__(self, packet: bytes, *, rtcp: bool) -> bytes: ...


class ReceiveKey(NamedTuple):
    """A master key with its salt behind it, for how many packets it is good, and the MKI that names it in each."""

    key_salt: bytes
    lifetime: int = 1 << 48
    mki: bytes = b""


class _Desk(NamedTuple):
    """Where libsrtp works on a packet, in place: `view` is the same memory as `packet`."""

    packet: Any
    view: Any
    length: Any


@cache
def _desk() -> _Desk:
    """One for all legs: nothing lies on it between two packets."""
    packet = ffi.new("char[]", _MAX_PACKET + _MAX_TRAILER)
    return _Desk(packet, ffi.buffer(packet), ffi.new("int *"))


def _session(name: str, key_salt: bytes, direction: int) -> Session:
    """A libsrtp session for any SSRC with this key. Raises LocalError: an unknown suite, a key of a wrong length."""
    suite = SUITES.get(name)
    if suite is None or len(key_salt) != suite.key_bytes + suite.salt_bytes:
        raise LocalError(f"SRTP: no suite {name} with {len(key_salt)} bytes of key and salt")
    policy = Policy(key_salt, direction, 0, suite.profile)
    if suite.cipher is not None:
        for part in (policy._policy.rtp, policy._policy.rtcp):
            # srtp_crypto_policy_t begins with cipher_type and cipher_key_len (srtp.h, unchanged in libsrtp 2); the
            # binding has no profile for AES-256 in counter mode. RFC 6188's vectors check it in the tests.
            fields = ffi.cast("int *", ffi.addressof(part))
            fields[0], fields[1] = suite.cipher, len(key_salt)
    return Session(policy)


class _Context:
    """One key in one direction: any number of sources, each with its own index."""

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = ("_desk", "_session", "_srtp")

    def __init__(self, name: str, key_salt: bytes, direction: int) -> None:
        self._session = _session(name, key_salt, direction)  # which frees the memory behind the pointer
        self._srtp = self._session._srtp[0]
        self._desk = _desk()

    def run(self, function: Any, packet: bytes) -> bytes:
        """What one of libsrtp's functions makes of a packet. Raises `ProtectionError`."""
        size = len(packet)
        if size > _MAX_PACKET:
            raise ProtectionError("malformed")
        place, view, length = self._desk
        view[0:size] = packet
        length[0] = size
        status = function(self._srtp, place, length)
        if status:
            raise ProtectionError(_FAULTS.get(status, "malformed"))
        found: bytes = view[0 : length[0]]
        return found


class _Reader(_Context):
    """What the far side protects with one key, which is good for so many packets of RTP, and of RTCP (RFC 4568
    §6.1)."""

    __slots__ = ("_lifetime", "taken", "taken_rtcp")

    def __init__(self, name: str, key: ReceiveKey) -> None:
        super().__init__(name, key.key_salt, Policy.SSRC_ANY_INBOUND)
        self._lifetime = key.lifetime
        self.taken = self.taken_rtcp = 0

    def unprotect(self, packet: bytes, *, rtcp: bool) -> bytes:
        if (self.taken_rtcp if rtcp else self.taken) >= self._lifetime:
            raise ProtectionError("expired")  # §6.1: "MUST NOT accept incoming packets that violate the policy"
        plain = self.run(_UNPROTECT[rtcp], packet)
        if rtcp:
            self.taken_rtcp += 1
        else:
            self.taken += 1
        return plain


class _Readers:
    """All keys that the far side told at once; several are told apart by the MKI in each packet (RFC 3711 §3.1)."""

    def __init__(self, name: str, keys: Sequence[ReceiveKey]) -> None:
        self._suite = SUITES[name]
        self._by_mki = {key.mki: _Reader(name, key) for key in keys}
        self._mki_bytes = len(keys[0].mki)
        self.unprotect = self._unprotect_by_mki if self._mki_bytes else self._by_mki[b""].unprotect

    def _unprotect_by_mki(self, packet: bytes, *, rtcp: bool) -> bytes:
        # The MKI stands before the tag, and behind all else where the tag is part of the ciphertext (RFC 7714 §8.1).
        end = len(packet) - (self._suite.rtcp_tag_bytes if rtcp else self._suite.rtp_tag_bytes)
        start = end - self._mki_bytes
        reader = self._by_mki.get(packet[start:end]) if start > 0 else None
        if reader is None:
            raise ProtectionError("malformed")
        return reader.unprotect(packet[:start] + packet[end:], rtcp=rtcp)

    @property
    def taken(self) -> int:
        return sum(reader.taken + reader.taken_rtcp for reader in self._by_mki.values())


class SrtpProtection:
    """Protects one leg's packets, both ways, by the keys agreed on last. Before there are any, nothing passes.

    It is a `Protection`: several SSRCs and both kinds of packets share the keys, each with its own index and replay
    window of 128 packets (RFC 3711 §3.3.2).
    """

    __slots__ = ("_before", "_readers", "_sender", "_senders", "_told", "_unprotect", "suite")

    def __init__(self) -> None:
        self.suite = ""
        self._senders: dict[tuple[str, bytes], _Context] = {}
        self._sender: _Context | None = None
        self._told: tuple[str, tuple[ReceiveKey, ...]] | None = None
        self._readers: _Readers | None = None
        self._before: _Readers | None = None
        self._unprotect: _Unprotect | None = None  # where there are keys, and none before them

    def key(self, suite: str, send_key: bytes, receive_keys: Sequence[ReceiveKey]) -> None:
        """Use these keys from now on. Raises LocalError for an unknown suite, or keys of a wrong length."""
        told = (suite, tuple(receive_keys))
        sender = self._senders.get((suite, send_key)) or _Context(suite, send_key, Policy.SSRC_ANY_OUTBOUND)
        if told != self._told:
            readers = _Readers(suite, receive_keys)
            self._before, self._readers, self._told = self._readers, readers, told
            self._unprotect = readers.unprotect if self._before is None else None
        self._senders[suite, send_key] = self._sender = sender
        self.suite = suite

    def protect(self, packet: bytes, *, rtcp: bool) -> bytes:
        sender = self._sender
        if sender is None:
            raise ProtectionError("unkeyed")
        return sender.run(_PROTECT[rtcp], packet)

    def unprotect(self, packet: bytes, *, rtcp: bool) -> bytes:
        unprotect = self._unprotect
        if unprotect is not None:
            return unprotect(packet, rtcp=rtcp)
        return self._unprotect_with_either(packet, rtcp=rtcp)

    def _unprotect_with_either(self, packet: bytes, *, rtcp: bool) -> bytes:
        readers = self._readers
        if readers is None:
            raise ProtectionError("unkeyed")
        try:
            plain = readers.unprotect(packet, rtcp=rtcp)
        except ProtectionError as error:
            if self._before is None or error.fault not in ("forged", "malformed"):
                raise
            return self._before.unprotect(packet, rtcp=rtcp)
        if readers.taken > OVERLAP_PACKETS:
            self._before, self._unprotect = None, readers.unprotect
        return plain
