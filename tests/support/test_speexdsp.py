"""The peer of the DSP benchmark is the real one, and does its work."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.speexdsp import Sound, Speex

RATE = 8000


def speex(**options: bool) -> Speex:
    try:
        return Speex(RATE, tail_ms=50.0, **options)
    except OSError:
        pytest.skip("no libspeexdsp here (Debian: libspeexdsp1)")


def energy(sound: Sound) -> float:
    return float(np.sum(np.square(sound, dtype=np.float64)))


def put_through(peer: Speex, far: Sound, near: Sound) -> Sound:
    size = RATE // 100
    frames = [peer.process(far[at : at + size], near[at : at + size]) for at in range(0, len(near), size)]
    peer.close()
    return np.concatenate(frames)


@pytest.mark.parametrize("preprocess", [False, True])
def test_an_echo_is_taken_out(preprocess: bool) -> None:
    far = np.random.default_rng(3).normal(0, 0.1, 3 * RATE).astype(np.float32)
    near = np.concatenate((np.zeros(40, np.float32), 0.5 * far[:-40])).astype(np.float32)
    out = put_through(speex(preprocess=preprocess), far, near)
    assert energy(out[-RATE:]) < energy(near[-RATE:]) / 10**1.5


def test_what_is_no_echo_stays() -> None:
    near = np.random.default_rng(3).normal(0, 0.1, 2 * RATE).astype(np.float32)
    out = put_through(speex(preprocess=False), np.zeros_like(near), near)
    assert energy(out) > 0.7 * energy(near)
