"""One leg's way between its audio stream and its ports: what is whose, by the first byte (RFC 7983).

    net  <->  MediaTransport  <->  AudioStream            plain: the stream's own methods, nothing in between
                 |- first byte 0..3, 64..79   Connectivity (ICE, TURN): which way packets go, and from whom they come
                 |- first byte 20..63         Handshake (DTLS): where the keys come from
                 '- first byte 128..191       Protection (SRTP), then the stream

A datagram that comes by a way which connectivity has checked, or that protection has authenticated, is the peer's: the
stream need not guess whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from voipnode.media.events import MediaEvent
from voipnode.media.protection import Protection, ProtectionError, ProtectionStats
from voipnode.media.rtcp import is_rtcp
from voipnode.media.stream import AudioStream
from voipnode.media.turn.gatherer import Carried
from voipnode.media.turn.values import RTCP
from voipnode.media.values import Addr, MediaPacket, StreamStats

_STUN_END, _DTLS, _DTLS_END, _CHANNEL, _CHANNEL_END, _RTP, _RTP_END = 4, 20, 64, 64, 80, 128, 192  # RFC 7983 §7


_MAX_HELD = 8  # packets of a handshake that wait for a way


class Side(Protocol):
    """A machine beside the stream: its own packets, deadlines and events."""

    def outbox(self, now: float) -> Iterable[MediaPacket]:
        """Its own packets to send now; they go out as they are."""
        ...

    def next_deadline(self) -> float | None: ...

    def on_deadline(self, now: float) -> None: ...

    def next_event(self) -> MediaEvent | None: ...


class Connectivity(Side, Protocol):
    """Finds and keeps the way to the far side (ICE agent, TURN client).

    `proves`: what it admits is the far side's, since a check has come from there; otherwise the stream has to find out.
    """

    proves: bool

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> tuple[bytes, Addr] | None:
        """Take STUN or ChannelData. What a relay carried inside is handed back with its real source, else None."""
        ...

    def receive_beside(self, beside: int, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        """Take STUN that came to our port at another address of this host."""
        ...

    def receive_stream(self, stream: int, data: bytes, now: float) -> Iterable[Carried]:
        """Take bytes of a connection to a relay; what it carried is handed back."""
        ...

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        """A connection to a relay is gone, or never came about."""
        ...

    def admits(self, source: Addr, *, rtcp: bool) -> bool:
        """Whether media from there came by a pair that was checked; everything else is a stranger's."""
        ...

    def known_as(self, source: Addr, *, rtcp: bool) -> Addr:
        """By which address the stream knows who sends from there: one name, whatever path his packets take."""
        ...

    def way(self, packet: MediaPacket) -> MediaPacket | None:
        """The packet as it leaves by the chosen pair (wrapped for a relay, from its socket); None: no way yet."""
        ...


class Handshake(Side, Protocol):
    """Makes keys over the media path itself (DTLS); its packets go the way that media goes."""

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None: ...


class _Receive(Protocol):
    def __call__(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool: ...


class MediaTransport:
    """The engine of one leg's media path.

    `receive`, `outbox`, `next_deadline`, `on_deadline`, `next_event` are the five verbs; while the leg is plain they
    are the stream's own, so that a call in the clear pays nothing for what it does not use. Never raises for what the
    network brings: `dropped` counts it by reason, `strays` counts what is of no kind that is wanted here.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "_connectivity",
        "_handshake",
        "_held",
        "_protection",
        "_sides",
        "dropped",
        "next_deadline",
        "next_event",
        "on_deadline",
        "outbox",
        "receive",
        "strays",
        "stream",
    )

    receive: _Receive
    outbox: Callable[[float], Iterable[MediaPacket]]
    next_deadline: Callable[[], float | None]
    on_deadline: Callable[[float], None]
    next_event: Callable[[], MediaEvent | None]

    def __init__(self, stream: AudioStream) -> None:
        self.stream = stream
        self.dropped = ProtectionStats()
        self.strays = 0
        self._protection: Protection | None = None
        self._handshake: Handshake | None = None
        self._connectivity: Connectivity | None = None
        self._sides: tuple[Side, ...] = ()
        self._held: list[MediaPacket] = []
        self._bind()

    def secure(self, protection: Protection | None, handshake: Handshake | None = None) -> None:
        """Protect all packets from now on; None: in the clear. `handshake` makes the keys on this very path.

        What is in place already stays as it is.
        """
        if protection is self._protection and handshake is self._handshake:
            return
        self._protection, self._handshake = protection, handshake
        self._bind()

    def connect(self, connectivity: Connectivity | None) -> None:
        """Have ICE or TURN decide where packets go and whose are taken; None: what signalling said."""
        self._connectivity = connectivity
        self._bind()

    def close(self) -> None:
        """Let go of everything beside the stream; to be called when the path is closed (what holds itself is left to
        the garbage collector, which every other call pays for)."""
        self._protection = self._handshake = self._connectivity = None
        self._bind()

    @property
    def protection(self) -> Protection | None:
        """What protects the packets; None: they are in the clear."""
        return self._protection

    def stats(self) -> StreamStats:
        """How the stream fares, with what was kept from it."""
        dropped = self.dropped
        rest = dropped.malformed + dropped.unkeyed + dropped.expired
        return replace(self.stream.stats(), replayed=dropped.replayed, forged=dropped.forged, undecipherable=rest)

    def _bind(self) -> None:
        self.stream.proven = self._protection is not None or (
            self._connectivity is not None and self._connectivity.proves
        )
        self._sides = tuple([side for side in (self._connectivity, self._handshake) if side is not None])
        if not self._sides:
            stream = self.stream
            self.receive, self.outbox, self.next_deadline = stream.receive, stream.outbox, stream.next_deadline
            self.on_deadline, self.next_event = stream.on_deadline, stream.next_event
            if self._protection is not None:
                self.receive, self.outbox = self._receive_protected, self._protected_outbox
            return
        self.receive, self.outbox, self.next_deadline = self._receive, self._outbox, self._next_deadline
        self.on_deadline, self.next_event = self._on_deadline, self._next_event

    # -- datagrams in

    def _receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        kind = data[0] if data else 255
        if self._connectivity is not None and (kind < _STUN_END or _CHANNEL <= kind < _CHANNEL_END):
            carried = self._connectivity.receive(data, source, now, rtcp=rtcp)
            if carried is None:
                return False
            self._take(*carried, now, rtcp=rtcp)
            return False
        return self._take(data, source, now, rtcp=rtcp)

    def receive_beside(self, beside: int, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        """Take a datagram that came to our port at another address of this host, of which only checks have told."""
        if self._connectivity is None:
            self.strays += 1
        elif data and data[0] < _STUN_END:
            self._connectivity.receive_beside(beside, data, source, now, rtcp=rtcp)
        else:
            self._take(data, source, now, rtcp=rtcp)

    def receive_stream(self, stream: int, data: bytes, now: float) -> None:
        """Take bytes of a connection to a relay."""
        if self._connectivity is not None:
            for carried in self._connectivity.receive_stream(stream, data, now):
                self._take(carried.data, carried.peer, now, rtcp=carried.component == RTCP)

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        """A connection to a relay is gone, or never came about; `words` say why."""
        if self._connectivity is not None:
            self._connectivity.stream_closed(stream, words, now)

    def _take(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> bool:
        """What came by a socket or a relay, and is the far side's if it is anybody's."""
        if self._connectivity is not None:
            if not self._connectivity.admits(source, rtcp=rtcp):
                self.strays += 1
                return False
            source = self._connectivity.known_as(source, rtcp=rtcp)
        kind = data[0] if data else 255
        if _RTP <= kind < _RTP_END:
            return self._receive_media(data, source, now, rtcp=rtcp)
        if _DTLS <= kind < _DTLS_END and self._handshake is not None:
            self._handshake.receive(data, source, now, rtcp=rtcp)
        else:
            self.strays += 1
        return False

    def _receive_protected(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        """Where there is nothing but protection: keys from the signalling, and no ICE."""
        if data and _RTP <= data[0] < _RTP_END:
            return self._receive_media(data, source, now, rtcp=rtcp)
        self.strays += 1
        return False

    def _receive_media(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> bool:
        if self._protection is not None:
            try:
                data = self._protection.unprotect(data, rtcp=rtcp or is_rtcp(data))
            except ProtectionError as error:
                self.dropped.count(error.fault)
                return False
        return self.stream.receive(data, source, now, rtcp=rtcp)

    # -- datagrams out

    def _outbox(self, now: float) -> Iterable[MediaPacket]:
        found: list[MediaPacket] = []
        if self._connectivity is not None:
            found += self._connectivity.outbox(now)
        if self._handshake is not None:
            found += self._shaking(self._handshake.outbox(now))
        found += self._on_their_way(self._protected(self.stream.outbox(now)))
        return found

    def _protected_outbox(self, now: float) -> Iterable[MediaPacket]:
        packets = self.stream.outbox(now)
        return self._protected(packets) if packets else packets

    def _protected(self, packets: Iterable[MediaPacket]) -> Iterable[MediaPacket]:
        protection = self._protection
        if protection is None:
            return packets
        found: list[MediaPacket] = []
        for packet in packets:
            try:
                data = protection.protect(packet.data, rtcp=packet.rtcp or is_rtcp(packet.data))
            except ProtectionError as error:
                self.dropped.count(error.fault)
            else:
                found.append(MediaPacket(data, packet.remote, packet.rtcp, packet.stream))
        return found

    def _on_their_way(self, packets: Iterable[MediaPacket]) -> Iterable[MediaPacket]:
        if self._connectivity is None:
            return packets
        return [sent for packet in packets if (sent := self._connectivity.way(packet)) is not None]

    def _shaking(self, packets: Iterable[MediaPacket]) -> Iterable[MediaPacket]:
        """A handshake may begin before there is a way: its packets wait, since they would be repeated seconds later."""
        if self._connectivity is None:
            return packets
        found: list[MediaPacket] = []
        held: list[MediaPacket] = []
        for packet in [*self._held, *packets][-_MAX_HELD:]:
            sent = self._connectivity.way(packet)
            if sent is None:
                held.append(packet)
            else:
                found.append(sent)
        self._held = held
        return found

    # -- time and events

    def _next_deadline(self) -> float | None:
        times = (self.stream.next_deadline(), *[side.next_deadline() for side in self._sides])
        return min((at for at in times if at is not None), default=None)

    def _on_deadline(self, now: float) -> None:
        for side in self._sides:
            side.on_deadline(now)
        self.stream.on_deadline(now)

    def _next_event(self) -> MediaEvent | None:
        for side in self._sides:
            if (event := side.next_event()) is not None:
                return event
        return self.stream.next_event()
