"""The front end: all that happens to the microphone's sound between the device and the calls.

Echo canceller, suppressor of residual echo and noise, high-pass (`voice_chain`), automatic gain control, gain, limiter.
At 48 kHz the band below 8 kHz is treated, and what lies above follows it (`band_split`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from voipnode.dsp.band_split import LOW_HZ, BandSplit
from voipnode.dsp.fader import Fader, factor
from voipnode.dsp.frames import Frame
from voipnode.dsp.front_end_options import FrontEndOptions
from voipnode.dsp.gain_control import GainControl
from voipnode.dsp.level import SILENCE_DBFS, SINE_DB, LevelMeter
from voipnode.dsp.limiter import Limiter
from voipnode.dsp.reframing import Reframer
from voipnode.dsp.resampling import Resampler
from voipnode.dsp.voice_chain import VoiceChain

CEILING = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndReport:
    """How it stands now. Levels in dBFS of a sine, -120 for silence: what the microphone hears, what the loudspeaker is
    given, what the calls get. `erle_db`: by how much the echo canceller made the microphone softer, `delay_ms` the
    echo's delay (None: not known), `drift_ppm` by how much the microphone's clock is the faster one; `gain_db`: the
    automatic gain, `limited_db` what the limiter takes away."""

    input_dbfs: float = SILENCE_DBFS
    input_peak_dbfs: float = SILENCE_DBFS
    far_dbfs: float = SILENCE_DBFS
    output_dbfs: float = SILENCE_DBFS
    noise_dbfs: float | None = None
    speech_probability: float | None = None
    erle_db: float | None = None
    delay_ms: float | None = None
    drift_ppm: float = 0.0
    gain_db: float = 0.0
    limited_db: float = 0.0
    latency_ms: float = 0.0


class FrontEnd:
    """The whole chain at `rate_hz`: 8000, 16000 or 48000 (ValueError for others).

    `options` may change between any two calls: blocks and gains change over within 10 ms, without a click. It never
    raises for what it is given and puts out neither NaN nor anything above full scale.
    """

    def __init__(self, rate_hz: int, options: FrontEndOptions | None = None) -> None:
        if rate_hz not in (8000, 16000, 48000):
            raise ValueError(f"rate_hz is {rate_hz}: 8000, 16000 or 48000 is right")
        self.rate_hz = rate_hz
        options = FrontEndOptions() if options is None else options
        self._options = options
        self._reframer = Reframer(rate_hz, 2)
        self._chain = VoiceChain(min(rate_hz, LOW_HZ), options)
        self._split = BandSplit() if rate_hz > LOW_HZ else None
        self._far_down = Resampler(rate_hz, LOW_HZ) if rate_hz > LOW_HZ else None
        self._gain_control = GainControl(rate_hz, target_dbfs=options.target_dbfs)
        self._wanted_gain = _gain_of(options)
        self._gain = Fader(rate_hz, self._wanted_gain)
        self._limiter = Limiter(rate_hz, ceiling=CEILING)
        self._input, self._far, self._output = LevelMeter(), LevelMeter(peaks=False), LevelMeter(peaks=False)
        self._controlled = False

    @property
    def options(self) -> FrontEndOptions:
        """What is done now."""
        return self._options

    @options.setter
    def options(self, options: FrontEndOptions) -> None:
        self._options = self._chain.options = options
        self._wanted_gain = _gain_of(options)
        self._gain_control.target_dbfs = options.target_dbfs

    def reset(self) -> None:
        """Forget the room, the voices and what was not complete."""
        self._chain.reset()
        self._forget()

    def pause(self) -> None:
        """Forget the voices and what was not complete, and not the room: another call begins, and its caller does not
        hear himself while the room is learnt that was known before."""
        self._chain.pause()
        self._forget()

    def _forget(self) -> None:
        self._reframer.reset()
        if self._split is not None and self._far_down is not None:
            self._split.reset()
            self._far_down.reset()
        self._gain_control.reset()
        self._gain.gain = self._wanted_gain
        self._limiter.reset()
        for meter in (self._input, self._far, self._output):
            meter.reset()

    @property
    def at_rest(self) -> bool:
        """Whether sound passes as it is, with nothing fading out: then it need not pass here."""
        is_full = self._gain.gain == self._limiter.gain == 1.0
        return self._options.input_is_plain and not self._chain.runs and is_full and not self._controlled

    @property
    def latency_ms(self) -> float:
        """By how much sound is late that comes out now."""
        split_ms = 0.0 if self._split is None else 1000.0 * self._split.latency_samples / self.rate_hz
        chain_ms = 1000.0 * self._chain.late * self._chain.latency_samples / min(self.rate_hz, LOW_HZ)
        return split_ms + chain_ms

    def process(self, far: Any, near: Any) -> Frame:
        """What becomes of `near`, the microphone's next samples, where `far` was given to the loudspeaker meanwhile.

        Any number of samples, as many of both; returns the whole frames of 10 ms that are complete with them, float32,
        a new array. However the sound is cut into calls, the same comes out. What is no sound counts as silence.
        """
        frames = [self._frame(*frames) for frames in self._reframer.push(far, near)]
        return frames[0] if len(frames) == 1 else np.concatenate([np.zeros(0, np.float32), *frames])

    def _frame(self, far: Frame, near: Frame) -> Frame:
        gain = self._wanted_gain
        if not self._options.input_enabled and self._gain.gain == gain == 0.0:
            return self._nothing(near)
        self._input.process(near)
        self._far.process(far)
        frame = self._control(self._treat(far, near))
        frame = self._gain.process(frame, gain).copy()
        self._limiter.process(frame)
        self._output.process(frame)
        return frame

    def _nothing(self, near: Frame) -> Frame:
        """The microphone is disabled: nothing is listened to, and all begins anew when it is enabled."""
        if self._chain.runs:
            self._chain.reset()
        silence = np.zeros_like(near)
        self._input.process(silence)
        self._output.process(silence)
        return silence

    def _control(self, frame: Frame) -> Frame:
        was_on, self._controlled = self._controlled, self._options.automatic_gain_control
        if not self._controlled:
            return self._gain_control.fade_out(frame) if was_on else frame
        if not was_on:
            self._gain_control.reset()
        return self._gain_control.run(frame, may_be_speech=self._chain.may_be_speech)

    def _treat(self, far: Frame, near: Frame) -> Frame:
        chain, split = self._chain, self._split
        if split is None or self._far_down is None:
            return chain.process(far, near)
        low = chain.process(self._far_down.frame(far), split.split(near))
        return split.join(low, chain.gain, chain.late, chain.latency_samples)

    def report(self) -> FrontEndReport:
        """Levels and what the blocks found out."""
        chain = self._chain
        return FrontEndReport(
            input_dbfs=self._input.rms_dbfs,
            input_peak_dbfs=self._input.peak_dbfs,
            far_dbfs=self._far.rms_dbfs,
            output_dbfs=self._output.rms_dbfs,
            noise_dbfs=chain.suppressor.noise_dbfs + SINE_DB if chain.suppresses else None,
            speech_probability=chain.suppressor.speech_probability if chain.suppresses else None,
            erle_db=chain.canceller.erle_db if chain.cancels else None,
            delay_ms=chain.canceller.delay_ms if chain.cancels else None,
            drift_ppm=chain.canceller.drift_ppm if chain.cancels else 0.0,
            gain_db=self._gain_control.gain_db if self._controlled else 0.0,
            limited_db=max(0.0, -20.0 * float(np.log10(self._limiter.gain))),
            latency_ms=self.latency_ms,
        )


def _gain_of(options: FrontEndOptions) -> float:
    if options.input_muted or not options.input_enabled:
        return 0.0
    return factor(options.input_gain_db)
