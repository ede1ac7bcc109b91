from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.echo.drift import DriftMeter

SIZE = 160
BLOCKS = 20


def taps(later: float, seed: int = 1) -> np.ndarray:
    """Two partitions' taps, moved by a fraction of a sample."""
    rng = np.random.default_rng(seed)
    bins = rng.standard_normal((2, SIZE + 1)) + 1j * rng.standard_normal((2, SIZE + 1))
    return (bins * np.exp(-1j * np.pi * np.arange(SIZE + 1) / SIZE * later)).astype(np.complex64)


def look(meter: DriftMeter, state: np.ndarray) -> None:
    while not meter.due():
        pass
    meter.look(state)


@pytest.mark.parametrize("ppm", [-150.0, -60.0, 60.0, 150.0])
def test_a_steady_slide_is_a_drift(ppm: float) -> None:
    meter = DriftMeter(SIZE)
    look(meter, taps(0.0))
    assert meter.drift_ppm == 0
    look(meter, taps(ppm * 1e-6 * BLOCKS * SIZE))
    assert meter.drift_ppm == pytest.approx(0.7 * ppm, rel=0.25)


def test_what_may_be_chance_counts_little() -> None:
    meter = DriftMeter(SIZE)
    look(meter, taps(0.0))
    look(meter, taps(2e-6 * BLOCKS * SIZE))
    assert 0 < meter.drift_ppm < 0.5


def test_another_room_is_no_drift() -> None:
    meter = DriftMeter(SIZE)
    look(meter, taps(0.0))
    look(meter, taps(0.3, seed=2))
    assert meter.drift_ppm == 0


def test_the_estimate_stays_when_the_taps_are_replaced() -> None:
    meter = DriftMeter(SIZE)
    look(meter, taps(0.0))
    look(meter, taps(0.2))
    known = meter.drift_ppm
    meter.forget()
    look(meter, taps(0.9))
    assert meter.drift_ppm == known != 0
