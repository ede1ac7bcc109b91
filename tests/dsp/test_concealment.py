from __future__ import annotations

import numpy as np
import pytest

from tests.support.audio import level_dbfs
from voipnode.dsp.concealment import Concealer
from voipnode.dsp.tones import Tone

RATE = 8000


def tone(samples: int, frequency_hz: float = 200.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / RATE)).astype(np.float32)


def test_without_a_gap_nothing_is_changed() -> None:
    concealer = Concealer(RATE)
    sound = tone(1600)
    first = concealer.good(sound[:80])
    np.testing.assert_array_equal(concealer.good(sound[80:160]), sound[80:160])
    assert len(first) == 80


def test_a_gap_in_a_steady_tone_is_hardly_heard() -> None:
    concealer = Concealer(RATE)
    sound = tone(1600)
    for start in range(0, 800, 80):
        concealer.good(sound[start : start + 80])
    filled = concealer.conceal(80)
    error = filled - sound[800:880]
    assert level_dbfs(filled) - level_dbfs(error) > 25


@pytest.mark.parametrize("frequency_hz", [97.0, 180.0, 333.0, 1000.0])
def test_entry_and_return_have_no_click(frequency_hz: float) -> None:
    concealer = Concealer(RATE)
    sound = tone(2400, frequency_hz)
    played = [concealer.good(sound[start : start + 80]) for start in range(0, 800, 80)]
    played += [concealer.conceal(80), concealer.conceal(80)]
    played += [concealer.good(sound[start : start + 80]) for start in range(960, 1600, 80)]
    steps = np.abs(np.diff(np.concatenate(played)[80:]))
    assert steps.max() < 1.5 * np.abs(np.diff(sound)).max() + 0.01


def test_a_long_gap_fades_by_a_fifth_every_10_ms_and_is_silent_after_60() -> None:
    concealer = Concealer(RATE)
    sound = tone(800)
    concealer.good(sound)
    peaks = [float(np.abs(concealer.conceal(80)).max()) for _ in range(8)]
    for step, peak in enumerate(peaks[:6]):
        begin = min(1.2 - 0.2 * step, 1.0)
        assert peak == pytest.approx(0.5 * begin, abs=0.06), step
    assert peaks[6:] == [0.0, 0.0]
    assert concealer.exhausted


@pytest.mark.parametrize("piece", [1, 7, 40, 80, 160, 333])
def test_any_split_into_pieces_conceals_alike(piece: int) -> None:
    def run(size: int) -> np.ndarray:
        concealer = Concealer(RATE)
        concealer.good(tone(800, 131.0))
        sizes = [min(size, 640 - start) for start in range(0, 640, size)]
        return np.concatenate([concealer.conceal(count) for count in sizes])

    np.testing.assert_allclose(run(piece), run(640), atol=1e-6)


def test_the_first_sound_fades_in_and_a_gap_before_it_is_silence() -> None:
    concealer = Concealer(RATE)
    assert not concealer.conceal(80).any()
    first = concealer.good(np.full(80, 0.5, dtype=np.float32))
    assert 0 < first[0] < 0.05
    assert first[79] == 0.5


def test_noise_is_carried_on_at_its_level() -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, 800).astype(np.float32)
    concealer = Concealer(RATE)
    concealer.good(noise)
    assert level_dbfs(concealer.conceal(80)) == pytest.approx(level_dbfs(noise), abs=3)


def test_memory_wraps_at_any_length() -> None:
    concealer = Concealer(RATE)
    sound = tone(9000, 250.0)
    at = 0
    for size in [1, 79, 81, 160, 333, 700, 1200, 80, 3, 2400]:
        concealer.good(sound[at : at + size])
        at += size
    error = concealer.conceal(40) - sound[at : at + 40]
    assert level_dbfs(error) < -40


def test_too_low_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz is 4000"):
        Concealer(4000)


def test_a_tone_goes_on_from_frame_to_frame() -> None:
    source = Tone(440, level_dbfs=-6)
    frames = np.concatenate([source.next_frame() for _ in range(50)])
    expected = 10 ** (-6 / 20) * np.sin(2 * np.pi * 440 * np.arange(4000) / RATE)
    np.testing.assert_allclose(frames, expected, atol=1e-5)
    with pytest.raises(ValueError, match="do not fit"):
        Tone(4000)
