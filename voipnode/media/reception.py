"""What is known about one received RTP source: sequence, loss and jitter (RFC 3550 A.1, A.3, A.8)."""

from __future__ import annotations

from voipnode.media.losses import Losses, LossPattern
from voipnode.media.rtcp import ReportBlock

MAX_DROPOUT = 3000
MAX_MISORDER = 100
_SEQUENCES = 1 << 16
_NO_SEQUENCE = _SEQUENCES + 1
_SEEN_SIZE = 128  # how far back a repeated packet is recognised, in packets
_SEEN_MASK = (1 << _SEEN_SIZE) - 1


class Reception:
    """Counts one source's packets. Probation of new sources (A.1, MIN_SEQUENTIAL) is `source.SourceLatch`'s work.

    `clock_hz` is the rate of RTP timestamps.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "_bad",
        "_base",
        "_clock_hz",
        "_cycles",
        "_expected_prior",
        "_jitter",
        "_last_sr",
        "_last_sr_at",
        "_losses",
        "_max",
        "_received_prior",
        "_run",
        "_seen",
        "_transit",
        "duplicates",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int, clock_hz: int) -> None:
        self.ssrc = ssrc
        self.duplicates = 0
        self._clock_hz = clock_hz
        self._transit: float | None = None
        self._jitter = 0.0
        self._last_sr = 0
        self._last_sr_at: float | None = None
        self._restart(sequence)

    def _restart(self, sequence: int) -> None:
        self._base = sequence
        self._max = sequence
        self._bad = _NO_SEQUENCE
        self._cycles = 0
        self.received = 0
        self._expected_prior = 0
        self._received_prior = 0
        self._seen = 0  # bit n: sequence _max - _run - n came
        self._run = 0  # packets in order since then
        self._losses = Losses(sequence)

    def packet(self, sequence: int, timestamp: int, now: float) -> bool:
        """Count a packet that arrived at `now` (seconds); False for a wild jump of the sequence or a repetition."""
        ahead = (sequence - self._max) & 0xFFFF
        if ahead == 1:  # nearly always
            if sequence == 0:
                self._cycles += _SEQUENCES
            self._max = sequence
            self._run += 1
        elif not self._out_of_turn(sequence, ahead):
            return False
        self.received += 1
        # A.8; timestamps wrap, so the difference of transits is taken modulo 2**32.
        transit = now * self._clock_hz - timestamp
        if self._transit is not None:
            change = (transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000
            self._jitter += (abs(change) - self._jitter) / 16
        self._transit = transit
        return True

    def _out_of_turn(self, sequence: int, ahead: int) -> bool:
        """Whether a packet counts that is not the one behind the newest."""
        if ahead < MAX_DROPOUT:
            if ahead == 0 and self.received:
                self.duplicates += 1
                return False
            if ahead > 1:
                self._losses.gap(self.extended_max + 1, self.extended_max + ahead)
            if sequence < self._max:
                self._cycles += _SEQUENCES
            self._max = sequence
            self._seen = (self._settled() << ahead | 1) & _SEEN_MASK
        elif ahead <= _SEQUENCES - MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) & 0xFFFF
                return False
            # Two in a row: the far side started anew without telling (A.1).
            self._restart(sequence)
            self._seen = 1
        elif not self._first_time(_SEQUENCES - ahead):
            self.duplicates += 1
            return False
        else:
            self._losses.filled(self._position(sequence))
        return True

    def discard(self, sequence: int) -> None:
        """A packet that was counted came too late to be played."""
        self._losses.discard(self._position(sequence))

    def loss_pattern(self) -> LossPattern:
        """What was lost or discarded so far, the latest packets left out that may still come."""
        return self._losses.pattern(self.extended_max)

    def _position(self, sequence: int) -> int:
        """A received sequence number with the wraps before it."""
        return self.extended_max - ((self._max - sequence) & 0xFFFF)

    def _first_time(self, behind: int) -> bool:
        seen, bit = self._settled(), 1 << behind
        self._seen = seen | bit
        return not seen & bit

    def _settled(self) -> int:
        """`_seen` as of now: what came in order is set down only when somebody asks."""
        run, self._run = min(self._run, _SEEN_SIZE), 0
        self._seen = (self._seen << run | (1 << run) - 1) & _SEEN_MASK
        return self._seen

    def change_clock(self, clock_hz: int) -> None:
        """Timestamps count another clock from now on: transit times before and after do not compare (RFC 7160 §3.1)."""
        if clock_hz != self._clock_hz:
            self._jitter *= clock_hz / self._clock_hz
            self._clock_hz = clock_hz
            self._transit = None

    @property
    def extended_max(self) -> int:
        """The highest sequence number, with wraps counted in its upper 16 bits."""
        return self._cycles + self._max

    @property
    def expected(self) -> int:
        return self.extended_max - self._base + 1

    @property
    def lost(self) -> int:
        """A.3: expected less received; repetitions were not counted as received."""
        return self.expected - self.received

    @property
    def jitter_ms(self) -> float:
        return self._jitter * 1000 / self._clock_hz

    def sender_report(self, ntp: int, now: float) -> None:
        """Note the NTP time (32.32) of an SR, to be echoed in our reports."""
        self._last_sr = ntp >> 16 & 0xFFFFFFFF
        self._last_sr_at = now

    def report(self, now: float) -> ReportBlock:
        """The block for our next RTCP report; the fraction lost counts from the block before (A.3)."""
        expected, received = self.expected - self._expected_prior, self.received - self._received_prior
        self._expected_prior, self._received_prior = self.expected, self.received
        missing = expected - received
        fraction = min((missing << 8) // expected, 255) if expected > 0 and missing > 0 else 0
        delay = 0 if self._last_sr_at is None else min(int((now - self._last_sr_at) * 65536), 0xFFFFFFFF)
        lost = max(-0x800000, min(self.lost, 0x7FFFFF))
        highest = self.extended_max & 0xFFFFFFFF
        jitter = min(int(self._jitter), 0xFFFFFFFF)
        return ReportBlock(self.ssrc, fraction, lost, highest, jitter, self._last_sr, delay)
