"""Each siren repeats without a click, as loud as it says, at the frequencies that it is known by."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.siren import LEVELS_DBFS, SIRENS, siren_cycle, siren_cycle_s

RATE_HZ = 16_000


@pytest.mark.parametrize("pattern", SIRENS)
def test_a_cycle_can_be_repeated_without_a_click(pattern: str) -> None:
    cycle = siren_cycle(pattern, 5, RATE_HZ)
    assert len(cycle) == round(siren_cycle_s(pattern) * RATE_HZ)
    steps = np.abs(np.diff(cycle))
    seam = abs(float(cycle[0]) - float(cycle[-1]))
    assert seam <= 1.05 * float(steps.max()), "the step from its end to its beginning is one like any other"
    assert np.abs(cycle).max() <= 10 ** (LEVELS_DBFS[-1] / 20) * 1.001


@pytest.mark.parametrize("pattern", SIRENS)
def test_each_intensity_is_six_decibels_above_the_one_before(pattern: str) -> None:
    peaks = [float(np.abs(siren_cycle(pattern, intensity, RATE_HZ)).max()) for intensity in range(1, 6)]
    assert 20 * np.log10(np.array(peaks[1:]) / peaks[:-1]) == pytest.approx([6.0] * 4, abs=0.01)


def test_three_bursts_and_a_pause_say_leave_the_house() -> None:
    """ISO 8201."""
    cycle = siren_cycle("evacuate", 5, RATE_HZ)
    halves = np.abs(cycle).reshape(8, -1).max(axis=1) > 0.1
    assert halves.tolist() == [True, False, True, False, True, False, False, False]


def test_a_wail_goes_from_500_to_1200_hz_and_back() -> None:
    cycle = siren_cycle("wail", 5, RATE_HZ)
    crossings = [np.count_nonzero(np.diff(np.signbit(part))) / 2 / 0.1 for part in cycle.reshape(40, -1)]
    assert (crossings[0], crossings[-1], crossings[19]) == pytest.approx((500, 500, 1200), abs=20)


@pytest.mark.parametrize(("pattern", "intensity"), [("howl", 3), ("wail", 0), ("wail", 6)])
def test_what_there_is_not_is_refused(pattern: str, intensity: int) -> None:
    with pytest.raises(ValueError, match="are right"):
        siren_cycle(pattern, intensity, RATE_HZ)
