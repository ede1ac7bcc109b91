"""One multicast source: what comes from its group, proven or kept out, as a party that is heard at the door."""

from __future__ import annotations

import numpy as np

from voipnode.calls.multicast.settings import MulticastSourceSettings
from voipnode.dsp.frames import Frame
from voipnode.media.bridge import FramePort
from voipnode.media.formats import payload_format
from voipnode.media.srtp import ReceiveKey, SrtpProtection
from voipnode.media.stream import AudioStream
from voipnode.media.transport import MediaTransport
from voipnode.media.values import Addr, StreamConfig, StreamIdentity

PAUSE_S = 0.5  # so long without a packet, and the announcement is over
STALE_S = 0.1  # what waited for its turn so long is not played late
DYNAMIC = 96


class MulticastSource(FramePort):
    """Takes the datagrams of a group; `live` while it is somebody's announcement that comes.

    One sender at a time: who has begun is heard until he pauses, and nobody else can slip in (`media.source`). With
    SRTP nobody without the key is heard at all. Nothing is ever sent to the group, RTCP neither: a hundred loudspeakers
    that answer are a flood.
    """

    def __init__(self, settings: MulticastSourceSettings, codec: str, payload_type: int | None, rate_hz: int) -> None:
        self.settings = settings
        self._rate_hz = rate_hz
        self._frames_hz = rate_hz
        self._gain = np.float32(10 ** (settings.gain_db / 20))
        number = payload_format(codec, rate_hz).payload_type if payload_type is None else payload_type
        self._config = StreamConfig(
            codec=codec, payload_type=DYNAMIC if number is None else number, send=False, receive=True
        )
        self.live = False
        self.since = 0.0  # when this announcement began
        self.sender = ""  # who makes it
        self.strangers = 0  # datagrams of others than `sender` of the settings
        self._last_at = 0.0
        self._new_stream(0.0)

    def _new_stream(self, now: float) -> None:
        """Begin anew: the next announcement may come from another port, with another SSRC and other numbers."""
        self._stream = AudioStream(StreamIdentity(0, 0, 0, "multicast"), rate_hz=self._rate_hz, symmetric=True)
        self._transport = MediaTransport(self._stream)
        if self.settings.profile == "SAVP":
            protection = SrtpProtection()
            key = self.settings.key_salt
            protection.key(self.settings.srtp_suite, key, [ReceiveKey(key)])
            self._transport.secure(protection)
        self._stream.configure(self._config, now)
        self._stream.run_at(self._frames_hz)
        self._taken = 0

    # -- datagrams

    def receive(self, data: bytes, source: Addr, now: float) -> bool:
        """Take a datagram; True where with it an announcement begins. Never raises."""
        if self.settings.sender and source[0] != self.settings.sender:
            self.strangers += 1
            return False
        self._transport.receive(data, source, now)
        self._stream.outbox(now)  # nothing is sent; nothing piles up
        taken = self._stream.packets_received
        if taken == self._taken:
            return False
        self._taken, self._last_at = taken, now
        if self.live:
            return False
        self.live, self.since, self.sender = True, now, source[0]
        return True

    @property
    def ends_at(self) -> float | None:
        """When the announcement will count as over, if nothing more comes; None while there is none."""
        return self._last_at + PAUSE_S if self.live else None

    def end(self, now: float) -> None:
        """The announcement is over."""
        self.live = False
        self._new_stream(now)

    # -- as a party at the door

    def begin(self, now: float) -> None:
        """It is its turn: what came while it waited for long is left out."""
        if now - self.since > STALE_S:
            self._new_stream(now)

    @property
    def codec_rate_hz(self) -> int:
        return self._stream.codec_rate_hz

    def run_at(self, rate_hz: int) -> None:
        self._frames_hz = rate_hz
        self._stream.run_at(rate_hz)

    def skip(self, count: int) -> None:
        self._stream.skip(count)

    def pull(self, now: float) -> Frame:
        """10 ms of the announcement."""
        frame = self._stream.pull(now)
        return frame if self._gain == 1 else frame * self._gain

    def push(self, frame: Frame, now: float) -> None:
        """Who speaks to a group hears nobody."""

    def send(self, now: float) -> None:
        """Nothing is sent."""
