"""The jitter buffer: packets in by RTP timestamp, 10 ms frames out at a steady pace.

Packets wait undecoded and are decoded in the order of playout, so that decoders with state never see another order,
and a lost packet can be had from the redundancy in the next one. Reordering, repetition, any packet length and wraps
need no special cases.

Between arrival and playout lies the *lead*: how far a packet is ahead of the place that plays when it arrives. The
buffer starts with a lead of 20 ms, with which the packet behind a single lost one is there when the gap begins, and
touches it only with cause (`arrivals` keeps the account):

    what the leads of the last 20 s say        what is done
    too little, delay weighed against loss     splices, backward: pitch periods are repeated
    enough, or not much more                   nothing: a clean network passes unaltered
    too much, after 10 s or more               splices, forward: pitch periods are left out
    too little, and a packet comes after its   play goes back by all that is lacking: the gap was being concealed
      time while nothing is left to play       anyhow, and simply ends later ("stretched in the concealed part")
    a talk spurt begins after silence          the lead is set afresh, unheard

Leads are counted in samples against the playing place, not in wall time, so a stalled or bursting media clock is seen
as what it is to the listener: a shift of the lead.
"""

from __future__ import annotations

from voipnode.codecs.codec import Decoder
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.splice import Splice, Splicer
from voipnode.media.arrivals import Arrivals
from voipnode.media.playout import Playout
from voipnode.media.waiting_packets import WaitingPacket

START_LEAD_MS = 20
MAX_DELAY_MS = 350
_LACKING_MS = 5
_SPARE_MS = 12
_JUMP_MS = 512  # a timestamp further off than this is no delay but another time base
_JUMP_SPREAD_MS = 200  # the second packet that confirms a jump is at most this far from the first
_MAX_PAYLOAD = 16_384  # bytes: 60 ms of the densest format are less
_SPURT_MS = 200  # so long a pause that what follows is a new talk spurt even without a marker
_MUTE_AHEAD_MS = 60  # silence laid out beyond the last report of an event that still goes on
_SPLICE_PAUSE = 4  # frames between two splices
_SPLICE_PATIENCE = 30  # frames to wait for a place that splices well
_ALIKE = 0.7
_HALF_TURN, _TURN = 0x80000000, 0xFFFFFFFF  # timestamps wrap


class JitterBuffer:
    """Orders, delays and completes one source's sound.

    `put` takes payloads by 32-bit timestamp, which counts `clock_hz` (None: samples; they differ for G.722 and Opus),
    `pull` gives 10 ms frames of `rate_hz`. Memory is 256 packets of at most 16 KiB and a second of sound,
    whatever is put. Counters in
    samples: `concealed`, `stretched`, `squeezed`; in packets: `late`.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "_arrivals",
        "_jump",
        "_line",
        "_max_delay",
        "_patience",
        "_pause",
        "_per_ms",
        "_playout",
        "_size",
        "_splicer",
        "_start_lead",
        "_started",
        "_suspect",
        "_wanted",
        "clock_hz",
        "late",
        "rate_hz",
        "squeezed",
        "stretched",
    )

    def __init__(self, rate_hz: int, clock_hz: int | None = None, *, max_delay_ms: int = MAX_DELAY_MS) -> None:
        self.rate_hz = rate_hz
        self.clock_hz = rate_hz if clock_hz is None else clock_hz
        self._size = rate_hz // FRAMES_PER_S
        self._per_ms = per_ms = rate_hz // 1000
        self._start_lead = START_LEAD_MS * per_ms
        self._max_delay = max_delay_ms * per_ms
        self._jump = _JUMP_MS * per_ms
        self._playout = Playout(rate_hz)
        self._line = self._playout.line
        self._splicer = Splicer(self._size, 5 * per_ms // 2, 15 * per_ms)
        self._arrivals = Arrivals(self._start_lead, per_ms)
        self.late = self.stretched = self.squeezed = 0
        self.reset()

    def take_counters(self, other: JitterBuffer) -> None:
        """Go on counting where another buffer, which may be of another rate, ended."""
        self.late = other.late
        self._playout.concealed = other.concealed * self.rate_hz // other.rate_hz
        self.stretched = other.stretched * self.rate_hz // other.rate_hz
        self.squeezed = other.squeezed * self.rate_hz // other.rate_hz

    def reset(self) -> None:
        """Forget the source: the next packet starts afresh. What is being concealed fades out; counters stay."""
        self._started = False
        self._suspect: WaitingPacket | None = None
        self._playout.forget()
        self._arrivals.average = float(self._start_lead)
        self._flush()

    def _flush(self) -> None:
        self._playout.flush()
        self._arrivals.clear()
        self._wanted = 0  # samples of delay to be won (below zero: lost) by splices
        self._pause = 0
        self._patience = _SPLICE_PATIENCE

    @property
    def concealed(self) -> int:
        return self._playout.concealed

    @property
    def delay_ms(self) -> float:
        """The smoothed time from arrival to playout: the lead and half a frame."""
        return max(self._arrivals.average + self._size / 2, 0.0) / self._per_ms

    # -- in

    def put(self, timestamp: int, payload: bytes, decoder: Decoder, marker: bool = False, age: int = 0) -> bool:
        """Take one packet; `decoder` is told of gaps, and decodes it when its turn comes. False: it came too late.

        `marker`: the RTP marker, the first of a talk spurt (RFC 3551 §4.1). `age`: how many samples ago it came, where
        it was held back before.
        """
        if not 0 < len(payload) <= _MAX_PAYLOAD:
            return True
        if not self._started:
            self._started = True
            # One turn ahead of zero, so that nothing ever counts below it.
            packet = (self._samples(timestamp + (1 << 32)), payload, decoder)
            self._restart(packet, self._start_lead - age)
            return True
        playout = self._playout
        play = playout.play
        if self.clock_hz == self.rate_hz:
            start = play + ((timestamp - play + _HALF_TURN) & _TURN) - _HALF_TURN
        else:
            start = self._unwrap(timestamp, play)
        packet = (start, payload, decoder)
        lead = start - play + age
        if playout.dry and playout.parched and (marker or playout.dry > _SPURT_MS * self._per_ms):
            self._suspect = None
            # What was learnt of the network's jitter stays; only the pause between the spurts is set anew.
            usual = min(max(self._start_lead, int(self._arrivals.average)), self._max_delay)
            if not -self._size <= lead - usual <= 2 * self._size:
                self._restart(packet, usual)
                return True
        elif not -self._jump < lead < self._jump:
            self._suspected(packet)
            return True
        self._suspect = None
        if self._arrivals.note(lead) or lead < 0:
            self._weigh(lead)
        playout.add(packet)
        return lead >= 0

    def _unwrap(self, timestamp: int, play: int) -> int:
        here = play if self.clock_hz == self.rate_hz else play * self.clock_hz // self.rate_hz
        return self._samples(here + ((timestamp - here + _HALF_TURN) & _TURN) - _HALF_TURN)

    def _samples(self, ticks: int) -> int:
        return ticks if self.clock_hz == self.rate_hz else ticks * self.rate_hz // self.clock_hz

    def _restart(self, packet: WaitingPacket, lead: int) -> None:
        """Set the lead afresh with this packet; nothing of before is played any more."""
        self._flush()
        self._playout.shift(packet[0] - lead - self._playout.play)
        expected = max(lead, self._start_lead)
        self._arrivals.average = float(expected)
        self._arrivals.note(expected)
        self._playout.add(packet)

    def _suspected(self, packet: WaitingPacket) -> None:
        """A timestamp out of all proportion: a damaged packet, or a new time base if the next one agrees (cf. A.1)."""
        first = self._suspect
        between = 0 if first is None else packet[0] - first[0]
        if first is None or not 0 < between <= _JUMP_SPREAD_MS * self._per_ms:
            self._suspect = packet
            return
        self._suspect = None
        self._restart(first, self._start_lead)
        self._arrivals.note(between + self._start_lead)
        self._playout.add(packet)

    def _weigh(self, lead: int) -> None:
        """The account of leads has changed: is there a reason to move?"""
        if lead < 0:
            self.late += 1
            if self._playout.parched:
                self._wait_for(-self._arrivals.excess)
        self._want()

    def _want(self) -> None:
        arrivals, per_ms = self._arrivals, self._per_ms
        excess = arrivals.excess
        lacking = excess < -_LACKING_MS * per_ms
        # What varies much is also known less exactly. To run after it is heard in each splice, and the next late packet
        # takes it back: half of the spread in hand is better by 0.1 to 0.3 PESQ for 10 to 30 ms behind heavy jitter.
        spare = excess > _SPARE_MS * per_ms + arrivals.spread // 2
        self._wanted = excess if lacking or (spare and (arrivals.calm or excess > self._max_delay)) else 0

    def _wait_for(self, back: int) -> None:
        """Nothing is left to play and a packet is late: go back, as far as the greatest delay allows.

        Once and for all, where it can be: a listener minds one longer gap less than several moves after each other.
        """
        back = min(back, int(self._max_delay - self._arrivals.average))
        if back > 0:
            self._playout.shift(-back)
            self._arrivals.moved(-back)
            self.stretched += back

    def mute(self, timestamp: int, duration: int, *, ended: bool) -> None:
        """Play silence in place of an event (RFC 4733 §2.5.2.2): sound of the same time may hold its tone.

        `timestamp` is its start, `duration` so far by the same clock, `ended` whether it is over.
        """
        if not self._started:
            return
        play = self._playout.play
        start = self._unwrap(timestamp, play)
        until = start + self._samples(duration) + (0 if ended else _MUTE_AHEAD_MS * self._per_ms)
        until = min(until, play + self._jump)
        if start - play > self._jump or until <= max(start, play):
            return
        self._playout.mute(start, until)

    # -- out

    def pull(self) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,); silence before the first packet. The array is the caller's."""
        line, size = self._line, self._size
        if self._wanted:
            frame = self._spliced()
            if frame is not None:
                return frame
        if line.end - line.at < size:
            playout = self._playout
            if playout.resting and (pause := playout.rest(size)) is not None:
                return pause
            while line.end - line.at < size:
                playout.lengthen()
        return line.take(size)

    def skip(self, count: int) -> None:
        """Go on by frames that are not played, as far as there is sound to play: who listens was away so long."""
        while count and self._started and not self._playout.parched:
            self.pull()
            count -= 1

    # -- splices

    def _spliced(self) -> Frame | None:
        """The next frame with a splice in it, if this place allows one; None: go on unaltered."""
        if self._pause:
            self._pause -= 1
            return None
        grow = self._wanted < 0
        splicer, line = self._splicer, self._line
        if grow and self._arrivals.average + splicer.longest > self._max_delay:
            return None
        if not self._playout.lies_ready(self._size if grow else self._size + splicer.longest):
            return None
        sound = line.window(-splicer.longest if grow else 0, self._size + splicer.longest)
        splice = splicer.backward(sound) if grow else splicer.forward(sound)
        if splice.likeness < _ALIKE and self._patience:
            self._patience -= 1
            return None
        self._apply(splice, grow)
        return splice.frame

    def _apply(self, splice: Splice, grow: bool) -> None:
        lag = splice.lag
        if grow:
            self.stretched += lag
        else:
            self.squeezed += lag
        self._line.skip(self._size + (-lag if grow else lag))
        self._arrivals.moved(-lag if grow else lag)
        self._pause = _SPLICE_PAUSE
        self._patience = _SPLICE_PATIENCE
        self._want()
