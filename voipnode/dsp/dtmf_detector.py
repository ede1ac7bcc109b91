"""Hears keys in sound, and takes no voice for one (ITU-T Q.24; ETSI ES 201 235-3).

Every 10 ms the last 30 ms are asked: do two key frequencies stand out, are they where a key has them, are they equally
loud, and do two steady sines explain nearly all of the sound? The last question tells a key from a voice, and a tone of
40 ms, which fills a window wherever it begins, from one of 23 ms, which never explains more than 77 % of one.
When a key is heard, it lasts until both of its tones have been gone for 30 ms: shorter gaps are interruptions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.dtmf_bank import DIAL_TONES_HZ, WINDOW_FRAMES, Bank, bank_for
from voipnode.dsp.dtmf_frequencies import HIGH_HZ, KEYS, LOW_HZ, amplitude
from voipnode.dsp.frames import Frame

MAX_DEVIATION = 0.022  # Q.24 table A-1: to be taken up to 1.8 %, and refused from 3.0 %
MAX_HIGH_OVER_LOW_DB = 5.5  # Q.24 asks for 4 dB; noise 15 dB down moves what is measured by 1 dB,
MAX_LOW_OVER_HIGH_DB = 9.5  # and for 8 dB: lines weaken the high group
FLOOR_DBM0 = -43.0  # of the weaker tone
MIN_EXPLAINED = 0.93  # noise 15 dB down leaves 0.97; 23 ms of tone explain 0.77
GONE_FRAMES = 3
_GONE = 0.1  # of the power at the beginning
_UNSTEADY = 0.3  # power of the weakest 10 ms in a window over that of the strongest
_PLAUSIBLE = 0.3  # by the correlators, which see half as much where frequencies are off by 1.8 %
_MAX_DIAL_OVER = 30.0  # power of the dial tone over that of the key

Rows = NDArray[np.float64]


class Heard(NamedTuple):
    """A key began to sound, at these frequencies, or (`ended`) fell silent."""

    digit: str
    ended: bool
    low_hz: float
    high_hz: float


@dataclass(slots=True)
class _Sounding:
    digit: str
    frequencies: tuple[float, float]
    rows: Frame  # cosine and sine of each tone, 10 ms
    low_power: float
    high_power: float
    gone: int = 0


class DtmfDetector:
    """One ear on one direction of one call.

    `rate_hz` is that of the frames: 8000, 16000, 48000 or another multiple of 100 above 4000.
    """

    def __init__(self, rate_hz: int) -> None:
        self._bank: Bank = bank_for(rate_hz)
        self._window: Frame = np.zeros(self._bank.size, np.float32)
        self._floor = amplitude(FLOOR_DBM0)
        self._frame_floor = self._floor**2 / 2 * self._bank.frame_size
        self._energies = [0.0] * WINDOW_FRAMES
        self._sounding: _Sounding | None = None

    def hear(self, frame: Frame) -> Heard | None:
        """Take the next 10 ms, shape (rate_hz // 100,); what began or ended with them."""
        size = self._bank.frame_size
        energy = float(frame @ frame)
        self._energies = [*self._energies[1:], energy]
        self._window[:-size] = self._window[size:]
        self._window[-size:] = frame
        if self._sounding is not None:
            return self._listen_on(self._sounding, frame)
        weakest = min(self._energies)
        if weakest < self._frame_floor or weakest < _UNSTEADY * max(self._energies):
            return None
        self._sounding = sounding = self._key()
        return None if sounding is None else Heard(sounding.digit, False, *sounding.frequencies)

    def _listen_on(self, sounding: _Sounding, frame: Frame) -> Heard | None:
        low_cos, low_sin, high_cos, high_sin = (sounding.rows @ frame).tolist()
        gone = (
            low_cos**2 + low_sin**2 < _GONE * sounding.low_power
            or high_cos**2 + high_sin**2 < _GONE * sounding.high_power
        )
        sounding.gone = sounding.gone + 1 if gone else 0
        if sounding.gone < GONE_FRAMES:
            return None
        self._sounding = None
        return Heard(sounding.digit, True, *sounding.frequencies)

    def _key(self) -> _Sounding | None:
        """The key that fills the window, None where none does; cheap questions first."""
        bank, window = self._bank, self._window
        low, high, low_peak, high_peak, dial_power = bank.strongest(window)
        power = sum(self._energies) / bank.size
        tones = (low_peak**2 + high_peak**2) / 2
        if tones < _PLAUSIBLE * (power - min(dial_power, _MAX_DIAL_OVER * tones)):
            return None
        off = bank.deviation(window, low), bank.deviation(window, len(LOW_HZ) + high)
        if not max(abs(off[0]), abs(off[1])) <= MAX_DEVIATION:
            return None
        frequencies = LOW_HZ[low] * (1 + off[0]), HIGH_HZ[high] * (1 + off[1])
        peaks = self._explain(frequencies, with_dial_tone=dial_power > _GONE * tones)
        if peaks is None or min(peaks) < self._floor or not _in_balance(*peaks):
            return None
        return self._begin(KEYS[low][high], frequencies, peaks)

    def _explain(self, frequencies: tuple[float, float], *, with_dial_tone: bool) -> tuple[float, float] | None:
        """The peaks of the two sines, by least squares, where they explain the window; else None."""
        peaks = self._fit(frequencies)
        if peaks is None and with_dial_tone:
            for tones in DIAL_TONES_HZ:
                peaks = peaks or self._fit((*frequencies, *tones))
        return peaks

    def _fit(self, frequencies: tuple[float, ...]) -> tuple[float, float] | None:
        window = self._window.astype(np.float64)
        rows = _waves(frequencies, self._bank.rate_hz, self._bank.size)
        seen = rows @ window
        parts = np.linalg.solve(rows @ rows.T, seen)
        powers = parts.reshape(-1, 2) ** 2
        # What a dial tone explains is not the key's: only the rest counts, and of that the key must be nearly all.
        whole = float(window @ window) - float(powers[2:].sum()) * len(window) / 2
        unexplained = float(window @ window) - float(seen @ parts)
        if unexplained > (1 - MIN_EXPLAINED) * whole:
            return None
        low, high = powers[:2].sum(axis=1).tolist()
        return math.sqrt(low), math.sqrt(high)

    def _begin(self, digit: str, frequencies: tuple[float, float], peaks: tuple[float, float]) -> _Sounding:
        size = self._bank.frame_size
        rows = _waves(frequencies, self._bank.rate_hz, size).astype(np.float32)
        low_power, high_power = ((peak * size / 2) ** 2 for peak in peaks)
        return _Sounding(digit, frequencies, rows, low_power, high_power)


def _in_balance(low: float, high: float) -> bool:
    high_over_low_db = 20 * math.log10(high / low)
    return -MAX_LOW_OVER_HIGH_DB <= high_over_low_db <= MAX_HIGH_OVER_LOW_DB


def _waves(frequencies: tuple[float, ...], rate_hz: int, size: int) -> Rows:
    """Cosine and sine of each frequency, one row each, with the phase at the middle of `size` samples."""
    at = np.arange(size) - (size - 1) / 2
    phases = np.array(frequencies)[:, None] * (2 * math.pi / rate_hz) * at[None, :]
    return np.stack((np.cos(phases), np.sin(phases)), axis=1).reshape(-1, size)
