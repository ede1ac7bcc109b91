"""A clip being played: repeats, gain, rates, and how it stops."""

from __future__ import annotations

import numpy as np
import pytest

from voipnode.calls.clips.player import FOR_EVER, ClipPlayer

RATE_HZ = 8000


def ramp(count: int) -> np.ndarray:
    return (np.arange(count) / 1000).astype(np.float32)


def played(player: ClipPlayer, most: int = 1000) -> np.ndarray:
    frames = []
    while not player.over and len(frames) < most:
        frames.append(player.pull(0.0).copy())
    return np.concatenate(frames)


@pytest.mark.parametrize("count", [1, 79, 80, 81, 200, 400])
@pytest.mark.parametrize("repeat", [0, 1, 3])
def test_it_plays_all_samples_once_and_again(count: int, repeat: int) -> None:
    sound = ramp(count) + 0.001
    heard = played(ClipPlayer(sound, RATE_HZ, repeat=repeat))
    whole = np.tile(sound, repeat + 1)
    assert np.array_equal(heard[: len(whole)], whole)
    assert not heard[len(whole) :].any()
    assert len(heard) < len(whole) + 81


def test_for_ever_goes_on_until_it_is_stopped_and_fades_within_50_ms() -> None:
    player = ClipPlayer(np.ones(100, np.float32), RATE_HZ, repeat=FOR_EVER)
    assert len(played(player, 500)) == 500 * 80
    assert not player.over
    player.stop()
    tail = played(player)
    assert len(tail) == 5 * 80
    assert (np.diff(tail) <= 0).all()
    assert tail[-1] == pytest.approx(0.0)
    assert not player.pull(0.0).any()


def test_stopped_before_it_began_it_is_over_at_once() -> None:
    player = ClipPlayer(np.ones(800, np.float32), RATE_HZ)
    player.stop()
    assert player.over


def test_gain_and_other_rates() -> None:
    at = np.arange(4800) / 48000
    player = ClipPlayer(np.sin(2 * np.pi * 440 * at).astype(np.float32), 48000, gain_db=-20.0)
    player.run_at(8000)
    heard = played(player)
    assert len(heard) == 11 * 80
    assert np.abs(heard[160:720]).max() == pytest.approx(0.1, rel=0.02)
    assert player.codec_rate_hz == 48000


def test_no_sound_is_no_clip() -> None:
    with pytest.raises(ValueError, match="without sound"):
        ClipPlayer(np.zeros(0, np.float32), RATE_HZ)
