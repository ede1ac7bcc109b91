from __future__ import annotations

import numpy as np

from voipnode.media.sound_line import SoundLine


def test_what_goes_in_comes_out_in_any_pieces() -> None:
    line = SoundLine(past=40, room=100)
    sound = np.arange(5000, dtype=np.float32)
    fed, heard = 0, []
    for size in [1, 60, 7, 90, 33] * 26:
        line.append(sound[fed : fed + size])
        fed += size
        heard.append(line.take(line.left))
        assert line.at + line.shifted == 40 + fed
        np.testing.assert_array_equal(line.tail(30), np.concatenate((np.zeros(40, np.float32), *heard))[-30:])
    np.testing.assert_array_equal(np.concatenate(heard), sound[:fed])


def test_going_back_repeats_and_going_ahead_leaves_out() -> None:
    line = SoundLine(past=40, room=100)
    line.append(np.arange(100, dtype=np.float32))
    line.take(50)
    line.skip(-10)
    assert line.take(20).tolist() == list(range(40, 60))
    line.skip(15)
    assert line.left == 25
    assert line.window(-5, 10).tolist() == [70.0, 71.0, 72.0, 73.0, 74.0, 75.0, 76.0, 77.0, 78.0, 79.0]
    line.drop_ahead()
    assert line.left == 0


def test_too_much_at_once_is_cut() -> None:
    line = SoundLine(past=40, room=100)
    line.append(np.ones(10_000, dtype=np.float32))
    assert line.left == 140
    line.append(np.ones(10, dtype=np.float32))
    assert line.left == 140
