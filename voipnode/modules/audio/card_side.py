"""The two directions of a sound card, each between the card's clock and the media clock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.resampler import DriftControl, Resampler
from voipnode.modules.audio.ring import Ring

TARGET_S = 0.030  # cards take and give in lumps of up to 20 ms
MAX_FILL_S = 0.100  # more than this is delay that nobody wants: back to the target at once
CAPACITY_S = 1.0


class Capture:
    """Microphone: the card's thread calls `give`, the media clock `take`. Before there is enough, silence."""

    def __init__(self, card_hz: float, rate_hz: int) -> None:
        self._card_hz = card_hz
        self._size = rate_hz // 100
        self._ring = Ring(int(card_hz * CAPACITY_S))
        self._resampler = Resampler(card_hz, rate_hz)
        self._drift = DriftControl(TARGET_S)
        self._target = int(card_hz * TARGET_S)
        self._primed = False
        self.interruptions = 0  # times that the buffer ran empty, or over

    @property
    def fill_ms(self) -> float:
        return 1000.0 * self._ring.fill / self._card_hz

    def give(self, samples: NDArray[np.float32]) -> None:
        """The card heard this (the card's thread)."""
        self._ring.write(samples)

    def take(self) -> Frame:
        """The next 10 ms at the node's rate."""
        fill = self._ring.fill
        if not self._primed:
            if fill < self._target:
                return np.zeros(self._size, np.float32)
            self._primed = True
            self._drift.reset()
        if fill > MAX_FILL_S * self._card_hz:
            self._ring.skip(fill - self._target)
            self._drift.reset()
            self.interruptions += 1
            fill = self._target
        step = self._resampler.nominal_step * (1.0 + self._drift.update(fill / self._card_hz))
        needed = self._resampler.needed(self._size, step)
        if needed > fill:
            self._primed = False
            self.interruptions += 1
            return np.zeros(self._size, np.float32)
        self._resampler.push(self._ring.read(needed))
        return self._resampler.pull(self._size, step)


class Playback:
    """Loudspeaker: the media clock calls `give`, the card's thread `take`. Where there is nothing, silence."""

    def __init__(self, rate_hz: int, card_hz: float) -> None:
        self._card_hz = card_hz
        self._ring = Ring(int(card_hz * CAPACITY_S))
        self._resampler = Resampler(rate_hz, card_hz)
        self._drift = DriftControl(TARGET_S)
        self._silence = np.zeros(int(card_hz * TARGET_S), np.float32)
        self._begun = False
        self._taken = False  # the card has begun to play; its thread's own
        self.interruptions = 0  # times that the buffer ran empty, or over

    @property
    def fill_ms(self) -> float:
        return 1000.0 * self._ring.fill / self._card_hz

    def give(self, frame: Frame) -> None:
        """Play these 10 ms next."""
        fill = self._ring.fill
        if fill == 0:
            self._ring.write(self._silence)
            self._drift.reset()
            self.interruptions += self._begun
            self._begun = True
            fill = len(self._silence)
        elif not self._taken:
            return  # what would wait for a card that opens late would be as late until the call ends
        elif fill > MAX_FILL_S * self._card_hz:
            self.interruptions += 1  # the card stands still, or takes less than it says: skip a frame
            return
        step = self._resampler.nominal_step * (1.0 + self._drift.update(fill / self._card_hz))
        self._resampler.push(frame)
        self._ring.write(self._resampler.pull(self._resampler.available(step), step))

    def take(self, out: NDArray[np.float32]) -> None:
        """Fill `out` with what the card plays now (the card's thread)."""
        self._taken = True
        samples = self._ring.read(len(out))
        out[: len(samples)] = samples
        out[len(samples) :] = 0.0
