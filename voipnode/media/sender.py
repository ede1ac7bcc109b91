"""The sending half of an audio stream: frames and digits in, RTP packets out."""

from __future__ import annotations

from collections import deque

import numpy as np

from voipnode.codecs.registry import Codec
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.media.dtmf import EventSender, event_code
from voipnode.media.errors import LocalError
from voipnode.media.rtcp_session import Sent
from voipnode.media.rtp import RtpPacket
from voipnode.media.values import StreamIdentity

MAX_WAITING_DIGITS = 64
_PAUSE_S = 0.5  # without a frame for so long, the timestamp follows the clock (RFC 3550 §5.1: it samples time)


class RtpSender:
    """Numbers and stamps packets, cuts frames into packet times, puts digits in place of audio.

    The timestamp advances with every frame pushed, sent or not, so that pauses keep their length for the listener.
    """

    def __init__(self, identity: StreamIdentity, clock_hz: int) -> None:
        self._ssrc = identity.ssrc
        self._sequence = identity.first_sequence & 0xFFFF
        self._clock_hz = clock_hz
        self._frame_size = clock_hz // FRAMES_PER_S
        self._timestamp = identity.first_timestamp & 0xFFFFFFFF  # of the first sample in the buffer
        self._pushed_at: float | None = None
        self._codec: Codec | None = None
        self._payload_type = 0
        self._event_payload_type: int | None = None
        self._buffer: Frame = np.zeros(self._frame_size, dtype=np.float32)
        self._fill = 0
        self._marker = True  # RFC 3551 §4.1: the first packet of a talk spurt
        self._digits: deque[tuple[str, int, int]] = deque()  # digit, duration, gap in samples
        self._event: EventSender | None = None
        self._gap = 0
        self.sent = Sent()

    def configure(self, codec: Codec, payload_type: int, event_payload_type: int | None, ptime_ms: int) -> None:
        """Take a negotiated format; an unfinished packet of another length is dropped, digits without a format too."""
        self._codec = codec
        self._payload_type = payload_type
        self._event_payload_type = event_payload_type
        size = self._clock_hz * ptime_ms // 1000
        if size != len(self._buffer):
            self._advance(self._fill)
            self._fill = 0
            self._buffer = np.zeros(size, dtype=np.float32)
        if event_payload_type is None:
            self._digits.clear()
            self._event = None

    @property
    def digits_waiting(self) -> bool:
        return bool(self._digits) or self._event is not None

    def queue(self, digits: str, duration_ms: int, gap_ms: int) -> None:
        """Append digits; raises `LocalError` as `AudioStream.send_digits` says."""
        for digit in digits:
            event_code(digit)
        if len(self._digits) + len(digits) > MAX_WAITING_DIGITS:
            raise LocalError(f"more than {MAX_WAITING_DIGITS} digits wait to be sent")
        if not 40 <= duration_ms <= 60_000 or not 0 <= gap_ms <= 60_000:
            raise LocalError(
                f"a digit of {duration_ms} ms with a gap of {gap_ms} ms; 40 to 60000 and 0 to 60000 are right"
            )
        per_ms = self._clock_hz // 1000
        self._digits.extend((digit.upper(), duration_ms * per_ms, gap_ms * per_ms) for digit in digits)

    def pause(self) -> None:
        """We may not send for now: drop what waits; the next packet begins a talk spurt."""
        self._marker = True
        self._digits.clear()
        self._event = None

    def timestamp_at(self, now: float) -> int:
        """The RTP timestamp that belongs to `now` (for SR)."""
        since = 0.0 if self._pushed_at is None else max(now - self._pushed_at, 0.0)
        return (self._timestamp + self._fill + int(since * self._clock_hz)) & 0xFFFFFFFF

    def push(self, frame: Frame, now: float, *, sending: bool) -> list[bytes]:
        """Take one frame; the packets that are complete with it."""
        if self._pushed_at is not None and now - self._pushed_at > _PAUSE_S:
            self._resume(now - self._pushed_at)
        self._pushed_at = now
        size = self._frame_size
        self._buffer[self._fill : self._fill + size] = frame
        self._fill += size
        if self._fill < len(self._buffer):
            return []
        packets = self._packets(now) if sending and self._codec is not None else []
        self._advance(self._fill)
        self._fill = 0
        return packets

    def _resume(self, pause_s: float) -> None:
        frames = int(pause_s * FRAMES_PER_S) - 1
        self._advance(self._fill + frames * self._frame_size)
        self._fill = 0
        self._marker = True

    def _advance(self, samples: int) -> None:
        self._timestamp = (self._timestamp + samples) & 0xFFFFFFFF

    def _packets(self, now: float) -> list[bytes]:
        if self._digits or self._event is not None:
            return self._event_packets(now)
        assert self._codec is not None
        payload = self._codec.encode_frame(self._buffer)
        packet = self._packet(self._payload_type, self._timestamp, self._marker, payload, now)
        self._marker = False
        return [packet]

    def _event_packets(self, now: float) -> list[bytes]:
        """Digits in place of audio; in the gaps between them nothing is said, so that the ends stand alone."""
        interval = len(self._buffer)
        if self._event is None or (self._event.done and self._gap <= 0):
            self._event = None
            if not self._digits:
                return self._packets(now)
            digit, duration, self._gap = self._digits.popleft()
            self._event = EventSender(digit, self._timestamp, duration, interval)
        if not self._event.sounding:
            self._gap -= interval
        assert self._event_payload_type is not None
        kind = self._event_payload_type
        return [self._packet(kind, *event, now) for event in self._event.next_packets()]

    def _packet(self, kind: int, timestamp: int, marker: bool, payload: bytes, now: float) -> bytes:
        data = RtpPacket(kind, self._sequence, timestamp, self._ssrc, payload, marker).serialize()
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.sent.packets += 1
        self.sent.octets += len(payload)
        self.sent.last_at = now
        return data
