"""What was heard last is in one piece, however often the buffer comes to its end."""

from __future__ import annotations

import numpy as np

from voipnode.dsp.recent import Recent


def test_the_last_samples_are_those_that_came_last() -> None:
    recent, dice, sound = Recent(50), np.random.default_rng(1), np.zeros(50, np.float32)
    for _ in range(100):
        piece = dice.uniform(-1, 1, dice.integers(51)).astype(np.float32)
        recent.push(piece)
        sound = np.concatenate((sound, piece))
        np.testing.assert_array_equal(recent.last(50), sound[-50:])
        np.testing.assert_array_equal(recent.last(20, later=7), sound[-27:-7])
    recent.reset()
    assert not recent.last(50).any()
