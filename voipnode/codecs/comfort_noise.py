"""Comfort noise (RFC 3389): a silence described by its level and colour, and noise made of such a description.

The colour is an all-pole filter, told as reflection coefficients k of its lattice; k1 = -R(1)/R(0) of the noise's
autocorrelation R, as G.711 Appendix II and all that follow it have the sign. The description lasts until the next one,
or until speech comes: so the decoder goes on with its noise wherever nothing came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.codecs.libav import NO_SOUND
from voipnode.codecs.pcm import Samples

ORDER = 8  # of our own descriptions
MAX_ORDER = 16  # of others', whatever they send: higher coefficients count as zero (§3)
SILENT_DBOV = 127  # the lowest level that there is
_STEP = 258 / 32768  # §3.2
_TAPS = 128  # of the filter's answer to an impulse; what is longer is a tone
_LEAST = 1e-7


class NoiseDecoder:
    """One stream's noise; `decode_frame` takes a description and begins with 10 ms of it, `conceal` goes on."""

    def __init__(self, rate_hz: int) -> None:
        self._size = rate_hz // 100
        self._dice = np.random.default_rng(3389)  # nobody hears which noise it is
        self._past = self._white(_TAPS - 1)
        self._shape: Samples = np.zeros(_TAPS, np.float32)
        self._gain = self._target = np.float32(0)

    def decode_frame(self, payload: bytes) -> Samples:
        if not payload:
            return NO_SOUND
        level_dbov = payload[0] & 0x7F
        # Index 255 is reserved (§3.2): what is meant by it is not known, so nothing is.
        reflections = [(index - 127) * _STEP if index != 255 else 0.0 for index in payload[1 : 1 + MAX_ORDER]]
        self._shape = _impulse_answer(np.array(reflections))
        self._target = np.float32(0 if level_dbov == SILENT_DBOV else 10 ** (-level_dbov / 20))
        return self._noise(self._size)

    def conceal(self, count: int) -> Samples | None:
        return self._noise(count)

    def decode_fec(self, payload: bytes, count: int) -> Samples | None:
        return None

    def _noise(self, count: int) -> Samples:
        """The level goes over to a new one within the piece, so that no step is heard."""
        white = np.concatenate([self._past, self._white(count)])
        self._past = white[-(_TAPS - 1) :]
        gains = np.linspace(self._gain, self._target, count, dtype=np.float32)
        self._gain = self._target
        noise: Samples = np.clip(np.convolve(white, self._shape, "valid") * gains, -1.0, 1.0)
        return noise

    def _white(self, count: int) -> Samples:
        return self._dice.standard_normal(count, dtype=np.float32)


def describe(sound: Samples) -> bytes:
    """A stretch of noise, at least `ORDER` samples, as a payload."""
    mean = float(np.mean(np.square(sound, dtype=np.float64)))
    level_dbov = SILENT_DBOV if mean < 10 ** (-SILENT_DBOV / 10) else round(-10 * np.log10(mean))
    indices = [round(k / _STEP) + 127 for k in _reflections(sound)]
    return bytes([max(0, min(SILENT_DBOV, level_dbov)), *(max(0, min(254, index)) for index in indices)])


def _reflections(sound: Samples) -> list[float]:
    """Levinson and Durbin's recursion on the autocorrelation, a trifle of white noise added so that it ends well."""
    windowed = sound.astype(np.float64) * np.hanning(len(sound))
    size = len(windowed)
    correlation = np.array([float(np.dot(windowed[: size - lag], windowed[lag:])) for lag in range(ORDER + 1)])
    if correlation[0] < _LEAST * size * _LEAST:
        return [0.0] * ORDER
    correlation[0] *= 1.0001
    found: list[float] = []
    predictor, rest = np.array([1.0]), correlation[0]
    for order in range(1, ORDER + 1):
        k = -float(np.dot(predictor, correlation[order:0:-1])) / rest
        predictor = _step_up(predictor, k)
        rest *= 1 - k * k
        found.append(k)
    return found


def _step_up(predictor: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    """A(z) of one order more, by its reflection coefficient."""
    longer = np.append(predictor, 0.0)
    return longer + k * longer[::-1]


def _impulse_answer(reflections: NDArray[np.float64]) -> Samples:
    """What 1/A(z) makes of an impulse, of energy 1: so that white noise of level 1 keeps its level."""
    predictor = np.array([1.0])
    for k in reflections:
        predictor = _step_up(predictor, float(k))
    answer = np.zeros(_TAPS)
    answer[0] = 1.0
    for at in range(1, _TAPS):
        back = predictor[1 : at + 1]
        answer[at] = -float(np.dot(back, answer[at - 1 :: -1][: len(back)]))
    shape: Samples = (answer / np.sqrt(np.sum(answer**2))).astype(np.float32)
    return shape
