"""Legs in a room without signalling: their SDP is agreed on by hand, their far sides are streams of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from tests.support.switchboard import DOOR, Clock, CountingEntropy, Device, Path, Paths
from voipnode.calls.core import CallCore
from voipnode.calls.digit_roads import DigitRoads
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.exchange.room import Room
from voipnode.calls.hooks import Bus, Frame
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia, SipLeg
from voipnode.dsp.tones import Tone
from voipnode.media.events import MediaEvent
from voipnode.media.protection import Protection
from voipnode.media.rtcp import is_rtcp
from voipnode.media.rtp import RtpPacket
from voipnode.media.stream import AudioStream
from voipnode.media.transport import MediaTransport
from voipnode.media.values import MediaPacket, StreamConfig, StreamIdentity
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig

TICK_S = 0.010


def far_sdp(host: str, formats: str, lines: str = "", direction: str = "sendrecv", profile: str = "RTP/AVP") -> bytes:
    """What a far side says of itself; `formats` by number, `lines` what they are."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 7000 {profile} {formats}\r\n"
        f"{lines}a={direction}\r\n"
    ).encode()


def events_at(number: int, clock_hz: int = 8000) -> str:
    return f"a=rtpmap:{number} telephone-event/{clock_hz}\r\na=fmtp:{number} 0-15\r\n"


class Far:
    """A far side: its leg in the room, its own stream, and what it got, packet by packet."""

    def __init__(self, leg: SipLeg, path: Path, host: str, codec: StreamConfig, now: float) -> None:
        self.leg, self.path, self.address = leg, path, (host, 7000)
        self.stream = AudioStream(StreamIdentity(0x1000 + path.rtp_port, 500, 8_000_000, "far@test"), rate_hz=8000)
        self.stream.configure(codec, now)
        self.transport = MediaTransport(self.stream)
        self.answer = b""  # what the node said last
        self.tone: Tone | None = None
        self.got: list[RtpPacket] = []
        self.reports: list[bytes] = []
        self.heard: list[Frame] = []
        self._fetched = 0

    def secure(self, protection: Protection) -> None:
        """Speak and understand SRTP from now on."""
        self.transport.secure(protection)

    def send(self, packet: RtpPacket, now: float) -> None:
        """Send a packet made by hand."""
        self.send_bytes(packet.serialize(), now)

    def send_bytes(self, data: bytes, now: float) -> None:
        protection = self.transport.protection
        data = data if protection is None else protection.protect(data, rtcp=is_rtcp(data))
        self.path.engine.receive(data, self.address, now)
        self.path.on_events()

    def speak(self, now: float) -> None:
        """10 ms of its tone, or of silence; what is complete goes to the node."""
        frame = np.zeros(80, np.float32) if self.tone is None else self.tone.next_frame()
        self.stream.push(frame, now)
        for packet in self.transport.outbox(now):
            if not packet.rtcp:
                self.path.engine.receive(packet.data, self.address, now)
                self.path.on_events()

    def fetch(self, now: float) -> None:
        """Take what the node sent, and play 10 ms of it."""
        fresh: list[MediaPacket] = self.path.sent[self._fetched :]
        self._fetched = len(self.path.sent)
        for packet in fresh:
            assert packet.remote in (self.address, (self.address[0], self.address[1] + 1))
            protection, rtcp = self.transport.protection, is_rtcp(packet.data)
            data = packet.data if protection is None else protection.unprotect(packet.data, rtcp=rtcp)
            if rtcp:
                self.reports.append(data)
            else:
                self.got.append(RtpPacket.parse(data))
            self.stream.receive(data, (DOOR.host, self.path.rtp_port + rtcp), now, rtcp=rtcp)
        self.heard.append(self.stream.pull(now))

    def sound(self, last_s: float) -> Frame:
        """What it has heard in the last seconds."""
        return np.concatenate(self.heard[-round(last_s * 100) :])


class RoomRig:
    """A room at a node in virtual time."""

    def __init__(self, *, rate_hz: int = 8000, with_door: bool = False, endpoint: Endpoint | None = None) -> None:
        self.now = 1000.0
        self.clock, self.paths, self.device = Clock(), Paths(), Device()
        self.door = DoorBridge(self.device, self.clock)
        self.told: list[tuple[SipLeg, MediaEvent]] = []
        bits = itertools.count(0x2000)
        settings = SipSettings()
        self.media = LegMedia(self.paths, lambda width: next(bits) * 7919 & ((1 << width) - 1), settings, rate_hz, "n")
        self.core = CallCore(
            settings,
            endpoint=endpoint or Endpoint(EndpointConfig(), CountingEntropy("door"), lambda hop: DOOR),
            local_address=lambda hop: DOOR,
            media=self.media,
            door=self.door,
            bus=Bus(lambda: self.now),
        )
        self.room = Room(self.clock, DigitRoads(self.core), highest_hz=rate_hz, door=self.door if with_door else None)
        self.fars: list[Far] = []

    def party(
        self,
        formats: str = "0 101",
        lines: str = events_at(101),
        *,
        account: AccountSettings | None = None,
        proven: bool = True,
        joins: bool = True,
        profile: str = "RTP/AVP",
        direction: str = "sendrecv",
        **speaks: object,
    ) -> Far:
        """A party that called with these formats, was answered and is in the room; `speaks`: its own StreamConfig."""
        host = f"192.168.1.{20 + len(self.fars)}"
        leg = SipLeg(account or AccountSettings(), self.media, DOOR.host, host, self._tell)
        leg.session = f"s{len(self.fars)}"
        answer = leg.take_offer(far_sdp(host, formats, lines, direction, profile), self.now)
        leg.proven = proven
        path = self.paths.all[-1]
        config = {
            "remote_rtp": (DOOR.host, path.rtp_port),
            "remote_rtcp": (DOOR.host, path.rtcp_port),
            "event_payload_type": 101,
            "event_receive_payload_type": 101,
            **speaks,
        }
        far = Far(leg, path, host, StreamConfig(**config), self.now)  # type: ignore[arg-type]
        far.answer = answer
        self.fars.append(far)
        if joins:
            self.room.join(leg, self.now)
        return far

    def reoffer(self, far: Far, formats: str, lines: str = "", direction: str = "sendrecv", **speaks: object) -> None:
        """The party's re-INVITE, and what its own stream does from then on."""
        far.leg.take_offer(far_sdp(far.address[0], formats, lines, direction), self.now)
        if speaks:
            config = {"remote_rtp": (DOOR.host, far.path.rtp_port), **speaks}
            far.stream.configure(StreamConfig(**config), self.now)  # type: ignore[arg-type]
        self.room.fit(self.now)

    def _tell(self, leg: SipLeg) -> None:
        while (event := leg.next_media_event()) is not None:
            self.told.append((leg, event))

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """All speak, the node works, all hear; `each` is called before every 10 ms. Clocks lie apart by a third."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self.core.now = self.clock.now = self.now
            each()
            for far in self.fars:
                far.speak(self.now)
            if self.clock.tick is not None:
                self.clock.tick(self.now + 0.003)
            for far in self.fars:
                deadline = far.path.engine.next_deadline()
                if deadline is not None and deadline <= self.now:
                    far.path.engine.on_deadline(self.now)
                    far.path.flush(self.now)
                    far.path.on_events()
                far.fetch(self.now + 0.006)
