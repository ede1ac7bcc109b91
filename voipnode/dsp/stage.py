"""A block of a chain that is put in and taken out while sound runs through it, without a click."""

from __future__ import annotations

from voipnode.dsp.fader import Fader
from voipnode.dsp.frames import Frame


class Stage:
    """Fades over from the sound before a block to the sound after it, and back, each within a frame of 10 ms.

    `lead` frames pass through the block before they are heard, for one that needs a past. While `turn` says False the
    block need not be given anything; `begins` is True in the frame in which it is given the first.
    """

    def __init__(self, rate_hz: int, *, lead: int = 0) -> None:
        self._fader = Fader(rate_hz, 0.0)
        self._lead = self._waits = lead
        self.runs = False
        self.begins = False
        self.share = 0.0  # of what comes after the block, at the end of this frame

    def reset(self, *, on: bool) -> None:
        """In its place, or out of it, from the first frame on; the block begins anew."""
        self.settle(on=on)
        self.runs = self.begins = False

    def settle(self, *, on: bool) -> None:
        """As `reset`, for a block that goes on where it is."""
        self._fader.gain = self.share = 1.0 if on else 0.0
        self._waits = 0 if on else self._lead

    def turn(self, *, on: bool) -> bool:
        """What is wanted in this frame; whether the block runs in it."""
        runs = on or self._fader.gain > 0.0
        self.begins = runs and not self.runs
        self.runs = runs
        if not on:
            self._waits = self._lead
        self.share = 1.0 if on and not self._waits else 0.0
        self._waits -= on and self._waits > 0
        return runs

    def blend(self, before: Frame, after: Frame) -> Frame:
        """What is heard: after the block, before it, or, in the frame of a change, a fade."""
        return self._fader.blend(before, after, self.share)
