from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.echo_room import hear, noise, response, through
from tests.support.speech import speech
from voipnode.dsp.echo.canceller import EchoCanceller
from voipnode.dsp.echo.loudspeaker import Loudspeaker

RATE_HZ = 16000
SIZE = 160


def soft(sound: np.ndarray, knee: float) -> np.ndarray:
    return (knee * np.tanh(sound / knee)).astype(np.float32)


def hard(sound: np.ndarray, knee: float) -> np.ndarray:
    return np.clip(sound, -knee, knee).astype(np.float32)


def lopsided(sound: np.ndarray, knee: float) -> np.ndarray:
    return (knee * (np.tanh(sound / knee + 0.3) - np.tanh(0.3))).astype(np.float32)


@pytest.mark.parametrize("curve", [soft, hard, lopsided])
def test_an_overdriven_loudspeaker_is_learnt(curve: Callable[[np.ndarray, float], np.ndarray]) -> None:
    """Without the curve 18 dB at most are reached."""
    far = speech(7, RATE_HZ)
    played = curve(far, 0.5 * float(np.abs(far).max()))
    echo = through(played, response(RATE_HZ, delay_ms=45))
    heard = hear(EchoCanceller(RATE_HZ), far, echo + noise(len(far), -75.0))
    assert heard.erle_db(echo, None, 4, 7) > 21


def test_what_is_not_bent_stays_as_it_is() -> None:
    far = speech(2, RATE_HZ)
    loudspeaker = Loudspeaker(SIZE, 4)
    for frame in far[: len(far) // SIZE * SIZE].reshape(-1, SIZE):
        assert loudspeaker.shape(frame) is frame


def test_a_curve_stays_when_it_gets_louder() -> None:
    loudspeaker = Loudspeaker(SIZE, 4)
    rise = np.linspace(-0.2, 0.2, SIZE, dtype=np.float32)
    straight = loudspeaker.shape(rise)
    loudspeaker.bends[:] = (0.1, 0.2, 0.3, 0.1, 0.0, 0.0, 0.2, 0.4)
    loudspeaker._bent = True
    before = loudspeaker.shape(rise)
    assert np.max(np.abs(before - straight)) > 0.03
    loudspeaker.shape(2 * rise)
    assert np.max(np.abs(loudspeaker.shape(rise) - before)) < 0.012
