"""Keeps a band: takes away rumble, wind and hum below a voice, and what is above it."""

from __future__ import annotations

import cmath
import math
from functools import cache
from typing import Literal

from voipnode.dsp.block_filter import BlockFilter, Section, block_matrix, block_of
from voipnode.dsp.frames import Frame

Order = Literal[2, 4]
HIGH_PASS_HZ = 100.0


class BandLimit(BlockFilter):
    """Butterworth filters, high-pass at `low_hz` and low-pass at `high_hz` (None: none), each of `order`: 3 dB down at
    the corner, 12 dB per octave beyond for order 2, 24 for order 4.

    Corners in Hz, 0 < low_hz < high_hz < rate_hz / 2; at least one. Raises ValueError for others. Minimum phase: the
    delay in the middle of the band is less than a millisecond.
    """

    def __init__(
        self, rate_hz: int, *, low_hz: float | None = HIGH_PASS_HZ, high_hz: float | None = None, order: Order = 4
    ) -> None:
        corners = [corner for corner in (low_hz, high_hz) if corner is not None]
        if not corners or corners != sorted(set(corners)) or not 0 < corners[0] <= corners[-1] < rate_hz / 2:
            raise ValueError(f"corners {low_hz} and {high_hz} Hz: 0 < low_hz < high_hz < {rate_hz / 2:g} is right")
        if order not in (2, 4):
            raise ValueError(f"order {order}: 2 or 4 is right")
        super().__init__(_matrix(rate_hz, low_hz, high_hz, order), rate_hz)


@cache
def _matrix(rate_hz: int, low_hz: float | None, high_hz: float | None, order: int) -> Frame:
    sections: list[Section] = []
    if low_hz is not None:
        sections += _butterworth(low_hz / rate_hz, order, high_pass=True)
    if high_hz is not None:
        sections += _butterworth(high_hz / rate_hz, order, high_pass=False)
    return block_matrix(tuple(sections), block_of(rate_hz))


def _butterworth(corner: float, order: int, *, high_pass: bool) -> list[Section]:
    """Sections by the bilinear transform of the analogue prototype, its corner bent so that it stays where it is
    (Oppenheim and Schafer, "Discrete-Time Signal Processing", §7.1.2); `corner` over the rate."""
    bent = 2 * math.tan(math.pi * corner)
    sections: list[Section] = []
    for number in range(order // 2):
        prototype = cmath.exp(1j * math.pi * (2 * number + order + 1) / (2 * order))
        pole = bent / prototype if high_pass else bent * prototype
        root = (2 + pole) / (2 - pole)
        a1, a2 = -2 * root.real, abs(root) ** 2
        # Both zeros at z = 1, or at -1, and no gain at the other end of the spectrum.
        gain = (1 - a1 + a2) / 4 if high_pass else (1 + a1 + a2) / 4
        sections.append(Section((gain, (-2 if high_pass else 2) * gain, gain), (a1, a2)))
    return sections
