"""The sending half of an audio stream: frames and digits in, RTP packets out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from voipnode.codecs.registry import CodecType, Encoder
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.media.dtmf import EventSender, event_code
from voipnode.media.errors import LocalError
from voipnode.media.pauses import Pauses
from voipnode.media.rates import RateAdapter
from voipnode.media.renumbering import Renumbering
from voipnode.media.rtcp_session import Sent
from voipnode.media.rtp import HEADER, PLAIN
from voipnode.media.values import StreamIdentity

MAX_WAITING_DIGITS = 64
_ECHO_PACKETS = 1024  # an echo is not older, and
_ECHO_SPREAD_S = 2  # pauses move timestamps against sequence numbers by so much at most, within them
_NOTHING: Sequence[bytes] = ()
_PAUSE_S = 0.5  # without a frame for so long, the timestamp follows the clock (RFC 3550 §5.1: it samples time)


class RtpSender:
    """Numbers and stamps packets, cuts frames into packet times, puts digits in place of audio.

    The timestamp advances with every frame pushed, sent or not, so that pauses keep their length for the listener. It
    counts the codec's clock, which is not always the rate of its sound. Frames come at the rate of `run_at`.

    `sending`: packets are made; otherwise only time goes on. `shared_encoder`: by this one, frames may be coded
    elsewhere, together with those for other senders, and come in by `push_coded`; None where they must come by `push`,
    because the codec has a state, or sound of another rate.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "_adapter",
        "_buffer",
        "_coded",
        "_digits",
        "_encoder",
        "_event",
        "_event_payload_type",
        "_fill",
        "_form",
        "_frame_size",
        "_frames_hz",
        "_gap",
        "_marker",
        "_noise_payload_type",
        "_passes",
        "_patience_s",
        "_pauses",
        "_payload_type",
        "_pushed_at",
        "_rate_hz",
        "_resumed_at",
        "_sequence",
        "_ssrc",
        "_timestamp",
        "clock_hz",
        "sending",
        "sent",
        "shared_encoder",
    )

    def __init__(self, identity: StreamIdentity, rate_hz: int) -> None:
        self._ssrc = identity.ssrc
        self._sequence = identity.first_sequence & 0xFFFF
        self.clock_hz = 8000
        self._rate_hz = self._frames_hz = rate_hz  # of the codec's sound, of the frames pushed
        self._adapter = RateAdapter(rate_hz, rate_hz)
        self._frame_size = rate_hz // FRAMES_PER_S
        self._timestamp = identity.first_timestamp & 0xFFFFFFFF  # of the first sample in the buffer
        self._pushed_at = math.inf  # as if never
        self._patience_s = _PAUSE_S
        self._passes = Renumbering()  # of packets that another stream has received
        self._form: tuple[CodecType, int, int, str] | None = None  # what the encoder was made for
        self._encoder: Encoder | None = None
        self._payload_type = 0
        self._event_payload_type: int | None = None
        self._buffer: Frame = np.zeros(self._frame_size, dtype=np.float32)
        self._fill = 0
        self._coded = b""  # what is in the buffer, where it came coded
        self.shared_encoder: Encoder | None = None
        self.sending = False
        self._marker = True  # RFC 3551 §4.1: the first packet of a talk spurt
        self._digits: deque[tuple[str, int, int]] = deque()  # digit, duration, gap in samples
        self._event: EventSender | None = None
        self._gap = 0
        self._resumed_at = -1.0
        self._pauses: Pauses | None = None
        self._noise_payload_type: int | None = None
        self.sent = Sent()

    @property
    def ssrc(self) -> int:
        """Who we say that we are."""
        return self._ssrc

    def change_source(self, ssrc: int) -> None:
        """Be another source from the next packet on, with a count of its own (RFC 3550 §8.2)."""
        self._ssrc = ssrc
        self._marker = True
        self.sent = Sent()

    def has_sent(self, sequence: int, timestamp: int) -> bool:
        """Whether a packet of our SSRC can be one of our latest, returned to us; else somebody else has our number."""
        behind = (self._sequence - 1 - sequence) & 0xFFFF
        ticks = behind * len(self._buffer) * self.clock_hz // self._rate_hz
        off = (self._timestamp - timestamp - ticks) & 0xFFFFFFFF
        within = _ECHO_SPREAD_S * self.clock_hz
        return behind < _ECHO_PACKETS and (off < within or off > 0x100000000 - within)

    def configure(
        self,
        codec: CodecType,
        rate_hz: int,
        payload_type: int,
        event_payload_type: int | None,
        ptime_ms: int,
        fmtp: str = "",
        noise_payload_type: int | None = None,
    ) -> None:
        """Take a negotiated format, for sound of `rate_hz`; an unfinished packet of another one is dropped, digits
        without a format too. The encoder goes on where its format did not change."""
        self._payload_type = payload_type
        self._event_payload_type = event_payload_type
        form = (codec, rate_hz, ptime_ms, fmtp)
        if form != self._form:
            self._advance(self._fill)
            self._begin_packet()
            self._form = form
            self._encoder = None
            if codec.clock_hz != self.clock_hz:
                self._digits.clear()  # their lengths were counted by the other clock
                self._event = None
            self.clock_hz = codec.clock_hz
            self._rate_hz = rate_hz
            self._frame_size = rate_hz // FRAMES_PER_S
            self._buffer = np.zeros(rate_hz * ptime_ms // 1000, dtype=np.float32)
            self._pauses = None
        if noise_payload_type is None:
            self._pauses = None
        elif self._pauses is None:
            self._pauses = Pauses(rate_hz)
        self._noise_payload_type = noise_payload_type
        self.run_at(self._frames_hz)
        if event_payload_type is None:
            self._digits.clear()
            self._event = None

    def run_at(self, rate_hz: int) -> None:
        """Frames pushed from now on are of `rate_hz`."""
        self._frames_hz = rate_hz
        self._adapter.fit(rate_hz, self._rate_hz)
        self.shared_encoder = None
        plain = self._form is not None and not self._form[0].stateful and self._pauses is None
        if plain and self._form is not None and rate_hz == self._rate_hz:
            codec, _, ptime_ms, fmtp = self._form
            self.shared_encoder = codec.encoder(rate_hz, ptime_ms=ptime_ms, fmtp=fmtp)
        elif self._coded:
            self._advance(self._fill)
            self._begin_packet()

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
        per_ms = self.clock_hz // 1000
        self._digits.extend((digit.upper(), duration_ms * per_ms, gap_ms * per_ms) for digit in digits)

    def pause(self) -> None:
        """We may not send for now: drop what waits; the next packet begins a talk spurt."""
        self._marker = True
        self._digits.clear()
        self._event = None

    def timestamp_at(self, now: float) -> int:
        """The RTP timestamp that belongs to `now` (for SR)."""
        since = max(now - self._pushed_at, 0.0)
        return (self._timestamp + self._ticks(self._fill) + int(since * self.clock_hz)) & 0xFFFFFFFF

    def push(self, frame: Frame, now: float) -> Sequence[bytes]:
        """Take one frame; the packets that are complete with it."""
        if self._coded:
            assert self.shared_encoder is not None
            return self.push_coded(self.shared_encoder.encode_frame(frame), now)
        if now - self._pushed_at > self._patience_s:
            self._resume(now)
        elif now == self._resumed_at:
            return _NOTHING
        self._pushed_at = now
        fill = self._fill + self._frame_size
        self._buffer[self._fill : fill] = self._adapter.frame(frame)
        self._fill = fill
        return self._complete(now) if fill >= len(self._buffer) else _NOTHING

    def push_coded(self, coded: bytes, now: float) -> Sequence[bytes]:
        """Take one frame that `shared_encoder` has coded; the packets that are complete with it."""
        if now - self._pushed_at > self._patience_s:
            self._resume(now)
        elif now == self._resumed_at:
            return _NOTHING
        self._pushed_at = now
        if self._fill and not self._coded:  # the packet was begun with frames
            assert self.shared_encoder is not None
            self._coded = self.shared_encoder.encode_frame(self._buffer[: self._fill])
        self._coded += coded
        self._fill += self._frame_size
        return self._complete(now) if self._fill >= len(self._buffer) else _NOTHING

    def pass_on(
        self, kind: int, sequence: int, timestamp: int, payload: bytes, now: float, *, marker: bool, timed: bool
    ) -> bytes | None:
        """A packet of another stream as one of ours; None where it may not go, or digits have its place.

        `timed`: its timestamp tells when it was said, as an event's does not. Frames may be pushed again at any time.
        """
        if not self.sending or self._digits or self._event is not None:
            self._passes.leave_out(sequence)
            return None
        if self._fill:
            self._advance(self._fill)
            self._begin_packet()
        ptime = self._ticks(len(self._buffer))
        since = 0 if self._pushed_at == math.inf else max(0, int((now - self._pushed_at) * self.clock_hz) - ptime)
        stamp = (self._timestamp + since) & 0xFFFFFFFF
        slack = _ECHO_SPREAD_S * self.clock_hz
        place = self._passes.place(sequence, timestamp, due=self._sequence, stamp=stamp, slack=slack, timed=timed)
        if place is None:
            return None
        if place.newest:
            self._sequence = (place.sequence + 1) & 0xFFFF
            if timed:
                self._timestamp, self._pushed_at = (place.timestamp + ptime) & 0xFFFFFFFF, now
        self._patience_s = -1.0  # the next frame finds the time that has passed in the timestamp, be it ever so short
        marker = marker or place.begins or self._marker
        self._marker = False
        return self._numbered(kind, place.sequence, place.timestamp, marker, payload, now)

    def leave_out(self, sequence: int) -> None:
        """A packet of the other stream is not passed on, and is not to be missed."""
        self._passes.leave_out(sequence)

    def another_source(self) -> None:
        """What is passed on from now on comes from somebody else, or from somewhere else in his time."""
        self._passes.restart()

    def _complete(self, now: float) -> Sequence[bytes]:
        packets = self._packets(now) if self.sending and self._form is not None else _NOTHING
        self._timestamp = (self._timestamp + self._fill * self.clock_hz // self._rate_hz) & 0xFFFFFFFF
        self._fill = 0
        self._coded = b""
        return packets

    def _begin_packet(self) -> None:
        self._fill = 0
        self._coded = b""

    def skip(self, count: int) -> None:
        """So many frames were never made: the timestamp goes on without them (RFC 3550 §5.1: it samples time)."""
        self._advance(count * self._frame_size)

    def _resume(self, now: float) -> None:
        """The pause is in the timestamp at once, and what a clock makes up for of it by more frames now is too much."""
        self._resumed_at, self._patience_s = now, _PAUSE_S
        frames = max(0, int((now - self._pushed_at) * FRAMES_PER_S) - 1)
        self._advance(self._fill + frames * self._frame_size)
        self._begin_packet()
        self._marker = True

    def _advance(self, samples: int) -> None:
        self._timestamp = (self._timestamp + self._ticks(samples)) & 0xFFFFFFFF

    def _ticks(self, samples: int) -> int:
        """Samples as RTP timestamps count them: whole frames, so that it comes out even."""
        return samples * self.clock_hz // self._rate_hz

    def _encode(self, frame: Frame) -> bytes:
        """The encoder is made when the first packet is due: many legs only ring."""
        if self._encoder is None:
            assert self._form is not None
            codec, rate_hz, ptime_ms, fmtp = self._form
            self._encoder = codec.encoder(rate_hz, ptime_ms=ptime_ms, fmtp=fmtp)
        return self._encoder.encode_frame(frame)

    def _packets(self, now: float) -> Sequence[bytes]:
        if self._digits or self._event is not None:
            return self._event_packets(now)
        if self._pauses is not None and (note := self._pauses.note(self._buffer)) is not None:
            return self._noise_packets(note, now)
        payload = self._coded or self._encode(self._buffer)
        if not payload:
            # Nothing worth sending: what comes after it begins a talk spurt (RFC 3551 §4.1).
            self._marker = True
            return _NOTHING
        packet = self._packet(self._payload_type, self._timestamp, self._marker, payload, now)
        self._marker = False
        return [packet]

    def _noise_packets(self, note: bytes, now: float) -> Sequence[bytes]:
        """A description of the noise in place of sound (RFC 3389 §4: without a marker), or nothing."""
        self._marker = True
        if not note or self._noise_payload_type is None:
            return _NOTHING
        return [self._packet(self._noise_payload_type, self._timestamp, False, note, now)]

    def _event_packets(self, now: float) -> Sequence[bytes]:
        """Digits in place of audio; in the gaps between them nothing is said, so that the ends stand alone."""
        interval = self._ticks(len(self._buffer))
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
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        return self._numbered(kind, sequence, timestamp, marker, payload, now)

    def _numbered(self, kind: int, sequence: int, timestamp: int, marker: bool, payload: bytes, now: float) -> bytes:
        sent = self.sent
        sent.packets += 1
        sent.octets += len(payload)
        sent.last_at = now
        return HEADER.pack(PLAIN, kind | 0x80 if marker else kind, sequence, timestamp, self._ssrc) + payload
