"""The limiter: never above the ceiling, never a click, nothing touched that needs no limiting."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.frames import Frame
from voipnode.dsp.limiter import Limiter

RATE_HZ, SIZE = 16000, 160


def through(limiter: Limiter, sound: Frame) -> Frame:
    return np.concatenate([limiter.process(sound[at : at + SIZE].copy()) for at in range(0, len(sound), SIZE)])


def sine(hz: float, peak: float, seconds: float) -> Frame:
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(RATE_HZ * seconds)) / RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_ever_above_the_ceiling(seed: int) -> None:
    dice = np.random.default_rng(seed)
    bursts = np.repeat(10 ** (dice.uniform(-60, 60, 100) / 20), SIZE)
    sound = (dice.normal(0, 1, len(bursts)) * bursts).astype(np.float32)
    assert np.abs(through(Limiter(RATE_HZ, ceiling=0.9), sound)).max() <= np.float32(0.9)


def test_sound_below_the_ceiling_is_not_touched() -> None:
    sound = sine(440, 1.0, 0.5)
    assert np.array_equal(through(Limiter(RATE_HZ), sound), sound)


def test_a_loud_tone_stays_a_tone() -> None:
    """Cut off at full scale, 12 dB too much of it would be a square wave: its third harmonic at -10 dB."""
    heard = through(Limiter(RATE_HZ), sine(300, 4.0, 1.0))[RATE_HZ // 2 :]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    fundamental, third = spectrum[150], spectrum[450]
    assert 20 * np.log10(third / fundamental) < -40
    assert 0.9 < np.abs(heard).max() <= 1.0


def test_the_gain_falls_and_returns_without_a_step() -> None:
    """A low tone with a loud second in it: no step between samples is larger than the tone's own would be."""
    quiet, loud = sine(100, 0.2, 0.1), sine(100, 3.0, 0.2)
    limiter = Limiter(RATE_HZ)
    heard = through(limiter, np.concatenate([quiet, loud, sine(100, 0.2, 1.0)]))
    slope = 2 * np.pi * 100 / RATE_HZ
    assert np.abs(np.diff(heard)).max() < 3.0 * slope * 1.05
    assert limiter.gain == 1.0
    assert np.abs(heard[-1600:]).max() == pytest.approx(0.2, abs=1e-3)


def test_several_sounds_at_once_are_limited_each_for_itself() -> None:
    sounds = np.stack([sine(440, 0.5, 0.2), sine(300, 4.0, 0.2), np.roll(sine(440, 3.0, 0.2), 800)])
    alone = [through(Limiter(RATE_HZ), sound) for sound in sounds]
    together = Limiter(RATE_HZ, sounds=3)
    pieces = [together.process(sounds[:, at : at + SIZE].copy()) for at in range(0, sounds.shape[1], SIZE)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), alone)
    np.testing.assert_array_equal(alone[0], sounds[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_becomes_silence_or_full_scale(bad: float) -> None:
    limiter = Limiter(RATE_HZ)
    frame = np.full(SIZE, 0.5, np.float32)
    frame[7] = bad
    assert np.abs(limiter.process(frame)).max() <= 1.0
    assert np.isfinite(limiter.process(np.ones(SIZE, np.float32))).all()
