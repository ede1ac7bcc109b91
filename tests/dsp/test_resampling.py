"""The resampler against what its docstring promises, and against the same filter computed the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.resampling import LATENCY_S, Resampler

PAIRS = [
    (8000, 16000),
    (16000, 8000),
    (8000, 48000),
    (48000, 8000),
    (16000, 48000),
    (48000, 16000),
    (16000, 24000),
    (24000, 16000),
]


def through(in_hz: int, out_hz: int, sound: np.ndarray) -> np.ndarray:
    resampler, size = Resampler(in_hz, out_hz), in_hz // 100
    frames = [resampler.frame(sound[at : at + size]) for at in range(0, len(sound), size)]
    assert all(frame.shape == (out_hz // 100,) and frame.dtype == np.float32 for frame in frames)
    return np.concatenate(frames)


def tone(hz: float, rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz).astype(np.float32)


def gain_db(in_hz: int, out_hz: int, hz: float) -> float:
    """Of everything that comes out, its own aliases and images too, over the sine that went in."""
    settled = through(in_hz, out_hz, tone(hz, in_hz))[out_hz // 20 :]
    return 10 * float(np.log10(np.mean(np.square(settled, dtype=np.float64)) / 0.5))


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_speech_passes_flat_with_images_60_db_down(in_hz: int, out_hz: int) -> None:
    lower = min(in_hz, out_hz)
    for hz in (100, 300, 1000, 0.3 * lower, 0.425 * lower):
        settled = through(in_hz, out_hz, tone(hz, in_hz))[out_hz // 20 :]
        angle = 2 * np.pi * hz * np.arange(len(settled)) / out_hz
        basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        weights = np.linalg.lstsq(basis, settled, rcond=None)[0]
        rest = settled - basis @ weights
        assert abs(20 * np.log10(np.hypot(*weights))) < 0.1, hz
        assert 10 * np.log10(np.mean(rest**2) / 0.5 + 1e-12) < -60, hz


@pytest.mark.parametrize(("in_hz", "out_hz"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_what_the_lower_rate_cannot_hold_is_kept_out(in_hz: int, out_hz: int) -> None:
    for hz in np.arange(0.575 * out_hz, in_hz / 2, 0.05 * out_hz):
        assert gain_db(in_hz, out_hz, float(hz)) < -60, hz


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_the_delay_is_less_than_2_ms(in_hz: int, out_hz: int) -> None:
    sound = np.zeros(in_hz // 10, np.float32)
    sound[in_hz // 100] = 1.0
    peak = int(np.argmax(through(in_hz, out_hz, sound)))
    assert LATENCY_S < 0.002
    assert abs(peak / out_hz - 0.01 - LATENCY_S) <= 0.5 / min(in_hz, out_hz)


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_frames_are_joined_without_a_seam(in_hz: int, out_hz: int) -> None:
    """Against one pass over everything, computed output by output from the definition."""
    sound = np.random.default_rng(1).normal(0, 0.2, in_hz // 20).astype(np.float32)
    impulse_at = in_hz // 50  # every phase of the filter, from impulses on consecutive samples
    expected = np.zeros(out_hz // 20)
    for at, value in enumerate(sound):
        impulse = np.zeros(in_hz // 10, np.float32)
        impulse[impulse_at + at % (in_hz // 400)] = value
        answer = through(in_hz, out_hz, impulse)
        shift = round((at - impulse_at - at % (in_hz // 400)) * out_hz / in_hz)
        moved = np.roll(answer, shift)[: len(expected)]
        expected += moved
    np.testing.assert_allclose(through(in_hz, out_hz, sound), expected, atol=1e-5)


def test_a_reset_forgets() -> None:
    resampler = Resampler(16000, 8000)
    resampler.frame(np.ones(160, np.float32))
    resampler.reset()
    assert not resampler.frame(np.zeros(160, np.float32)).any()


@pytest.mark.parametrize("rates", [(8000, 44100), (0, 8000), (8000, -8000)])
def test_rates_that_do_not_divide_into_blocks_are_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 400"):
        Resampler(*rates)
