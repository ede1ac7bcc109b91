"""From waiting packets to sound in a row: decoding in order, and filling what is missing."""

from __future__ import annotations

import numpy as np

from voipnode.codecs.codec import Decoder
from voipnode.dsp.concealment import Concealer
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.media.sound_line import SoundLine
from voipnode.media.waiting_packets import WaitingPackets

PAST_MS = 80  # played sound that is kept, to repeat from and to predict from
_ROOM_MS = 500
_BRIDGED_MS = 40  # the last part of a gap is predicted from both sides
_CONCEALED_MS = 200  # what is longer is counted as a pause
_REST_MS = PAST_MS + _CONCEALED_MS  # after so long a pause all that is remembered is silence


class Playout:
    """One source's sound, laid out on a line as it is needed.

    Places are in samples of the source's time, without wraps: `play` is heard next, sound is laid out up to `end`.
    `dry` is how many samples were made up since the last real one, `concealed` how many ever.
    """

    # Slots: as in `media.stream.AudioStream`.
    __slots__ = (
        "_concealer",
        "_decoded",
        "_decoder",
        "_mute",
        "_packet_size",
        "_per_ms",
        "_size",
        "_waiting",
        "_zero",
        "add",
        "concealed",
        "dry",
        "line",
        "resting",
    )

    def __init__(self, rate_hz: int) -> None:
        self._size = rate_hz // FRAMES_PER_S
        self._per_ms = per_ms = rate_hz // 1000
        self._concealer = Concealer(rate_hz)
        self._waiting = WaitingPackets()
        self.add = self._waiting.add
        """Takes a packet in; it is decoded when its turn comes."""
        self.line = SoundLine(PAST_MS * per_ms, _ROOM_MS * per_ms)
        self.concealed = 0
        self._zero = 0  # a place on the line, and this, is its place in the source's time
        self._decoder: Decoder | None = None  # of what was played last
        self._packet_size = 0
        self.flush()
        self.resting = True  # there is nothing to remember yet

    def flush(self) -> None:
        """Nothing that waits is played any more; what is being concealed fades out."""
        self._waiting.clear()
        self._decoded = -1  # start of the packet that was decoded last
        self.line.drop_ahead()
        self._mute = (0, 0)  # from, to: no sound from here is played
        self.dry = 0
        self.resting = False  # in a long pause, of a codec that has nothing to say of it

    def forget(self) -> None:
        """The source is another: its decoder conceals no more."""
        self._decoder = None
        self._packet_size = 0

    @property
    def play(self) -> int:
        line = self.line
        return self._zero + line.shifted + line.at

    @property
    def end(self) -> int:
        return self._zero + self.line.shifted + self.line.end

    @property
    def parched(self) -> bool:
        """Whether there is nothing to play, here or waiting."""
        return self.dry > 0 and self._waiting.first_at is None

    def shift(self, count: int) -> None:
        """Name all places anew: what is played next is `count` later in the source's time (below zero: earlier)."""
        self._zero += count

    def mute(self, start: int, until: int) -> None:
        """Silence from one place to another, whatever sound there is for it. Forgets the mute before."""
        play = self.play
        self._mute = (start, until)
        ahead = self.line.window(0, self.line.left)
        ahead[max(start - play, 0) : max(until - play, 0)] = 0

    def rest(self, count: int) -> Frame | None:
        """The next `count` samples of a long pause, for which only the places move; None: sound is to be laid out."""
        if not self.resting or self.line.left or self._waiting.first_at is not None:
            return None
        self.dry += count
        self._zero += count
        return _silence(count)

    def lies_ready(self, count: int) -> bool:
        """Whether so much sound is ahead, all of it real: packets that wait are decoded for it."""
        while self.line.left < count:
            start = self._waiting.first_at
            if start is None or start > self.end:
                return False
            self.line.append(self._next_sound(self.end - start))
        return not self._concealer.filling

    def lengthen(self) -> None:
        """Lay out the next sound, whatever it is made of."""
        line, start = self.line, self._waiting.first_at
        end = self._zero + line.shifted + line.end
        gap = None if start is None else start - end
        if gap is not None and gap <= 0:
            line.append(self._next_sound(-gap))
            return
        muted = self._mute[1] - end if self._mute[0] <= end else 0
        if muted > 0:
            self._concealer.reset()
            count = min(self._size, muted, muted if gap is None else gap)
            line.append(_silence(count))
        elif gap is None or gap > _BRIDGED_MS * self._per_ms or self._concealer.exhausted:
            self._carry_on(self._size if gap is None else min(gap, self._size))
        else:
            self._close(gap)

    def _next_sound(self, late: int) -> Frame:
        """The first waiting packet's sound without its first `late` samples, whose place is taken."""
        sound = self._decode()
        if late:
            sound = sound[late:]
        if len(sound):
            self.dry = 0
            self.resting = False
            if self._concealer.filling:
                sound = self._concealer.merge(sound)
        return sound

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
        concealer, line = self._concealer, self.line
        self.dry += count
        if not concealer.exhausted and self.dry <= _CONCEALED_MS * self._per_ms:
            self.concealed += count
        # A decoder that can do it does it as long as the pause lasts: comfort noise is meant to (RFC 3389 §4).
        filled = None if self._decoder is None else self._decoder.conceal(count)
        self.resting = filled is None and self.dry >= _REST_MS * self._per_ms
        line.append(concealer.carry_on(line.tail(concealer.window), count) if filled is None else filled[:count])

    def _close(self, gap: int) -> None:
        """The packet behind the gap is here: lay out both."""
        concealer, line = self._concealer, self.line
        self.concealed += gap
        _, payload, decoder = self._waiting.first
        redundant = min(gap, self._packet_size)
        lost = None if redundant == gap else decoder.conceal(gap - redundant)
        rescued = None
        if lost is not None or redundant == gap:
            rescued = decoder.decode_fec(payload, redundant)
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
        self.dry = 0
        self.resting = False


def _silence(count: int) -> Frame:
    return np.zeros(count, dtype=np.float32)
