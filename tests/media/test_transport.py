"""The transport between stream and ports: what is whose by its first byte, and what a plain call pays for it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from tests.support.rtp_network import config_towards
from voipnode.media.events import MediaEvent, RemoteByeReceived
from voipnode.media.protection import ProtectionError, Unkeyed
from voipnode.media.stream import AudioStream
from voipnode.media.transport import MediaTransport
from voipnode.media.turn.gatherer import Carried
from voipnode.media.values import Addr, MediaPacket, StreamIdentity

PEER = ("192.0.2.9", 4000)
RELAY = ("203.0.113.5", 3478)
FRAME = np.full(80, 0.25, np.float32)


def a_stream(ssrc: int = 1) -> AudioStream:
    stream = AudioStream(StreamIdentity(ssrc, 1, 1, "t@test"))
    stream.configure(config_towards(PEER), 0.0)
    return stream


def one_packet() -> bytes:
    """RTP as the far side sends it."""
    far = a_stream(7)
    far.push(FRAME, 0.0)
    far.push(FRAME, 0.01)
    (packet,) = far.outbox(0.01)
    return packet.data


class Turned:
    """A protection that can be seen: every byte but the first is inverted, and the last one is the sum's."""

    def protect(self, packet: bytes, *, rtcp: bool) -> bytes:
        return packet[:2] + bytes(255 - byte for byte in packet[2:]) + (b"C" if rtcp else b"R")

    def unprotect(self, packet: bytes, *, rtcp: bool) -> bytes:
        if packet[-1:] != (b"C" if rtcp else b"R"):
            raise ProtectionError("forged")
        return packet[:2] + bytes(255 - byte for byte in packet[2:-1])


class Side:
    """A machine beside the stream that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, Addr, bool]] = []
        self.packets: list[MediaPacket] = []
        self.at: float | None = None
        self.due: list[float] = []
        self.events: list[MediaEvent] = []

    def outbox(self, now: float) -> Iterable[MediaPacket]:
        found, self.packets = self.packets, []
        return found

    def next_deadline(self) -> float | None:
        return self.at

    def on_deadline(self, now: float) -> None:
        self.due.append(now)

    def next_event(self) -> MediaEvent | None:
        return self.events.pop(0) if self.events else None


class Hands(Side):
    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> None:
        self.got.append((data, source, rtcp))


class Way(Side):
    """Connectivity whose checked pair is PEER, or PEER through RELAY."""

    proves = True

    def __init__(self) -> None:
        super().__init__()
        self.relayed = False
        self.closed: list[tuple[int, str]] = []

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool) -> tuple[bytes, Addr] | None:
        self.got.append((data, source, rtcp))
        return (data[4:], PEER) if data[0] == 0x40 and source == RELAY else None

    def receive_stream(self, stream: int, data: bytes, now: float) -> list[Carried]:
        self.got.append((data, ("stream", stream), False))
        return [Carried(data, PEER, 1, RELAY)]

    def stream_closed(self, stream: int, words: str, now: float) -> None:
        self.closed.append((stream, words))

    def admits(self, source: Addr, *, rtcp: bool) -> bool:
        return source == PEER

    def known_as(self, source: Addr, *, rtcp: bool) -> Addr:
        return source

    def way(self, packet: MediaPacket) -> MediaPacket | None:
        return MediaPacket(b"\x40\0\0\0" + packet.data, RELAY) if self.relayed else None


def test_a_plain_leg_has_the_verbs_of_its_stream_and_nothing_in_between() -> None:
    stream = a_stream()
    transport = MediaTransport(stream)
    for verb in ("receive", "outbox", "next_deadline", "on_deadline", "next_event"):
        assert getattr(transport, verb) == getattr(stream, verb)


def test_protection_stands_between_the_stream_and_the_network() -> None:
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.secure(Turned())
    stream.push(FRAME, 0.0)
    stream.push(FRAME, 0.01)
    (sent,) = transport.outbox(0.01)
    assert sent.remote == PEER
    assert sent.data.endswith(b"R")

    transport.receive(Turned().protect(one_packet(), rtcp=False), PEER, 0.02)
    transport.receive(one_packet(), PEER, 0.02)
    assert transport.dropped.forged == 1
    assert (transport.stats().forged, transport.stats().replayed, transport.stats().undecipherable) == (1, 0, 0)
    assert stream.stats().malformed == 0  # what is forged never reaches it


def test_what_is_proven_counts_at_once_wherever_it_comes_from_and_is_answered_there_when_the_old_place_is_quiet() -> (
    None
):
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.secure(Turned())
    far = a_stream(7)
    elsewhere = ("198.51.100.99", 999)

    def speak(source: Addr, now: float) -> Addr:
        far.push(FRAME, now)
        far.push(FRAME, now)
        (packet,) = far.outbox(now)
        transport.receive(Turned().protect(packet.data, rtcp=False), source, now)
        stream.push(FRAME, now)
        stream.push(FRAME, now)
        return next(iter(transport.outbox(now))).remote

    assert speak(PEER, 0.0) == PEER
    assert speak(elsewhere, 0.02) == PEER  # carried there by somebody on the way
    assert speak(PEER, 0.04) == PEER
    assert speak(elsewhere, 0.5) == elsewhere  # the peer's router gave it another address
    assert stream.stats().packets_received == 4
    assert stream.stats().strangers == 0


def test_rtcp_is_protected_as_rtcp_on_either_port() -> None:
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.secure(Turned())
    stream.push(FRAME, 0.0)
    stream.push(FRAME, 0.01)
    stream.stop(0.02)
    _, report = transport.outbox(0.02)
    assert report.rtcp
    assert report.data.endswith(b"C")
    plain = Turned().unprotect(report.data, rtcp=True)
    for rtcp in (True, False):  # False: on the RTP port (RFC 5761)
        transport.receive(Turned().protect(plain, rtcp=True), PEER, 0.02, rtcp=rtcp)
    assert transport.dropped.total == 0


def test_without_keys_nothing_passes_either_way() -> None:
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.secure(Unkeyed())
    stream.push(FRAME, 0.0)
    stream.push(FRAME, 0.01)
    assert not list(transport.outbox(0.01))
    transport.receive(one_packet(), PEER, 0.02)
    assert transport.dropped.unkeyed == transport.stats().undecipherable == 2
    assert stream.stats().strangers == stream.stats().packets_received == 0


@pytest.mark.parametrize(
    ("first", "whose"), [(20, "hands"), (22, "hands"), (63, "hands"), (19, ""), (64, ""), (80, "")]
)
def test_the_first_byte_tells_what_a_handshake_gets(first: int, whose: str) -> None:
    hands = Hands()
    transport = MediaTransport(a_stream())
    transport.secure(Unkeyed(), hands)
    transport.receive(bytes([first]) + b"x", PEER, 0.0, rtcp=True)
    assert hands.got == ([(bytes([first]) + b"x", PEER, True)] if whose else [])
    assert transport.strays == (0 if whose else 1)
    transport.receive(b"", PEER, 0.0)
    assert transport.strays == (1 if whose else 2)


@pytest.mark.parametrize("first", [0, 1, 3, 64, 79])
def test_stun_and_channel_data_are_for_connectivity(first: int) -> None:
    way = Way()
    transport = MediaTransport(a_stream())
    transport.connect(way)
    transport.receive(bytes([first]) + b"x", PEER, 0.0)
    assert way.got == [(bytes([first]) + b"x", PEER, False)]
    assert transport.strays == 0


def test_media_counts_only_by_a_checked_pair_and_is_taken_out_of_the_relays_wrapping() -> None:
    way = Way()
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.connect(way)
    transport.receive(one_packet(), ("198.51.100.7", 4000), 0.0)
    assert (transport.strays, stream.stats().strangers) == (1, 0)
    packet = one_packet()
    for _ in range(2):
        transport.receive(b"\x40\0\0\0" + packet, RELAY, 0.0)
        packet = packet[:2] + (int.from_bytes(packet[2:4], "big") + 1).to_bytes(2, "big") + packet[4:]
    assert stream.stats().packets_received == 2


def test_media_waits_for_a_way_and_leaves_by_it() -> None:
    way = Way()
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.connect(way)
    hands = Hands()
    transport.secure(Turned(), hands)
    for relayed in (False, True):
        way.relayed = relayed
        way.packets = [MediaPacket(b"check", PEER)]
        hands.packets = [MediaPacket(b"\x16hello", PEER)]
        stream.push(FRAME, 0.0)
        stream.push(FRAME, 0.01)
        sent = list(transport.outbox(0.01))
        assert sent[0] == (b"check", PEER, False, None)  # its own packets go as they are
        assert len(sent) == (4 if relayed else 1)
    assert [packet.data for packet in sent[1:3]] == [b"\x40\0\0\0\x16hello"] * 2  # a handshake waits, sound does not
    assert sent[3].data.endswith(b"R")
    assert sent[3].remote == RELAY


def test_the_earliest_deadline_counts_and_events_of_all_are_told() -> None:
    way, hands = Way(), Hands()
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.connect(way)
    transport.secure(Unkeyed(), hands)
    stream_at = stream.next_deadline()
    assert transport.next_deadline() == stream_at
    way.at, hands.at = 0.5, 0.25
    assert transport.next_deadline() == 0.25
    transport.on_deadline(0.25)
    assert way.due == hands.due == [0.25]
    way.events, hands.events = [RemoteByeReceived(1.0, "way")], [RemoteByeReceived(1.0, "hands")]
    assert [transport.next_event(), transport.next_event(), transport.next_event()] == [
        RemoteByeReceived(1.0, "way"),
        RemoteByeReceived(1.0, "hands"),
        None,
    ]


def test_keys_from_the_signalling_after_all_end_the_handshake() -> None:
    transport, hands, protection = MediaTransport(a_stream()), Hands(), Turned()
    transport.secure(protection, hands)
    transport.receive(b"\x16hello", PEER, 0.0)
    transport.secure(protection)
    transport.receive(b"\x16hello", PEER, 0.1)
    transport.receive(b"", PEER, 0.1)
    assert [data for data, *_ in hands.got] == [b"\x16hello"]
    assert transport.strays == 2
    assert transport.next_deadline == transport.stream.next_deadline


def test_what_is_taken_away_again_leaves_a_plain_leg() -> None:
    transport = MediaTransport(a_stream())
    transport.secure(Turned(), Hands())
    transport.connect(Way())
    assert transport.stream.proven
    transport.close()
    assert transport.receive == transport.stream.receive
    assert not transport.stream.proven
    assert transport.protection is None


def test_what_a_relay_brings_by_a_connection_is_the_peers() -> None:
    way = Way()
    stream = a_stream()
    transport = MediaTransport(stream)
    transport.receive_stream(7, one_packet(), 0.0)
    assert stream.stats().packets_received == 0
    transport.connect(way)
    packet = one_packet()
    for _ in range(2):
        transport.receive_stream(7, packet, 0.0)
        packet = packet[:2] + (int.from_bytes(packet[2:4], "big") + 1).to_bytes(2, "big") + packet[4:]
    assert stream.stats().packets_received == 2
    transport.stream_closed(7, "gone", 1.0)
    assert way.closed == [(7, "gone")]
