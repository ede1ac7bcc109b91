"""Third octaves: their names and edges by IEC 61260-1, and means of a spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.third_octaves import ThirdOctaves


def test_the_bands_have_their_nominal_names() -> None:
    names = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300)
    assert ThirdOctaves.within(89.0, 7000.0).names_hz == names


def test_edges_meet_and_are_cut_off_at_the_ends_of_the_range() -> None:
    edges = ThirdOctaves.within(95.0, 7000.0).edges_hz
    assert [high for _, high in edges[:-1]] == pytest.approx([low for low, _ in edges[1:]])
    assert edges[0][0] == 95.0
    assert edges[-1][1] == 7000.0
    assert edges[10] == pytest.approx((891.25, 1122.02), abs=0.01)  # IEC 61260-1 table E.1: 1 kHz


def test_a_band_has_the_mean_of_its_own_lines_and_no_others() -> None:
    bands = ThirdOctaves.within(89.0, 3400.0)
    hz = np.arange(4001) * 1.0
    for number, (low, high) in enumerate(bands.edges_hz):
        inside = ((hz >= low) & (hz <= high)).astype(float)
        means = bands.means(np.stack([inside, 3 * inside]), 1.0)
        assert means[:, number] == pytest.approx([1.0, 3.0])
        assert np.delete(means, number, axis=1).max() < 0.1  # a line on an edge is in both


def test_a_band_narrower_than_a_line_has_the_next_one() -> None:
    assert ThirdOctaves.within(100.0, 130.0).means(np.arange(50.0), 100.0).shape == (2,)


@pytest.mark.parametrize(("low", "high"), [(5.0, 100.0), (200.0, 100.0), (100.0, 100_000.0)])
def test_other_ranges_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="10 Hz and 80 kHz"):
        ThirdOctaves.within(low, high)
