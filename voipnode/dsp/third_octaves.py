"""Third-octave bands (IEC 61260-1:2014, base ten) and the mean of a spectrum in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# §5.5 and annex E: the exact centre of band n is 1000 * 10^(n/10) Hz; its name is rounded.
_NAMES = (10, 12.5, 16, 20, 25, 31.5, 40, 50, 63, 80)
_HALF = 10.0**0.05  # from the centre of a band to its edges (§5.6)


@dataclass(frozen=True, slots=True)
class ThirdOctaves:
    """The bands that a range has, in order: their names and edges in Hz."""

    names_hz: tuple[float, ...]
    edges_hz: tuple[tuple[float, float], ...]

    @classmethod
    def within(cls, low_hz: float, high_hz: float) -> ThirdOctaves:
        """The bands whose centres lie from `low_hz` to `high_hz`, their edges cut off there. 10 Hz to 80 kHz."""
        if not 10.0 <= low_hz < high_hz <= 80_000.0:
            raise ValueError(f"{low_hz:g} to {high_hz:g} Hz: a range between 10 Hz and 80 kHz is needed")
        first, last = np.ceil(10.0 * np.log10(low_hz / 1000.0)), np.floor(10.0 * np.log10(high_hz / 1000.0))
        numbers = range(int(first), int(last) + 1)
        centres = [1000.0 * 10.0 ** (number / 10.0) for number in numbers]
        return cls(
            tuple(_name(number) for number in numbers),
            tuple((max(low_hz, centre / _HALF), min(high_hz, centre * _HALF)) for centre in centres),
        )

    def __len__(self) -> int:
        return len(self.names_hz)

    def lines(self, count: int, step_hz: float) -> list[slice]:
        """Which of the `count` lines of a spectrum, from 0 Hz in steps of `step_hz`, each band has: one at least."""
        slices = []
        for low, high in self.edges_hz:
            first = min(count - 1, int(np.ceil(low / step_hz)))
            slices.append(slice(first, min(count, max(first + 1, int(np.floor(high / step_hz)) + 1))))
        return slices

    def means(self, power: Floats, step_hz: float) -> Floats:
        """The mean of `power` (its last axis a spectrum from 0 Hz in steps of `step_hz`) over each band.

        The last axis of the result is the bands. A band narrower than a step has the value next to its centre.
        """
        rows = np.asarray(power, np.float64)
        out = np.empty((*rows.shape[:-1], len(self)))
        for number, lines in enumerate(self.lines(rows.shape[-1], step_hz)):
            out[..., number] = rows[..., lines].mean(axis=-1)
        return out


def _name(number: int) -> float:
    decade, place = divmod(number, 10)
    return float(_NAMES[place] * 10.0 ** (decade + 2))
