"""However sound is cut into pieces, the same frames come of it; and gains change without a step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipnode.dsp.fader import Fader
from voipnode.dsp.hygiene import clean, usable
from voipnode.dsp.reframing import Reframer

FAR, NEAR = np.random.default_rng(1).uniform(-1, 1, (2, 1000)).astype(np.float32)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_gives_the_same_frames(cuts: list[int]) -> None:
    reframer, edges = Reframer(8000, 2), [0, *sorted(cuts), 1000]
    frames = [pair for begin, end in pairwise(edges) for pair in reframer.push(FAR[begin:end], NEAR[begin:end])]
    assert [len(frame) for pair in frames for frame in pair] == [80] * 24
    np.testing.assert_array_equal(np.concatenate([far for far, _ in frames]), FAR[:960])
    np.testing.assert_array_equal(np.concatenate([near for _, near in frames]), NEAR[:960])


def test_the_last_sound_counts() -> None:
    [(far, near)] = Reframer(8000, 2).push(FAR[:30], NEAR[:80])
    np.testing.assert_array_equal(far, [*FAR[:30], *np.zeros(50)])
    np.testing.assert_array_equal(near, NEAR[:80])
    [(far, _)] = Reframer(8000, 2).push(FAR, NEAR[:80])
    np.testing.assert_array_equal(far, FAR[:80])


def test_a_reset_forgets_what_was_not_complete() -> None:
    reframer = Reframer(8000)
    assert list(reframer.push(NEAR[:79])) == []
    reframer.reset()
    [(frame,)] = reframer.push(NEAR[:80])
    np.testing.assert_array_equal(frame, NEAR[:80])


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (np.array([np.nan, 0.5]), [0.0, 0.5]),
        (np.array([np.inf, -np.inf, 1e300]), [0.0, 0.0, 0.0]),
        (np.array([1e30, -2.0]), [1.0, -1.0]),
        (np.array([[0.1], [0.2]]), [0.1, 0.2]),
        ([0.25, 1], [0.25, 1.0]),
        (np.array([0.5 + 2j]), [0.5]),
        ("noise", None),
        (None, None),
        (object(), None),
    ],
)
def test_what_is_no_sound_is_made_some(bad: object, expected: list[float] | None) -> None:
    if expected is not None:
        np.testing.assert_allclose(clean(bad), expected)
    assert np.isfinite(clean(bad)).all()
    assert usable(bad, 160).shape == (160,)
    assert usable(bad, 160).dtype == np.float32


def test_a_clean_frame_is_passed_on_as_it_is() -> None:
    frame = np.ones(160, np.float32)
    assert usable(frame, 160) is frame
    assert clean(frame) is frame


def test_a_gain_is_reached_over_a_frame_and_costs_nothing_at_one() -> None:
    fader, ones = Fader(16000), np.ones(160, np.float32)
    assert fader.process(ones, 1.0) is ones
    down = fader.process(ones, 0.0)
    assert down[-1] == 0.0
    assert np.abs(np.diff(np.concatenate([ones, down]))).max() < 0.0063
    assert not fader.process(ones, 0.0).any()
    assert fader.process(ones, 0.5)[-1] == 0.5
    np.testing.assert_allclose(fader.process(ones, 0.5), 0.5)


def test_one_sound_fades_over_to_another() -> None:
    fader, ones, twos = Fader(16000, 0.0), np.ones(160, np.float32), np.full(160, 0.25, np.float32)
    assert fader.blend(ones, twos, 0.0) is ones
    between = fader.blend(ones, twos, 1.0)
    assert (between[0], between[-1]) == (pytest.approx(1.0, abs=0.005), 0.25)
    assert np.all(np.diff(between) < 0)
    assert fader.blend(ones, twos, 1.0) is twos
