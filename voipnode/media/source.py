"""Whose packets are the peer's: latching on to one address and one SSRC, and keeping strangers out.

Addresses rank: the one that signalling named always may take over; another one (behind a NAT the peer's own) only until
somebody has proven himself. A new address or SSRC has to show a few packets in sequence first (RFC 3550 A.1); these are
held, not lost. Once an address is learnt, packets of any other are dropped for as long as signalling says nothing new,
so that nobody can push himself into a running call by sending to its port, be the peer silent for ever so long: a port
is soon guessed, and whoever is latched presses keys and listens. Where the caller knows which hosts the peer's packets
may come from, nobody else's are ever looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from voipnode.media.rtp import RtpPacket
from voipnode.media.values import Addr

MIN_SEQUENTIAL = 2
STRANGER_SEQUENTIAL = 4
MOVED_S = 0.3  # a peer whose address changed: so long nothing came from the old one
PAUSED_S = 0.03  # longer than between two packets of nearly everybody who speaks
_MAX_CANDIDATES = 4
_MAX_HELD = 16

Arrival: TypeAlias = tuple[RtpPacket, float]
"""A packet and when it came."""


@dataclass(slots=True)
class _Candidate:
    next_sequence: int
    held: list[Arrival] = field(default_factory=list)


class SourceLatch:
    """Decides which RTP packets count. `current` and `ssrc` are who we listen to, None before anybody was valid.

    `symmetric`: other addresses than the signalled one may be learnt; otherwise only its host is heard, from any port.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = ("_candidates", "_heard_at", "_hosts", "_symmetric", "current", "signalled", "ssrc", "strangers")

    def __init__(self, *, symmetric: bool) -> None:
        self._symmetric = symmetric
        self._hosts: frozenset[str] | None = None
        self.signalled: Addr | None = None
        self.current: Addr | None = None
        self.ssrc: int | None = None
        self.strangers = 0
        self._heard_at = 0.0
        self._candidates: dict[tuple[Addr, int], _Candidate] = {}

    def signal(self, address: Addr | None, hosts: frozenset[str] | None = None, *, resumed: bool = False) -> None:
        """Take the address that signalling names; a changed one ends the claim of whoever was latched.

        `hosts`: who else may be learnt, None = anybody. `resumed`: the peer was silent by agreement and is to speak
        again; its router may have given it another port meanwhile, so that the address is learnt anew.
        """
        self._hosts = hosts
        if address == self.signalled and not resumed:
            return
        self.signalled = address
        if resumed and self.current is not None:
            self.current = None
            self._candidates.clear()
        if self.current != address:
            self.current = None
            self._candidates.clear()

    def admit(self, packet: RtpPacket, source: Addr, now: float) -> list[Arrival]:
        """What counts now: this packet, this one after those held before it, or nothing."""
        if packet.ssrc == self.ssrc and source == self.current:
            self.heard(now)
            return [(packet, now)]
        if not self._may_apply(source):
            self.strangers += 1
            return []
        return self._try(packet, source, now)

    def heard(self, now: float) -> None:
        """A packet of `current` with `ssrc` came: another SSRC from the same address must begin its proof again."""
        self._heard_at = now
        if self._candidates:
            for key in [key for key in self._candidates if key[0] == self.current]:
                del self._candidates[key]

    def admit_proven(self, packet: RtpPacket, source: Addr, now: float) -> None:
        """A packet that its keys or a checked way have shown to be the peer's: it counts at once, from anywhere.

        Where we send follows once the old place has been quiet: a packet that somebody carried here faster than the
        network did is the peer's too, and not a reason to send elsewhere.
        """
        self.ssrc = packet.ssrc
        if source == self.current:
            self._heard_at = now
        elif self.current is None or now - self._heard_at > MOVED_S:
            self.current, self._heard_at = source, now

    def trusts_host(self, host: str) -> bool:
        """May RTCP come from there? The latched host, the signalled one, and those that may be learnt by name."""
        if self._hosts is not None and host in self._hosts:
            return True
        return any(address is not None and address[0] == host for address in (self.current, self.signalled))

    def _may_apply(self, source: Addr) -> bool:
        if source in (self.signalled, self.current):
            return True
        of_signalled = self.signalled is not None and source[0] == self.signalled[0]
        if not self._symmetric:
            return of_signalled
        if self._hosts is not None and not of_signalled and source[0] not in self._hosts:
            return False
        return self.current is None

    def _try(self, packet: RtpPacket, source: Addr, now: float) -> list[Arrival]:
        key = (source, packet.ssrc)
        candidate = self._candidates.get(key)
        if candidate is None or packet.sequence != candidate.next_sequence:
            while len(self._candidates) >= _MAX_CANDIDATES:
                del self._candidates[next(iter(self._candidates))]
            candidate = self._candidates[key] = _Candidate(packet.sequence)
        candidate.held.append((packet, now))
        candidate.next_sequence = (packet.sequence + 1) & 0xFFFF
        known = source in (self.signalled, self.current)
        if len(candidate.held) < (MIN_SEQUENTIAL if known else STRANGER_SEQUENTIAL):
            return []
        if source == self.current and now - self._heard_at < PAUSED_S:
            # The SSRC in use has not stopped: two packets are soon slipped in between by whoever forges its address.
            del candidate.held[:-_MAX_HELD]
            return []
        self._candidates.clear()
        self.current, self.ssrc, self._heard_at = source, packet.ssrc, now
        return candidate.held
