"""What is done to a microphone's sound, in its order, at 8 or 16 kHz."""

from __future__ import annotations

import math

import numpy as np

from voipnode.dsp.band_limit import HIGH_PASS_HZ, BandLimit
from voipnode.dsp.echo.canceller import Cancelled, EchoCanceller
from voipnode.dsp.frames import Frame
from voipnode.dsp.front_end_options import FrontEndOptions
from voipnode.dsp.level import mean_square
from voipnode.dsp.stage import Stage
from voipnode.dsp.suppressor import Suppressor

_LEAD = 2  # frames until the suppressor's windows overlap as they should
_FAR_ACTIVE = 5e-6  # power: -50 dBFS
_RINGS_ON = 30  # frames that a room goes on after the far end has fallen silent
_ECHO_LEFT = 0.3  # of the microphone's power: with less, what was heard was not the near end
_NOISE_LEFT = 0.03
_SPEECH = 0.5  # probability
_KNOWN_ROOM_DB = 10.0  # of echo taken away: from then on what is left can be told from the near end
_KEEP = 0.7  # of the powers that are compared, per frame: 30 ms
_SOFTEST = 1e-10  # power: -97 dBFS


class VoiceChain:
    """Echo canceller, suppressor of what is left of the echo and of noise, high-pass; frames of 10 ms, float32.

    `options` may change at any frame: blocks are put in and taken out without a click. One that is out costs nothing,
    and begins anew. `gain` tells by how much the last frames came out softer than they went in (a factor, for what lies
    above the band), `may_be_speech` whether they were more than what is left of an echo or of noise. Raises ValueError
    for other rates than 8000 and 16000.
    """

    def __init__(self, rate_hz: int, options: FrontEndOptions) -> None:
        self._rate_hz = rate_hz
        self._corner_hz = options.high_pass_hz or HIGH_PASS_HZ
        self._high_pass = BandLimit(rate_hz, low_hz=self._corner_hz, order=2)
        self.canceller = EchoCanceller(rate_hz)
        self.suppressor = Suppressor(rate_hz)
        self._filters = Stage(rate_hz)
        self._cancels = Stage(rate_hz)
        self._suppresses = Stage(rate_hz, lead=_LEAD)
        self.options = options
        self.reset()

    def reset(self) -> None:
        """Forget the room and what was heard."""
        self._cancels.reset(on=self.options.echo_cancellation)
        self._knows_room = False
        self._forget()

    def pause(self) -> None:
        """Forget what was heard, and not the room: another call begins."""
        self._cancels.settle(on=self.options.echo_cancellation)
        self.canceller.pause()
        self._forget()

    def _forget(self) -> None:
        self._filters.reset(on=self.options.high_pass_hz > 0)
        self._suppresses.reset(on=self._may_suppress)
        self._power = 0.0  # of what is given
        self._given = self._made = 0.0  # the power of what was made, before and after
        self._rings_on = 0

    @property
    def runs(self) -> bool:
        """Whether any block is in its place, or on its way out."""
        return self._filters.runs or self._cancels.runs or self._suppresses.runs

    @property
    def late(self) -> float:
        """1.0 where the frame that is made is late by `latency_samples`, 0.0 where it is not."""
        return self._suppresses.share

    @property
    def latency_samples(self) -> int:
        """Of the suppressor; without it there is no delay."""
        return self.suppressor.latency_samples

    @property
    def cancels(self) -> bool:
        """Whether the echo canceller runs."""
        return self._cancels.runs

    @property
    def suppresses(self) -> bool:
        """Whether the suppressor runs."""
        return self._suppresses.runs

    def process(self, far: Frame, near: Frame) -> Frame:
        """The next 10 ms: `near` itself, or what is good until the next call."""
        before, self._power = self._power, _smooth(self._power, mean_square(near))
        cancelled = self._cancel(far, near)
        frame = self._suppress(near if cancelled is None else cancelled.error, cancelled)
        self._made = _smooth(self._made, mean_square(frame))
        self._given = before if self.late else self._power
        self._rings_on = _RINGS_ON if mean_square(far) > _FAR_ACTIVE else max(0, self._rings_on - 1)
        # In front of the canceller a high-pass would be part of the room, and ring longer than the room does.
        return self._filter(frame)

    @property
    def gain(self) -> float:
        return min(1.0, math.sqrt((self._made + _SOFTEST) / (self._given + _SOFTEST)))

    @property
    def may_be_speech(self) -> bool:
        may_be_echo = self._rings_on > 0 and self._cancels.runs
        if may_be_echo and not self._knows_room:
            self._knows_room = self.canceller.erle_db > _KNOWN_ROOM_DB
            return False
        if self._made < (_ECHO_LEFT if may_be_echo else _NOISE_LEFT) * self._given:
            return False
        return not self._suppresses.runs or self.suppressor.speech_probability > _SPEECH

    def _filter(self, frame: Frame) -> Frame:
        stage, corner_hz = self._filters, self.options.high_pass_hz
        if not stage.turn(on=corner_hz > 0):
            return frame
        if corner_hz not in (0, self._corner_hz):
            self._corner_hz = corner_hz
            self._high_pass = BandLimit(self._rate_hz, low_hz=corner_hz, order=2)
        if stage.begins:
            self._high_pass.reset()
        return stage.blend(frame, self._high_pass.run(frame))

    def _cancel(self, far: Frame, near: Frame) -> Cancelled | None:
        stage = self._cancels
        if not stage.turn(on=self.options.echo_cancellation):
            return None
        if stage.begins:
            self.canceller.reset()
            self._knows_room = False
        cancelled = self.canceller.process(far, near)
        heard = stage.blend(near, cancelled.error)
        if heard is not cancelled.error:
            np.copyto(cancelled.error, heard)
        return cancelled

    @property
    def _may_suppress(self) -> bool:
        """What is left of an echo, or noise."""
        return self.options.echo_cancellation or self.options.noise_suppression

    def _suppress(self, frame: Frame, cancelled: Cancelled | None) -> Frame:
        stage, suppressor, options = self._suppresses, self.suppressor, self.options
        if not stage.turn(on=self._may_suppress):
            return frame
        if stage.begins:
            suppressor.reset()
        suppressor.noise = options.noise_suppression
        if suppressor.noise_floor_db != -options.noise_reduction_db:
            suppressor.noise_floor_db = -options.noise_reduction_db
        after = suppressor.process_plain(frame) if cancelled is None else suppressor.process(cancelled)
        return stage.blend(frame, after)


def _smooth(before: float, power: float) -> float:
    return power + (before - power) * _KEEP
