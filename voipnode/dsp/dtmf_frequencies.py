"""The sixteen pairs of frequencies that keys sound like (ITU-T Q.23 §6)."""

from __future__ import annotations

from typing import Final

LOW_HZ: Final = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS: Final = ("123A", "456B", "789C", "*0#D")  # one row per low frequency, one column per high one

# 0 dBm0 is 3.14 dB below the largest sine of A-law, 3.17 of mu-law (ITU-T G.711 §5, tables 1 and 2).
DBM0_OF_FULL_SCALE_SINE: Final = 3.14


def amplitude(dbm0: float) -> float:
    """The peak of a sine of that level, full scale 1.0."""
    return float(10 ** ((dbm0 - DBM0_OF_FULL_SCALE_SINE) / 20))


def pair(digit: str) -> tuple[float, float]:
    """The low and the high frequency of a digit (0-9 A-D # *) in Hz; raises ValueError for what is none."""
    for row, keys in enumerate(KEYS):
        column = keys.find(digit)
        if len(digit) == 1 and column >= 0:
            return LOW_HZ[row], HIGH_HZ[column]
    raise ValueError(f"{digit!r} is no digit; there are 0-9 A-D # *")
