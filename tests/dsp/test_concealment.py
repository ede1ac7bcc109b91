from __future__ import annotations

import numpy as np
import pytest

from tests.support.audio import level_dbfs
from voipnode.dsp.concealment import Concealer

RATE = 8000
PACKET = 160


def tone(samples: int, frequency_hz: float = 200.0, rate_hz: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / rate_hz)).astype(np.float32)


def in_a_gap(rate_hz: int = RATE) -> Concealer:
    """One that has heard sound before: the first gap of all is silence."""
    concealer = Concealer(rate_hz)
    concealer.merge(np.zeros(1, dtype=np.float32))
    return concealer


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("frequency_hz", [97.0, 180.0, 333.0, 1000.0, 3100.0])
def test_a_tone_is_bridged_in_phase(frequency_hz: float, rate_hz: int) -> None:
    packet = rate_hz // 50
    concealer = in_a_gap(rate_hz)
    sound = tone(6 * packet, frequency_hz, rate_hz)
    begin, end = 2 * packet, 3 * packet
    bridged = concealer.bridge(sound[begin - concealer.window : begin], sound[end : end + packet], packet)
    assert bridged.shape == (packet,)
    assert bridged.dtype == np.float32
    error = bridged - sound[begin:end]
    assert level_dbfs(bridged) - level_dbfs(error) > 9
    assert level_dbfs(bridged) == pytest.approx(level_dbfs(sound), abs=3)
    assert not concealer.filling


def test_both_sides_are_better_than_one() -> None:
    """A voice that changes: the pitch glides from 120 to 150 Hz over the gap, with harmonics."""
    steps = np.arange(4 * PACKET)
    phase = 2 * np.pi * np.cumsum(120 + 30 * steps / len(steps)) / RATE
    voice = sum(0.2 / n * np.sin(n * phase) for n in range(1, 12)).astype(np.float32)
    begin, end = 2 * PACKET, 3 * PACKET
    one, both = in_a_gap(), in_a_gap()
    past = voice[begin - one.window : begin]
    onward = one.carry_on(past, PACKET) - voice[begin:end]
    bridged = both.bridge(past, voice[end:], PACKET) - voice[begin:end]
    assert level_dbfs(onward) - level_dbfs(bridged) > 3


@pytest.mark.parametrize("frequency_hz", [97.0, 180.0, 333.0, 1000.0])
def test_entry_and_return_have_no_click(frequency_hz: float) -> None:
    concealer = in_a_gap()
    sound = tone(2400, frequency_hz)
    past = sound[800 - concealer.window : 800]
    first = concealer.carry_on(past, 80)
    second = concealer.carry_on(np.concatenate((past, first))[-concealer.window :], 80)
    returned = concealer.merge(sound[960:1120])
    steps = np.abs(np.diff(np.concatenate((sound[:800], first, second, returned, sound[1120:]))))
    assert steps.max() < 1.2 * np.abs(np.diff(sound)).max() + 0.01


def test_a_long_gap_fades_from_80_ms_on_and_is_silent_after_200() -> None:
    concealer = in_a_gap()
    past = tone(800)[-concealer.window :]
    peaks = [float(np.abs(concealer.carry_on(past, 80)).max()) for _ in range(22)]
    assert peaks[0] > 0.4
    for step, peak in enumerate(peaks[:20]):
        assert 0 < peak <= 0.5 * min(1.0, (20 - step) / 12) + 1e-6, step
    assert peaks[20:] == [0.0, 0.0]
    assert concealer.exhausted


@pytest.mark.parametrize("piece", [1, 7, 40, 80, 160, 333])
def test_any_split_into_pieces_conceals_alike(piece: int) -> None:
    def run(size: int) -> np.ndarray:
        concealer = in_a_gap()
        past = tone(800, 131.0)[-concealer.window :]
        sizes = [min(size, 1000 - start) for start in range(0, 1000, size)]
        return np.concatenate([concealer.carry_on(past, count) for count in sizes])

    np.testing.assert_allclose(run(piece), run(1000), atol=1e-6)


def test_the_first_sound_fades_in_and_a_gap_before_it_is_silence() -> None:
    concealer = Concealer(RATE)
    assert not concealer.carry_on(np.zeros(concealer.window, dtype=np.float32), 80).any()
    first = concealer.merge(np.full(80, 0.5, dtype=np.float32))
    assert 0 < first[0] < 0.05
    assert first[79] == 0.5


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_ever_louder_than_what_was_heard(seed: int) -> None:
    """Least squares knows no stability: bursts, steps and lone samples must not make it run away."""
    random = np.random.default_rng(seed)
    concealer = in_a_gap()
    past = (random.normal(0, 0.1, concealer.window) * random.random(concealer.window) ** 20).astype(np.float32)
    past[: random.integers(concealer.window)] *= 1e-4
    future = random.choice([0.0, 1e-9, 0.3, -1.0], concealer.window).astype(np.float32)
    peak = max(np.abs(past).max(), np.abs(future).max()) + 1e-6
    assert np.abs(concealer.carry_on(past, 80)).max() <= peak
    assert np.abs(concealer.bridge(past, future, 160)).max() <= peak


@pytest.mark.parametrize("behind", [20, 40, 160])
def test_few_samples_behind_the_gap_are_enough(behind: int) -> None:
    concealer = in_a_gap()
    sound = tone(1200)
    bridged = concealer.bridge(sound[400 - concealer.window : 400], sound[560 : 560 + behind], 160)
    assert bridged.shape == (160,)
    assert np.isfinite(bridged).all()


def test_silence_is_carried_on_as_silence() -> None:
    concealer = in_a_gap()
    nothing = np.zeros(concealer.window, dtype=np.float32)
    assert not concealer.carry_on(nothing, 80).any()
    assert not concealer.bridge(nothing, nothing, 160).any()


def test_too_low_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_hz is 4000"):
        Concealer(4000)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("pitch_hz", [75.0, 131.0, 260.0])
def test_a_long_gap_keeps_level_and_pitch_of_a_voice(rate_hz: int, pitch_hz: float) -> None:
    """Harmonics, and noise of a tenth of their power: after 60 ms there is still as much of both."""
    steps = np.arange(rate_hz // 5) * 2 * np.pi / rate_hz
    voice = sum(0.1 * np.cos(k * pitch_hz * steps) for k in range(1, 9))
    voice += np.random.default_rng(4).normal(0, 0.063, len(steps))
    concealer = Concealer(rate_hz)
    concealer.merge(np.zeros(rate_hz // 100, np.float32))
    past = voice.astype(np.float32)[-concealer.window :]
    late = np.concatenate([concealer.carry_on(past, rate_hz // 100) for _ in range(8)])[-rate_hz * 3 // 100 :]
    assert 20 * np.log10(np.std(late) / np.std(past)) == pytest.approx(0, abs=2)
    lag = round(rate_hz / pitch_hz)
    assert np.corrcoef(late[lag:], late[:-lag])[0, 1] > 0.6
