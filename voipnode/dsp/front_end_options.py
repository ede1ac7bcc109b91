"""How the sound of a door is treated: what can be switched and set while it runs."""

from __future__ import annotations

from dataclasses import dataclass, fields

from voipnode.dsp.band_limit import HIGH_PASS_HZ
from voipnode.dsp.gain_control import TARGET_DBFS
from voipnode.dsp.suppressor import NOISE_FLOOR_DB

NOISE_REDUCTION_DB = -NOISE_FLOOR_DB
MIN_GAIN_DB, MAX_GAIN_DB = -40.0, 30.0
RANGES = {
    "high_pass_hz": (0.0, 400.0),
    "noise_reduction_db": (3.0, 40.0),
    "target_dbfs": (-40.0, -6.0),
    "input_gain_db": (MIN_GAIN_DB, MAX_GAIN_DB),
    "output_gain_db": (MIN_GAIN_DB, MAX_GAIN_DB),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndOptions:
    """What is done with the microphone's sound, in this order, and with the loudspeaker's.

    `input_enabled` False: there is no microphone, and nothing is done. `high_pass_hz`: rumble below is taken away, 0 =
    not. `noise_reduction_db`: by how much steady noise is made softer. `target_dbfs`: the level that automatic gain
    control brings speech to. Gains come last; a limiter keeps what they make within full scale. Raises ValueError for
    what is out of `RANGES`.
    """

    input_enabled: bool = True
    high_pass_hz: float = HIGH_PASS_HZ
    echo_cancellation: bool = True
    noise_suppression: bool = True
    noise_reduction_db: float = NOISE_REDUCTION_DB
    automatic_gain_control: bool = True
    target_dbfs: float = TARGET_DBFS
    input_gain_db: float = 0.0
    input_muted: bool = False
    output_gain_db: float = 0.0
    output_muted: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = RANGES.get(field.name, (False, True))
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ValueError(f"{field.name} = {value}: {low:g} to {high:g} is right")

    @property
    def input_is_plain(self) -> bool:
        """Whether the microphone's sound passes as it is."""
        return self.input_enabled and not (
            self.high_pass_hz
            or self.echo_cancellation
            or self.noise_suppression
            or self.automatic_gain_control
            or self.input_gain_db
            or self.input_muted
        )

    @property
    def output_is_plain(self) -> bool:
        """Whether the loudspeaker's sound passes as it is."""
        return not self.output_gain_db and not self.output_muted


PLAIN = FrontEndOptions(
    high_pass_hz=0.0, echo_cancellation=False, noise_suppression=False, automatic_gain_control=False
)
"""Sound as it is."""
