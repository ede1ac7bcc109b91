"""The jitter buffer: sound in by RTP timestamp, 10 ms frames out at a steady pace.

Sound lies in a ring by its timestamp, so reordering, repetition, any packet length and wraps need no special cases.
Between arrival and playout lies the *lead*: how far a packet is ahead of the place that plays when it arrives. The
buffer starts with a lead of 20 ms and touches it only with cause:

    the smallest lead of the last seconds    what is done
    under 10 ms (late packets, slow sender)  one splice, backward: a pitch period is repeated
    10 to 30 ms                              nothing: a clean network passes unaltered
    over 30 ms for 4 s or more (fast sender) one splice, forward: a pitch period is left out
    a packet comes after its time while      play waits for it: the gap was being concealed anyhow, and simply
      nothing is left to play                ends later ("stretched in the concealed part")
    a talk spurt begins after silence        the lead is set afresh, unheard

The single smallest lead of the window is forgiven: one stray packet in 400 is not worth delay for all others. Leads are
counted in samples against the playing place, not in wall time, so a stalled or bursting media clock is seen as what it
is to the listener: a shift of the lead.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.concealment import Concealer
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.splice import Splice, Splicer

START_LEAD_MS = 20
LOW_LEAD_MS = 10  # one frame: leads are seen in steps of a frame, so less might be late at the next step
HIGH_LEAD_MS = 30
MAX_DELAY_MS = 200
_JUMP_MS = 512  # a timestamp further off than this is no delay but another time base
_JUMP_SPREAD_MS = 200  # the second packet that confirms a jump is at most this far from the first
_HISTORY_MS = 256  # played sound that is kept, to repeat from
_SPURT_MS = 200  # so long a pause that what follows is a new talk spurt even without a marker
_MUTE_AHEAD_MS = 60  # silence laid out beyond the last report of an event that still goes on
_WINDOW_S = 8
_SPLICE_PAUSE = 4  # frames between two splices
_SPLICE_PATIENCE = 30  # frames to wait for a place that splices well
_ALIKE = 0.7
_CALM_S = 4  # seconds that must have been watched before the delay shrinks
_CLEAR_FRAMES = 4
_NO_LEAD = 1 << 40

T = TypeVar("T", bound=np.generic)


class JitterBuffer:
    """Orders, delays and completes one source's sound.

    `put` takes float32 samples of `rate_hz` by 32-bit timestamp, which counts `clock_hz` (None: samples; they differ
    for G.722 and Opus), `pull` gives 10 ms frames. Memory is one second of sound, whatever is put. Counters in samples:
    `concealed`, `stretched`, `squeezed`; in packets: `late`.
    """

    def __init__(self, rate_hz: int, clock_hz: int | None = None, *, max_delay_ms: int = MAX_DELAY_MS) -> None:
        self.rate_hz = rate_hz
        self.clock_hz = rate_hz if clock_hz is None else clock_hz
        self._size = rate_hz // FRAMES_PER_S
        self._per_ms = rate_hz // 1000
        self._capacity = 1 << (rate_hz - 1).bit_length()
        self._mask = self._capacity - 1
        self._ring: Frame = np.zeros(self._capacity, dtype=np.float32)
        self._filled = np.zeros(self._capacity, dtype=np.bool_)
        self._start_lead = START_LEAD_MS * self._per_ms
        self._low = LOW_LEAD_MS * self._per_ms
        self._high = HIGH_LEAD_MS * self._per_ms
        self._max_delay = max_delay_ms * self._per_ms
        self._jump = _JUMP_MS * self._per_ms
        self._history = _HISTORY_MS * self._per_ms
        self._concealer = Concealer(rate_hz)
        self._splicer = Splicer(self._size, 5 * self._per_ms // 2, 15 * self._per_ms)
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
        self._play: int | None = None  # unwrapped timestamp of the next sample to play; None before the first packet
        self._suspect: tuple[int, Frame] | None = None
        self._flush()

    def _flush(self) -> None:
        self._filled[:] = False
        self._end = 0  # where the newest sound ends
        self._mute = (0, 0)  # from, to: no sound from here is played
        self._cleared = 0
        self._dry_frames = 0
        self._shift = 0  # by how much splices moved the playing place, so that old leads can be compared
        self._leads: deque[tuple[int, int]] = deque(maxlen=_WINDOW_S)  # per second: smallest, second smallest
        self._second: tuple[int, int] = (_NO_LEAD, _NO_LEAD)
        self._ticks = 0
        self._smallest = _NO_LEAD  # of the whole window, the stray one forgiven
        self._spare = 0  # how much of the lead has been without use for long enough
        self._average = float(self._start_lead)
        self._pause = 0
        self._patience = _SPLICE_PATIENCE

    @property
    def delay_ms(self) -> float:
        """The smoothed time from arrival to playout: the lead and half a frame."""
        return max(self._average + self._size / 2, 0.0) / self._per_ms

    # -- in

    def put(self, timestamp: int, samples: Frame, *, marker: bool = False, age: int = 0) -> None:
        """Take one packet's sound.

        `marker`: the RTP marker, the first of a talk spurt (RFC 3551 §4.1). `age`: how many samples ago it came, where
        it was held back before.
        """
        if not len(samples):
            return
        if self._play is None:
            # One turn ahead of zero, so that nothing ever counts below it.
            self._restart(self._samples(timestamp + (1 << 32)), samples, self._start_lead - age)
            return
        start = self._unwrap(timestamp)
        lead = start - self._play + age
        dry = self._end <= self._play
        if dry and (marker or self._dry_frames > _SPURT_MS // 10):
            self._suspect = None
            if not self._low <= lead <= self._high + self._size:
                # What was learnt of the network's jitter stays; only the pause between the spurts is set anew.
                self._restart(start, samples, min(max(self._start_lead, int(self._average)), self._max_delay))
                return
        elif not -self._jump < lead < self._jump:
            self._suspected(start, samples)
            return
        self._suspect = None
        if lead < 0:
            self.late += 1
            lead = self._wait_for(lead) if dry else lead
        self._note_lead(lead)
        self._write(start, samples)

    def mute(self, timestamp: int, duration: int, *, ended: bool) -> None:
        """Play silence in place of an event (RFC 4733 §2.5.2.2): sound of the same time may hold its tone.

        `timestamp` is its start, `duration` so far by the same clock, `ended` whether it is over.
        """
        if self._play is None:
            return
        start = self._unwrap(timestamp)
        until = start + self._samples(duration) + (0 if ended else _MUTE_AHEAD_MS * self._per_ms)
        begin = max(start, self._play)
        until = min(until, self._play + self._jump)
        if start - self._play > self._jump or until <= begin:
            return
        self._mute = (start, until)
        self._write(begin, np.zeros(until - begin, dtype=np.float32))

    def _restart(self, start: int, samples: Frame, lead: int) -> None:
        """Set the lead afresh with this packet; nothing of before is played any more."""
        self._flush()
        self._play = start - lead
        self._cleared = self._play - self._history
        self._average = float(max(lead, self._start_lead))
        self._note_lead(max(lead, self._start_lead))
        self._write(start, samples)

    def _suspected(self, start: int, samples: Frame) -> None:
        """A timestamp out of all proportion: a damaged packet, or a new time base if the next one agrees (cf. A.1)."""
        first = self._suspect
        if first is None or not 0 < start - first[0] <= _JUMP_SPREAD_MS * self._per_ms:
            self._suspect = (start, samples)
            return
        self._suspect = None
        self._restart(*first, self._start_lead)
        self._note_lead(start - first[0] + self._start_lead)
        self._write(start, samples)

    def _wait_for(self, lead: int) -> int:
        """Nothing is left to play and this packet is late: go back for it, as far as the greatest delay allows."""
        assert self._play is not None
        back = min(self._low - lead, int(self._max_delay - self._average))
        if back <= 0:
            return lead
        self._move(-back)
        self.stretched += back
        return lead + back

    def _move(self, count: int) -> None:
        """Shift the playing place against the clock; leads noted before shift with it."""
        assert self._play is not None
        self._play += count
        self._shift += count
        self._average -= count
        self._smallest -= count
        self._spare -= count

    def _unwrap(self, timestamp: int) -> int:
        assert self._play is not None
        here = self._play if self.clock_hz == self.rate_hz else self._play * self.clock_hz // self.rate_hz
        return self._samples(here + ((timestamp - here + 0x80000000) & 0xFFFFFFFF) - 0x80000000)

    def _samples(self, ticks: int) -> int:
        return ticks if self.clock_hz == self.rate_hz else ticks * self.rate_hz // self.clock_hz

    def _note_lead(self, lead: int) -> None:
        self._average += (lead - self._average) / 16
        absolute = lead + self._shift
        first, second = self._second
        if absolute < first:
            self._second = (absolute, first)
        elif absolute < second:
            self._second = (first, absolute)
        else:
            return
        if lead < self._smallest:
            self._survey()

    def _survey(self) -> None:
        values = sorted(value for pair in (*self._leads, self._second) for value in pair)
        self._smallest = values[1] - self._shift
        calm = len(self._leads) >= _CALM_S and values[1] < _NO_LEAD
        self._spare = self._smallest if calm else 0
        newest = min(self._second[0], self._leads[-1][0] if self._leads else _NO_LEAD)
        if self._max_delay < newest - self._shift < _NO_LEAD // 2:
            self._spare = newest - self._shift  # beyond all measure: no need to wait for calm

    def _write(self, start: int, samples: Frame) -> None:
        assert self._play is not None
        end = start + len(samples)
        limit = self._play + self._capacity - self._history - 2 * _CLEAR_FRAMES * self._size
        if start < self._play:
            samples = samples[self._play - start :]
            start = self._play
        if end > limit:
            samples = samples[: limit - start]
            end = limit
        if start >= end:
            return
        if start < self._mute[1] and end > self._mute[0]:
            samples = self._silenced(start, samples)
        self._end = max(self._end, end)
        first = start & self._mask
        if first + len(samples) <= self._capacity:
            self._ring[first : first + len(samples)] = samples
            self._filled[first : first + len(samples)] = True
            return
        fit = self._capacity - first
        self._ring[first:] = samples[:fit]
        self._filled[first:] = True
        self._ring[: len(samples) - fit] = samples[fit:]
        self._filled[: len(samples) - fit] = True

    def _silenced(self, start: int, samples: Frame) -> Frame:
        samples = samples.copy()
        samples[max(self._mute[0] - start, 0) : max(self._mute[1] - start, 0)] = 0
        return samples

    # -- out

    def pull(self) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,); silence before the first packet. The array is the caller's."""
        play = self._play
        if play is None:
            return self._concealer.conceal(self._size)
        self._ticks += 1
        if self._ticks >= FRAMES_PER_S:
            self._next_second()
        if self._pause:
            self._pause -= 1
        elif self._smallest < self._low or self._spare > self._high:
            splice = self._adjust()
            if splice is not None:
                return splice
        self._play = play + self._size
        frame = self._take(play)
        self._clear_history()
        return frame

    def _take(self, play: int) -> Frame:
        """The frame at `play` from ring and concealment."""
        first = play & self._mask
        last = first + self._size
        if last <= self._capacity and self._filled[first:last].all():
            self._dry_frames = 0
            return self._concealer.good(self._ring[first:last].copy())
        filled = _window(self._filled, play, self._size)
        sound = _window(self._ring, play, self._size)
        if not filled.any():
            self._dry_frames += 1
            return self._concealed(self._size)
        self._dry_frames = 0
        edges = np.flatnonzero(np.diff(filled)) + 1
        bounds = [0, *edges.tolist(), self._size]
        runs = pairwise(bounds)
        return np.concatenate(
            [self._concealer.good(sound[a:b]) if filled[a] else self._concealed(b - a) for a, b in runs]
        )

    def _concealed(self, count: int) -> Frame:
        if not self._concealer.exhausted:
            self.concealed += count
        return self._concealer.conceal(count)

    def _adjust(self) -> Frame | None:
        """Make one splice if this place allows it: the frame to play, or None to go on unaltered."""
        assert self._play is not None
        play, size, longest = self._play, self._size, self._splicer.longest
        grow = self._smallest < self._low
        if grow and self._average + longest > self._max_delay:
            return None
        start = play - longest if grow else play
        if not _window(self._filled, start, size + longest).all():
            return None
        sound = _window(self._ring, start, size + longest)
        splice = self._splicer.backward(sound) if grow else self._splicer.forward(sound)
        if splice.likeness < _ALIKE and self._patience:
            self._patience -= 1
            return None
        self._apply(splice, grow)
        return self._concealer.good(splice.frame)

    def _apply(self, splice: Splice, grow: bool) -> None:
        assert self._play is not None
        self._play += self._size
        self._move(-splice.lag if grow else splice.lag)
        if grow:
            self.stretched += splice.lag
        else:
            self.squeezed += splice.lag
        self._dry_frames = 0
        self._pause = _SPLICE_PAUSE
        self._patience = _SPLICE_PATIENCE

    def _next_second(self) -> None:
        self._ticks = 0
        self._leads.append(self._second)
        self._second = (_NO_LEAD, _NO_LEAD)
        self._survey()

    def _clear_history(self) -> None:
        """Sound older than the history is no longer there, so that its place in the ring can be told from new sound."""
        assert self._play is not None
        until = self._play - self._history
        count = until - self._cleared
        if count < _CLEAR_FRAMES * self._size:
            return
        first = self._cleared & self._mask
        self._filled[first : first + count] = False
        if first + count > self._capacity:
            self._filled[: first + count - self._capacity] = False
        self._cleared = until


def _window(ring: NDArray[T], start: int, count: int) -> NDArray[T]:
    """`count` items of a ring from `start`, in order: a view, or a copy where they wrap."""
    first = start & (len(ring) - 1)
    if first + count <= len(ring):
        return ring[first : first + count]
    return np.concatenate((ring[first:], ring[: first + count - len(ring)]))
