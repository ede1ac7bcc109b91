"""Supervised inputs: end-of-line resistors tell a contact at rest from wires that somebody has cut or bridged.

At the far end, beside the contact, sit two equal resistors R: one in series with the loop, one across the contact. The
input feeds the loop through its pull-up from its supply, so that the terminal is at one of four voltages:

    the loop       its resistance      voltage, as a share of the supply     for R = pull-up = 4.7 kohm at 3.3 V
    short          0                   0                                      0.00 V
    closed         R                   R / (R + pull-up)                      1.65 V
    open           2 R                 2 R / (2 R + pull-up)                  2.20 V
    cut            endless             1                                      3.30 V

What is read is the state whose voltage is nearest: the thresholds lie half-way between neighbours, there 0.825 V, 1.925
V and 2.75 V. Resistors of 1 % move a voltage by less than a fiftieth of the supply, so neighbours must differ by a
twentieth at least; settings by which they do not are refused.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

SMALLEST_STEP = 0.05  # between the voltages of neighbouring states, as a share of the supply


@dataclass(frozen=True, slots=True)
class Supervision:
    """The loop's resistors and supply; raises ValueError where its states cannot be told apart."""

    resistor_ohm: float
    pull_up_ohm: float
    supply_v: float

    def __post_init__(self) -> None:
        shares = self._shares
        if min(after - before for before, after in itertools.pairwise(shares)) < SMALLEST_STEP:
            raise ValueError(
                f"resistor_ohm = {self.resistor_ohm:g} with pull_up_ohm = {self.pull_up_ohm:g}: the contact's states"
                " would differ by too little voltage; take resistors about as large as the pull-up"
            )

    @property
    def _shares(self) -> tuple[float, float, float, float]:
        """The voltages of short, closed, open and cut, as shares of the supply."""
        end, pull_up = self.resistor_ohm, self.pull_up_ohm
        return 0.0, end / (end + pull_up), 2 * end / (2 * end + pull_up), 1.0

    @property
    def thresholds_v(self) -> tuple[float, float, float]:
        """Up to the first it is a short, up to the second closed, up to the third open, and above it a wire is cut."""
        short, closed, opened, cut = (share * self.supply_v for share in self._shares)
        return (short + closed) / 2, (closed + opened) / 2, (opened + cut) / 2

    def reading(self, voltage_v: float | None) -> str:
        """What a voltage at the terminal means: "short", "closed", "open", "cut". None: nothing is connected."""
        if voltage_v is None:
            return "cut"
        for threshold_v, state in zip(self.thresholds_v, ("short", "closed", "open"), strict=True):
            if voltage_v <= threshold_v:
                return state
        return "cut"
