from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.echo.far_clock import FarClock

SIZE = 160


def turned(clock: FarClock, sound: np.ndarray) -> np.ndarray:
    return np.concatenate([block for frame in sound.reshape(-1, SIZE) for block in clock.turn(frame)])


def test_one_clock_passes_samples_as_they_are() -> None:
    sound = np.random.default_rng(1).standard_normal(20 * SIZE).astype(np.float32)
    assert np.array_equal(turned(FarClock(SIZE), sound), sound)


@pytest.mark.parametrize("ppm", [-300.0, -20.0, 0.0, 100.0, 300.0])
def test_a_tone_is_read_at_the_other_clock(ppm: float) -> None:
    time = np.arange(1000 * SIZE)
    step = 0.4 * np.pi
    sound = np.sin(step * time).astype(np.float32)
    clock = FarClock(SIZE)
    clock.running = True
    clock.drift_ppm = ppm
    read = turned(clock, sound)
    # A block in hand at the start, and then as many more as the clock is faster.
    assert len(read) + clock.behind * (1 + ppm * 1e-6) == pytest.approx(len(sound) * (1 + ppm * 1e-6), abs=1)
    expected = np.sin(step * np.arange(len(read)) * (1 - ppm * 1e-6))
    assert np.max(np.abs(read - expected)[SIZE:]) < 1e-3


def test_blocks_are_none_at_the_start_and_two_when_the_clocks_are_a_block_apart() -> None:
    clock = FarClock(SIZE)
    clock.running = True
    clock.drift_ppm = 500.0
    counts = [len(clock.turn(np.zeros(SIZE, np.float32))) for _ in range(5000)]
    assert counts[0] == 0
    assert counts.count(2) == 2 == 5000 * 0.0005 // 1
    assert set(counts[1:]) == {1, 2}
    clock.drift_ppm = -500.0
    counts = [len(clock.turn(np.zeros(SIZE, np.float32))) for _ in range(5000)]
    assert counts.count(0) in (2, 3)
    assert set(counts) == {0, 1}
