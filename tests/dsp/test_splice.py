from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.splice import Splicer

SIZE, SHORTEST, LONGEST = 80, 20, 120


def tone(samples: int, frequency_hz: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / 8000)).astype(np.float32)


def naive_best(here: np.ndarray, places: dict[int, np.ndarray]) -> int:
    def likeness(other: np.ndarray) -> float:
        return float(np.dot(here, other) / np.sqrt(np.dot(other, other) * np.dot(here, here) + 1e-12))

    return max(places, key=lambda lag: likeness(places[lag].astype(np.float64)))


@pytest.mark.parametrize("seed", range(5))
def test_the_lag_is_the_one_that_a_naive_search_finds(seed: int) -> None:
    sound = np.random.default_rng(seed).normal(0, 0.2, SIZE + LONGEST).astype(np.float32)
    splicer = Splicer(SIZE, SHORTEST, LONGEST)
    lags = range(SHORTEST, LONGEST + 1)
    forward = naive_best(sound[:SIZE], {lag: sound[lag : lag + SIZE] for lag in lags})
    assert splicer.forward(sound).lag == forward
    backward = naive_best(sound[LONGEST:], {lag: sound[LONGEST - lag : LONGEST - lag + SIZE] for lag in lags})
    assert splicer.backward(sound).lag == backward


@pytest.mark.parametrize("frequency_hz", [100.0, 200.0, 1000.0])
def test_a_tone_loses_whole_periods_and_stays_itself(frequency_hz: float) -> None:
    sound = tone(400, frequency_hz)
    splice = Splicer(SIZE, SHORTEST, LONGEST).forward(sound[: SIZE + LONGEST])
    assert splice.lag % (8000 / frequency_hz) == 0
    assert splice.likeness > 0.999
    np.testing.assert_allclose(splice.frame, sound[:SIZE], atol=1e-3)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_both_ends_of_a_splice_meet_their_neighbours(direction: str) -> None:
    sound = tone(600, 313.0)
    splicer = Splicer(SIZE, SHORTEST, LONGEST)
    if direction == "forward":
        splice = splicer.forward(sound[200 : 200 + SIZE + LONGEST])
        following = 200 + SIZE + splice.lag
    else:
        splice = splicer.backward(sound[200 - LONGEST : 200 + SIZE])
        following = 200 + SIZE - splice.lag
    joined = np.concatenate((sound[190:200], splice.frame, sound[following : following + 10]))
    assert np.abs(np.diff(joined)).max() < 1.3 * np.abs(np.diff(sound)).max()


def test_in_silence_any_place_is_good() -> None:
    assert Splicer(SIZE, SHORTEST, LONGEST).forward(np.zeros(SIZE + LONGEST, dtype=np.float32)).likeness == 1.0


def test_a_senseless_range_is_refused() -> None:
    with pytest.raises(ValueError, match="make no range"):
        Splicer(80, 0, 10)
