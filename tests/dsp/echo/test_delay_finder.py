from __future__ import annotations

import numpy as np
import pytest

from tests.support.echo_room import noise, response, through
from tests.support.speech import speech
from voipnode.dsp.echo.delay_finder import DelayFinder
from voipnode.dsp.echo.far_history import FarHistory

LONGEST = 44


def listened(far: np.ndarray, near: np.ndarray, rate_hz: int) -> list[int | None]:
    """What the finder knows after each block."""
    size = rate_hz // 100
    history = FarHistory(size, LONGEST)
    finder = DelayFinder(history, LONGEST)
    lags = []
    for begin in range(0, len(far) - size + 1, size):
        history.push(far[begin : begin + size])
        finder.listen(near[begin : begin + size])
        lags.append(finder.lag)
    return lags


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("delay_ms", [0, 10, 37, 125, 420])
def test_a_delay_is_found_to_a_fraction_of_a_millisecond(delay_ms: float, rate_hz: int) -> None:
    far = speech(1.5, rate_hz)
    lags = listened(far, through(far, response(rate_hz, delay_ms=delay_ms)), rate_hz)
    assert lags[-1] == pytest.approx(delay_ms * rate_hz / 1000, abs=0.0005 * rate_hz)


def test_another_voice_is_no_echo() -> None:
    sound = speech(6, 8000)
    assert set(listened(sound[:24000], sound[24000:], 8000)) == {None}


def test_noise_and_silence_are_no_echo() -> None:
    assert set(listened(noise(16000, -30.0, 1), noise(16000, -30.0, 2), 8000)) == {None}
    assert set(listened(np.zeros(8000, np.float32), noise(8000, -30.0), 8000)) == {None}
