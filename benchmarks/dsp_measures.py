"""What is measured of a canceller or a noise suppressor, and how each figure is defined.

All signals are aligned beforehand: what came out is moved back by the subject's delay. Powers are means of squares over
the samples of a stretch in which the echo is active (no pauses), in dB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]

WINDOW_S = 0.2  # of ERLE over time
FLOOR = 1e-12


def moved_back(sound: Sound, samples: int) -> Sound:
    """Without its first `samples`, which are the delay; as long as it was, with silence at its end."""
    return np.concatenate((sound[samples:], np.zeros(samples, np.float32))) if samples else sound


def found_delay(said: Sound, heard: Sound, most: int) -> int:
    """By how many samples, up to `most`, `heard` is later than `said`: the peak of the cross-correlation of their
    phases (Knapp and Carter, 1976), which filters with little delay do not move."""
    size = 1 << (len(said) + len(heard)).bit_length()
    cross = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    likeness = np.fft.irfft(cross / (np.abs(cross) + 1e-3 * np.abs(cross).max()), size)
    return int(np.argmax(np.abs(likeness[: most + 1])))


def erle_db(echo: Sound, out: Sound, active: NDArray[np.bool_]) -> float:
    """Echo return loss enhancement: power of the echo in the microphone over the power of all that came out, where the
    echo is active; NaN where it hardly is. The microphone's own noise is in what came out, so that it bounds this."""
    if np.count_nonzero(active) < len(active) / 4:
        return float("nan")
    came_in = float(np.sum(np.square(echo[active], dtype=np.float64)))
    came_out = float(np.sum(np.square(out[active], dtype=np.float64)))
    return float(10 * np.log10((came_in + FLOOR) / (came_out + FLOOR)))


def erle_over_time(echo: Sound, out: Sound, active: NDArray[np.bool_], rate_hz: int) -> NDArray[np.float64]:
    """ERLE of the last `WINDOW_S` at each hundredth of a second; NaN where less than half of the window is active."""
    size, hop = round(WINDOW_S * rate_hz), rate_hz // 100

    def sums(of: NDArray[Any]) -> NDArray[np.float64]:
        total = np.concatenate((np.zeros(size), np.cumsum(of, dtype=np.float64)))
        ends = np.arange(hop, len(of) + 1, hop) + size - 1
        return total[ends] - total[ends - size]

    loud = sums(active) >= size / 2
    ratio = (sums(np.square(echo) * active) + FLOOR) / (sums(np.square(out) * active) + FLOOR)
    return np.where(loud, 10 * np.log10(ratio), np.nan)


def seconds_to(target_db: float, over_time: NDArray[np.float64]) -> float:
    """Until ERLE of a window of `WINDOW_S` first reaches the target, from the stretch's first sample to that window's
    end; as long as the stretch, if it never does. `over_time` begins with the stretch."""
    reached = np.flatnonzero(np.nan_to_num(over_time, nan=-np.inf) >= target_db)
    return float(reached[0] + 1) / 100 if len(reached) else len(over_time) / 100
