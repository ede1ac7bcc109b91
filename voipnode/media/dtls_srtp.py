"""SRTP whose keys come from DTLS on the same ports (RFC 5763, RFC 5764): the handshakes of one leg, and its protection.

RTP and RTCP on ports of their own have an association each (RFC 5764 §4.2, figure 2); where they share a port, one does
for both. What comes before the terms are known, or before it is our turn, waits: an answerer may begin before his
answer has arrived (RFC 8842 §5.2). Terms that name another association begin another handshake, during which the old
keys serve; the same terms again change nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from voipnode.media.dtls import MAX_DATAGRAM, Keys, PeerPrint, State
from voipnode.media.events import HandshakeFailed, KeysMade, MediaEvent
from voipnode.media.protection import ProtectionError
from voipnode.media.srtp import ReceiveKey, SrtpProtection
from voipnode.media.values import Addr, MediaPacket

HANDSHAKE_S = 15.0  # from when both sides could begin; a browser's takes 0.2 s
ALERTED_S = 2.0  # what is left of it once an alert came in the clear, which is true if nothing better comes
_MAX_WAITING = 8  # datagrams before it is our turn
_LEAST_S = 0.01  # OpenSSL's clock and ours may differ by a little


class Association(Protocol):
    """One handshake, as `dtls.DtlsAssociation` leads it."""

    state: State
    remote: Addr
    keys: Keys | None
    why: str
    foreign: bool
    alerted: bool

    def begin(self) -> None: ...

    def receive(self, data: bytes, source: Addr) -> None: ...

    def outbox(self) -> list[bytes]: ...

    def repeat_in_s(self) -> float | None: ...

    def repeat(self) -> None: ...


class Identity(Protocol):
    """Who we are in handshakes: `dtls.DtlsIdentity`, or what a replay has in its place."""

    @property
    def fingerprint(self) -> bytes: ...

    def associate(self, *, active: bool, remote: Addr, prints: tuple[PeerPrint, ...]) -> Association: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What signalling agreed on. `rtcp` None: it shares RTP's port, or there is none.

    `hosts`: from where besides these the peer's handshake may come; None: by whatever way connectivity has checked.
    `name` tells this association from another between the same two (RFC 8842 §4).
    """

    active: bool
    prints: tuple[PeerPrint, ...]
    rtp: Addr
    rtcp: Addr | None = None
    hosts: frozenset[str] | None = frozenset()
    name: str = ""

    def same_association(self, other: Terms | None) -> bool:
        """RFC 8842 §4: role, fingerprints and name make it, and where the far side has no names, its addresses."""
        if other is None or (self.active, self.prints, self.name) != (other.active, other.prints, other.name):
            return False
        return bool(self.name) or (self.rtp, self.rtcp) == (other.rtp, other.rtcp)


class _Component:
    """RTP's or RTCP's association, and the keys that came of it."""

    def __init__(self) -> None:
        self.srtp = SrtpProtection()
        self.association: Association | None = None
        self.repeat_at: float | None = None


class DtlsSrtp:
    """The handshakes and the protection of one leg; a `transport.Handshake` and a `protection.Protection` in one."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._terms: Terms | None = None
        self._components = (_Component(), _Component())
        self._waiting: deque[tuple[bytes, Addr, bool]] = deque(maxlen=_MAX_WAITING)
        self._begun = False
        self._give_up_at: float | None = None
        self._packets: list[MediaPacket] = []
        self._events: deque[MediaEvent] = deque()
        self.strangers = 0

    @property
    def suite(self) -> str:
        """The suite that protects RTP, "" before there are keys."""
        return self._components[0].srtp.suite

    # -- what was negotiated

    def agree(self, terms: Terms, now: float) -> None:
        """Take what was agreed on, first or anew; nothing happens on the network before `begin`."""
        before, self._terms = self._terms, terms
        if terms.same_association(before) and (terms.rtcp is None) == (before is None or before.rtcp is None):
            return
        for component, remote in zip(self._components, (terms.rtp, terms.rtcp), strict=True):
            component.repeat_at = component.association = None
            if remote is not None:
                component.association = self._identity.associate(
                    active=terms.active, remote=remote, prints=terms.prints
                )
        if self._begun:
            self._begun = False
            self.begin(now)

    def begin(self, now: float) -> None:
        """It is our turn: the far side knows our fingerprint, and has shown that it is there."""
        if self._begun or self._terms is None:
            return
        self._begun = True
        self._give_up_at = now + HANDSHAKE_S
        for rtcp, component in enumerate(self._components):
            if component.association is not None:
                component.association.begin()
                self._after(component, now, rtcp=bool(rtcp))
        while self._waiting:
            data, source, on_rtcp = self._waiting.popleft()
            self.receive(data, source, now, rtcp=on_rtcp)

    # -- the handshakes

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        """Take one datagram of the handshake on either port. Never raises."""
        terms = self._terms
        if terms is None or not self._begun:
            if len(data) <= MAX_DATAGRAM:
                self._waiting.append((data, source, rtcp))
            return
        if terms.hosts is None:
            source = terms.rtcp if rtcp and terms.rtcp is not None else terms.rtp  # pairs may change under it
        elif source[0] not in terms.hosts and source[0] not in _hosts(terms):
            self.strangers += 1
            return
        component = self._components[rtcp]
        if component.association is not None:
            component.association.receive(data, source)
            self._after(component, now, rtcp=rtcp)

    def _after(self, component: _Component, now: float, *, rtcp: bool) -> None:
        """Carry what an association wrote, came to, or waits for."""
        association = component.association
        if association is None:
            return
        for data in association.outbox():
            self._packets.append(MediaPacket(data, association.remote, rtcp))
        left = association.repeat_in_s()
        component.repeat_at = None if left is None else now + max(left, _LEAST_S)
        if association.alerted and self._give_up_at is not None:
            self._give_up_at = min(self._give_up_at, now + ALERTED_S)
        if association.state is State.FAILED:
            if not rtcp or association.foreign:
                self._failed(association.why, now)
        elif association.keys is not None:
            keys, association.keys = association.keys, None
            component.srtp.key(keys.suite, keys.send, [ReceiveKey(keys.receive)])
            if not rtcp:
                self._events.append(KeysMade(now, keys.suite))
        if self._settled:
            self._give_up_at = None

    @property
    def _settled(self) -> bool:
        found = [each.association for each in self._components if each.association is not None]
        return all(association.state in (State.DONE, State.FAILED) for association in found)

    def _failed(self, why: str, now: float) -> None:
        self._give_up_at = None
        for component in self._components:
            component.association = component.repeat_at = None
        self._events.append(HandshakeFailed(now, why))

    def outbox(self, now: float) -> Iterable[MediaPacket]:
        found, self._packets = self._packets, []
        return found

    def next_deadline(self) -> float | None:
        times = (self._give_up_at, *[component.repeat_at for component in self._components])
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        for rtcp, component in enumerate(self._components):
            if component.repeat_at is not None and now >= component.repeat_at and component.association is not None:
                component.association.repeat()
                self._after(component, now, rtcp=bool(rtcp))
        if self._give_up_at is not None and now >= self._give_up_at:
            self._give_up(now)

    def _give_up(self, now: float) -> None:
        """Time is up. A far side that shakes hands for RTP alone is heard all the same; its RTCP is not."""
        self._give_up_at = None
        rtp = self._components[0].association
        if rtp is not None and rtp.state is not State.DONE:
            alerted = any(each.association is not None and each.association.alerted for each in self._components)
            self._failed(
                "the far side broke the DTLS handshake off"
                if alerted
                else f"no DTLS handshake within {HANDSHAKE_S:.0f} s",
                now,
            )

    def next_event(self) -> MediaEvent | None:
        return self._events.popleft() if self._events else None

    # -- the protection

    def protect(self, packet: bytes, *, rtcp: bool) -> bytes:
        return self._srtp(rtcp=rtcp).protect(packet, rtcp=rtcp)

    def unprotect(self, packet: bytes, *, rtcp: bool) -> bytes:
        return self._srtp(rtcp=rtcp).unprotect(packet, rtcp=rtcp)

    def _srtp(self, *, rtcp: bool) -> SrtpProtection:
        if self._terms is None:
            raise ProtectionError("unkeyed")
        return self._components[rtcp and self._terms.rtcp is not None].srtp


def _hosts(terms: Terms) -> tuple[str, ...]:
    return (terms.rtp[0],) if terms.rtcp is None else (terms.rtp[0], terms.rtcp[0])
