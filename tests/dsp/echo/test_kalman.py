from __future__ import annotations

import numpy as np
import pytest

from voipnode.dsp.echo.far_history import FarHistory
from voipnode.dsp.echo.kalman import KalmanFilter

SIZE = 80


def room(lag: int, samples: int = 300) -> np.ndarray:
    rng = np.random.default_rng(4)
    response = 0.1 * rng.standard_normal(samples) * np.exp(-np.arange(samples) / 60)
    response[0] = 0.9
    return np.concatenate((np.zeros(lag), response))


def learnt(lag: int | None, delay: int, blocks: int = 150) -> tuple[KalmanFilter, np.ndarray]:
    """A filter after white noise through a room, and the energies of its errors."""
    far = np.random.default_rng(1).standard_normal(blocks * SIZE).astype(np.float32) * np.float32(0.1)
    near = np.convolve(far, room(delay))[: len(far)].astype(np.float32)
    history = FarHistory(SIZE, 40)
    kalman = KalmanFilter(history, 10, stay=0.9998)
    kalman.reset(lag)
    errors = []
    for far_block, near_block in zip(far.reshape(-1, SIZE), near.reshape(-1, SIZE), strict=True):
        history.push(far_block)
        error = near_block - kalman.echo()
        kalman.learn(error)
        errors.append(float(np.sum(error**2)))
    return kalman, np.array(errors)


def test_a_known_response_is_recovered() -> None:
    kalman, _ = learnt(200, 200)
    taps = np.fft.irfft(kalman.taps)[:, :SIZE].reshape(-1)
    expected = room(200)[kalman.age * SIZE :]
    assert np.max(np.abs(taps[: len(expected)] - expected)) < 0.01
    assert np.max(np.abs(taps[len(expected) :])) < 0.01


def test_every_partition_is_causal_and_a_block_long() -> None:
    kalman, _ = learnt(200, 200, 20)
    responses = np.fft.irfft(kalman.taps)
    assert np.max(np.abs(responses[:, SIZE:])) < 1e-5
    assert np.max(np.abs(responses[:, :SIZE])) > 0.5


def test_where_the_delay_is_known_it_converges_sooner() -> None:
    """That is what the expected powers are for."""
    _, blind = learnt(None, 200, 30)
    _, told = learnt(200, 200, 30)
    assert told[5:15].sum() < 0.25 * blind[5:15].sum()


@pytest.mark.parametrize("blocks", [-1, 1])
def test_what_was_learnt_slips_with_the_history(blocks: int) -> None:
    kalman, _ = learnt(200, 200)
    age, taps = kalman.age, kalman.taps.copy()
    kalman.slip(blocks)
    assert (kalman.age, kalman.lag) == (age + blocks, 200 + blocks * SIZE)
    assert np.array_equal(kalman.taps, taps)
    while kalman.age:
        kalman.slip(-1)
    kalman.slip(-1)
    assert kalman.age == 0
    assert np.array_equal(kalman.taps[:-1], taps[1:])
    assert not kalman.taps[-1].any()


def test_rehearsing_is_learning_afterwards() -> None:
    """The same blocks at once, when the delay is found at last, as one by one."""
    far = np.random.default_rng(1).standard_normal((30, SIZE)).astype(np.float32) * np.float32(0.1)
    near = np.convolve(far.reshape(-1), room(90))[: far.size].astype(np.float32).reshape(-1, SIZE)
    history = FarHistory(SIZE, 60)
    late = KalmanFilter(history, 6, stay=0.9998)
    late.reset(90)
    for block in far:
        history.push(block)
    late.rehearse(near[:-1])
    error = near[-1] - late.echo()
    assert np.sum(error**2) < 0.01 * np.sum(near[-1] ** 2)


def test_a_sudden_voice_does_not_throw_it_off() -> None:
    """The near end's power is smoothed, but rises at once by what the filter's own doubt cannot explain."""
    kalman, _ = learnt(200, 200, 60)
    before = kalman.taps.copy()
    voice = np.sign(np.random.default_rng(5).standard_normal(SIZE)).astype(np.float32)
    kalman.learn(voice)
    moved = np.sum(np.abs(kalman.taps - before) ** 2) / np.sum(np.abs(before) ** 2)
    assert moved < 3e-5
