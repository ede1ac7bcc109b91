"""The jitter buffer: packets in by RTP timestamp, 10 ms frames out at a steady pace.

Packets wait undecoded and are decoded in the order of playout, so that decoders with state never see another order,
and a lost packet can be had from the redundancy in the next one. Reordering, repetition, any packet length and wraps
need no special cases.

Between arrival and playout lies the *lead*: how far a packet is ahead of the place that plays when it arrives. The
buffer starts with a lead of 20 ms, with which the packet behind a single lost one is there when the gap begins, and
touches it only with cause (`arrivals` keeps the account):

    what the leads of the last 20 s say        what is done
    too little for all but a hundredth         splices, backward: pitch periods are repeated
    enough, or not much more                   nothing: a clean network passes unaltered
    too much, after 10 s or more               splices, forward: pitch periods are left out
    a packet comes after its time while        play waits for it: the gap was being concealed anyhow, and simply
      nothing is left to play                  ends later ("stretched in the concealed part")
    a talk spurt begins after silence          the lead is set afresh, unheard

Leads are counted in samples against the playing place, not in wall time, so a stalled or bursting media clock is seen
as what it is to the listener: a shift of the lead.
"""

from __future__ import annotations

import numpy as np

from voipnode.codecs.codec import Decoder
from voipnode.dsp.concealment import Concealer
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.splice import Splice, Splicer
from voipnode.media.arrivals import Arrivals
from voipnode.media.sound_line import SoundLine
from voipnode.media.waiting_packets import WaitingPacket, WaitingPackets

START_LEAD_MS = 20
MAX_DELAY_MS = 350
_LACKING_MS = 5
_SPARE_MS = 12
_JUMP_MS = 512  # a timestamp further off than this is no delay but another time base
_JUMP_SPREAD_MS = 200  # the second packet that confirms a jump is at most this far from the first
_PAST_MS = 80  # played sound that is kept, to repeat from and to predict from
_ROOM_MS = 500
_SPURT_MS = 200  # so long a pause that what follows is a new talk spurt even without a marker
_MUTE_AHEAD_MS = 60  # silence laid out beyond the last report of an event that still goes on
_BRIDGED_MS = 40  # the last part of a gap is predicted from both sides
_CONCEALED_MS = 120  # what is longer is counted as a pause
_SPLICE_PAUSE = 4  # frames between two splices
_SPLICE_PATIENCE = 30  # frames to wait for a place that splices well
_ALIKE = 0.7


class JitterBuffer:
    """Orders, delays and completes one source's sound.

    `put` takes payloads by 32-bit timestamp, which counts `clock_hz` (None: samples; they differ for G.722 and Opus),
    `pull` gives 10 ms frames of `rate_hz`. Memory is 256 packets and a second of sound, whatever is put. Counters in
    samples: `concealed`, `stretched`, `squeezed`; in packets: `late`.
    """

    def __init__(self, rate_hz: int, clock_hz: int | None = None, *, max_delay_ms: int = MAX_DELAY_MS) -> None:
        self.rate_hz = rate_hz
        self.clock_hz = rate_hz if clock_hz is None else clock_hz
        self._size = rate_hz // FRAMES_PER_S
        self._per_ms = per_ms = rate_hz // 1000
        self._start_lead = START_LEAD_MS * per_ms
        self._max_delay = max_delay_ms * per_ms
        self._jump = _JUMP_MS * per_ms
        self._concealer = Concealer(rate_hz)
        self._splicer = Splicer(self._size, 5 * per_ms // 2, 15 * per_ms)
        self._line = SoundLine(_PAST_MS * per_ms, _ROOM_MS * per_ms)
        self._waiting = WaitingPackets()
        self._arrivals = Arrivals(self._start_lead)
        self.late = self.concealed = self.stretched = self.squeezed = 0
        self.reset()

    def take_counters(self, other: JitterBuffer) -> None:
        """Go on counting where another buffer, which may be of another rate, ended."""
        self.late = other.late
        self.concealed = other.concealed * self.rate_hz // other.rate_hz
        self.stretched = other.stretched * self.rate_hz // other.rate_hz
        self.squeezed = other.squeezed * self.rate_hz // other.rate_hz

    def reset(self) -> None:
        """Forget the source: the next packet starts afresh. What is being concealed fades out; counters stay."""
        self._started = False
        self._zero = 0  # a place on the line, and this, is its place in the source's time, unwrapped
        self._suspect: WaitingPacket | None = None
        self._decoder: Decoder | None = None  # of what was played last
        self._packet_size = 0
        self._arrivals.average = float(self._start_lead)
        self._flush()

    def _flush(self) -> None:
        self._waiting.clear()
        self._decoded = -1  # start of the packet that was decoded last
        self._line.drop_ahead()
        self._arrivals.clear()
        self._mute = (0, 0)  # from, to: no sound from here is played
        self._dry = 0  # samples concealed since the last sound
        self._wanted = 0  # samples of delay to be won (below zero: lost) by splices
        self._pause = 0
        self._patience = _SPLICE_PATIENCE

    @property
    def delay_ms(self) -> float:
        """The smoothed time from arrival to playout: the lead and half a frame."""
        return max(self._arrivals.average + self._size / 2, 0.0) / self._per_ms

    @property
    def _play(self) -> int:
        """The place in the source's time that is played next."""
        return self._zero + self._line.shifted + self._line.at

    @property
    def _end(self) -> int:
        """Where decoded sound ends."""
        return self._zero + self._line.shifted + self._line.end

    # -- in

    def put(self, timestamp: int, payload: bytes, decoder: Decoder, *, marker: bool = False, age: int = 0) -> None:
        """Take one packet; `decoder` is told of gaps, and decodes it when its turn comes.

        `marker`: the RTP marker, the first of a talk spurt (RFC 3551 §4.1). `age`: how many samples ago it came, where
        it was held back before.
        """
        if not payload:
            return
        if not self._started:
            self._started = True
            # One turn ahead of zero, so that nothing ever counts below it.
            packet = WaitingPacket(self._samples(timestamp + (1 << 32)), payload, decoder)
            self._restart(packet, self._start_lead - age)
            return
        packet = WaitingPacket(self._unwrap(timestamp), payload, decoder)
        lead = packet.start - self._play + age
        if self._parched and (marker or self._dry > _SPURT_MS * self._per_ms):
            self._suspect = None
            # What was learnt of the network's jitter stays; only the pause between the spurts is set anew.
            usual = min(max(self._start_lead, int(self._arrivals.average)), self._max_delay)
            if not -self._size <= lead - usual <= 2 * self._size:
                self._restart(packet, usual)
                return
        elif not -self._jump < lead < self._jump:
            self._suspected(packet)
            return
        self._suspect = None
        if self._arrivals.note(lead) or lead < 0:
            self._weigh(lead)
        self._waiting.add(packet)

    def _unwrap(self, timestamp: int) -> int:
        here = self._play if self.clock_hz == self.rate_hz else self._play * self.clock_hz // self.rate_hz
        return self._samples(here + ((timestamp - here + 0x80000000) & 0xFFFFFFFF) - 0x80000000)

    def _samples(self, ticks: int) -> int:
        return ticks if self.clock_hz == self.rate_hz else ticks * self.rate_hz // self.clock_hz

    def _restart(self, packet: WaitingPacket, lead: int) -> None:
        """Set the lead afresh with this packet; nothing of before is played any more."""
        self._flush()
        self._zero += packet.start - lead - self._play
        expected = max(lead, self._start_lead)
        self._arrivals.average = float(expected)
        self._arrivals.note(expected)
        self._waiting.add(packet)

    def _suspected(self, packet: WaitingPacket) -> None:
        """A timestamp out of all proportion: a damaged packet, or a new time base if the next one agrees (cf. A.1)."""
        first = self._suspect
        if first is None or not 0 < packet.start - first.start <= _JUMP_SPREAD_MS * self._per_ms:
            self._suspect = packet
            return
        self._suspect = None
        self._restart(first, self._start_lead)
        self._arrivals.note(packet.start - first.start + self._start_lead)
        self._waiting.add(packet)

    def _weigh(self, lead: int) -> None:
        """The account of leads has changed: is there a reason to move?"""
        if lead < 0:
            self.late += 1
            if self._parched:
                self._wait_for(min(-lead, -self._arrivals.excess))
        self._want()

    def _want(self) -> None:
        arrivals, per_ms = self._arrivals, self._per_ms
        excess = arrivals.excess
        lacking = excess < -_LACKING_MS * per_ms
        # What varies much is also known less exactly: do not run after it.
        spare = excess > _SPARE_MS * per_ms + arrivals.spread // 8
        self._wanted = excess if lacking or (spare and (arrivals.calm or excess > self._max_delay)) else 0

    @property
    def _parched(self) -> bool:
        """Whether there is nothing to play, here or waiting."""
        return self._dry > 0 and self._waiting.first is None

    def _wait_for(self, back: int) -> None:
        """Nothing is left to play and this packet is late: go back for it, as far as the greatest delay allows."""
        back = min(back, int(self._max_delay - self._arrivals.average))
        if back > 0:
            self._zero -= back
            self._arrivals.moved(-back)
            self.stretched += back

    def mute(self, timestamp: int, duration: int, *, ended: bool) -> None:
        """Play silence in place of an event (RFC 4733 §2.5.2.2): sound of the same time may hold its tone.

        `timestamp` is its start, `duration` so far by the same clock, `ended` whether it is over.
        """
        if not self._started:
            return
        play = self._play
        start = self._unwrap(timestamp)
        until = start + self._samples(duration) + (0 if ended else _MUTE_AHEAD_MS * self._per_ms)
        until = min(until, play + self._jump)
        if start - play > self._jump or until <= max(start, play):
            return
        self._mute = (start, until)
        ahead = self._line.window(0, self._line.left)
        ahead[max(start - play, 0) : until - play] = 0

    # -- out

    def pull(self) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,); silence before the first packet. The array is the caller's."""
        line, size = self._line, self._size
        if self._wanted:
            frame = self._spliced()
            if frame is not None:
                return frame
        while line.end - line.at < size:
            self._lengthen()
        return line.take(size)

    def _lengthen(self) -> None:
        """Lay out the next sound, whatever it is made of."""
        packet = self._waiting.first
        gap = None if packet is None else packet.start - self._end
        if gap is not None and gap <= 0:
            self._line.append(self._next_sound())
            return
        muted = self._mute[1] - self._end if self._mute[0] <= self._end else 0
        if muted > 0:
            self._concealer.reset()
            count = min(self._size, muted, muted if gap is None else gap)
            self._line.append(_silence(count))
        elif gap is None or gap > _BRIDGED_MS * self._per_ms or self._concealer.exhausted:
            self._carry_on(self._size if gap is None else min(gap, self._size))
        else:
            self._close(gap)

    def _next_sound(self) -> Frame:
        """The first waiting packet's sound, as far as it is not too late."""
        late = self._end - self._first.start
        sound = self._decode()[max(late, 0) :]
        if len(sound):
            self._dry = 0
            if self._concealer.filling:
                sound = self._concealer.merge(sound)
        return sound

    @property
    def _first(self) -> WaitingPacket:
        packet = self._waiting.first
        assert packet is not None
        return packet

    def _decode(self) -> Frame:
        """The first waiting packet's sound; nothing, where the one behind it was decoded already."""
        start, payload, decoder = self._waiting.pop()
        if start <= self._decoded:
            return _silence(0)
        self._decoded, self._decoder = start, decoder
        sound = decoder.decode_frame(payload)
        self._packet_size = len(sound)
        begin, until = self._mute
        if start < until and start + len(sound) > begin:
            sound = sound.copy()
            sound[max(begin - start, 0) : until - start] = 0
        return sound

    def _carry_on(self, count: int) -> None:
        """Nothing is known of what comes: go on with what was."""
        concealer, line = self._concealer, self._line
        self._dry += count
        if not concealer.exhausted and self._dry <= _CONCEALED_MS * self._per_ms:
            self.concealed += count
        # A decoder that can do it does it as long as the pause lasts: comfort noise is meant to (RFC 3389 §4).
        filled = None if self._decoder is None else self._decoder.conceal(count)
        line.append(concealer.carry_on(line.tail(concealer.window), count) if filled is None else filled[:count])

    def _close(self, gap: int) -> None:
        """The packet behind the gap is here: lay out both."""
        concealer, line = self._concealer, self._line
        self.concealed += gap
        packet = self._first
        redundant = min(gap, self._packet_size)
        lost = None if redundant == gap else packet.decoder.conceal(gap - redundant)
        rescued = None
        if lost is not None or redundant == gap:
            rescued = packet.decoder.decode_fec(packet.payload, redundant)
        for part in (lost, rescued):
            if part is not None:
                line.append(concealer.merge(part) if concealer.filling else part)
        gap -= sum(len(part) for part in (lost, rescued) if part is not None)
        if gap <= 0:
            return
        past = line.tail(concealer.window)
        sound = self._decode()
        if len(sound) * 4 < concealer.window:
            line.append(concealer.carry_on(past, gap))
            line.append(concealer.merge(sound))
        else:
            line.append(concealer.bridge(past, sound[: concealer.window], gap))
            line.append(sound)
        self._dry = 0

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
        if not self._lies_ready(self._size if grow else self._size + splicer.longest):
            return None
        sound = line.window(-splicer.longest if grow else 0, self._size + splicer.longest)
        splice = splicer.backward(sound) if grow else splicer.forward(sound)
        if splice.likeness < _ALIKE and self._patience:
            self._patience -= 1
            return None
        self._apply(splice, grow)
        return splice.frame

    def _lies_ready(self, count: int) -> bool:
        """Whether so much sound is ahead, all of it real: packets that wait are decoded for it."""
        while self._line.left < count:
            packet = self._waiting.first
            if packet is None or packet.start > self._end:
                return False
            self._line.append(self._next_sound())
        return not self._concealer.filling

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


def _silence(count: int) -> Frame:
    return np.zeros(count, dtype=np.float32)
