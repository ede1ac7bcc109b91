"""What light and siren do: a look, a sound, how long, and how important that is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from voipnode.dsp.siren import siren_cycle_s
from voipnode.modules.light.settings import ProfileSettings

PERIOD_S = {"slow": 2.0, "medium": 1.0, "fast": 0.5}
FLASH = 0.12  # of a period
FLASHES = {"double_flash": 2, "triple_flash": 3}


@dataclass(frozen=True, slots=True)
class Look:
    """What the light does; `pattern` "off" is darkness, `intensity` 1 to 5."""

    pattern: str = "off"
    colour: str = "white"
    speed: str = "medium"
    intensity: int = 3

    @property
    def period_s(self) -> float:
        """One round of the pattern."""
        return PERIOD_S[self.speed]

    def brightness(self, since_s: float) -> float:
        """0 to 1, so long after it began: what a driver that dims a lamp follows.

        A light that rotates is as bright all round as one that stands: which part of it is lit is the driver's.
        """
        phase = since_s / self.period_s % 1.0
        return self.intensity / 5 * _shape(self.pattern, phase)

    def to_dict(self) -> dict[str, Any]:
        """For events; {} for darkness."""
        return {**asdict(self), "period_s": self.period_s} if self.pattern != "off" else {}


def _shape(pattern: str, phase: float) -> float:
    match pattern:
        case "off":
            return 0.0
        case "flash":
            return float(phase < 0.5)
        case "double_flash" | "triple_flash":
            flash, within = divmod(phase, 2 * FLASH)
            return float(flash < FLASHES[pattern] and within < FLASH)
        case "pulse":
            return 0.5 - 0.5 * math.cos(2 * math.pi * phase)
        case _:
            return 1.0


@dataclass(frozen=True, slots=True)
class Sound:
    """What the siren does; `pattern` "off" is silence, `intensity` 1 to 5."""

    pattern: str = "off"
    intensity: int = 3

    def to_dict(self) -> dict[str, Any]:
        """For events; {} for silence."""
        return asdict(self) if self.pattern != "off" else {}


SILENCE = Sound()
DARKNESS = Look()


@dataclass(frozen=True, slots=True)
class Profile:
    """`lasts_s` None: until it is stopped. Above priority 10 are those that nobody but the node ends."""

    name: str
    light: Look
    siren: Sound = SILENCE
    lasts_s: float | None = None
    priority: int = 5

    @property
    def removable(self) -> bool:
        return self.priority <= 10


MAINTENANCE = Profile("Maintenance", Look("steady", "amber"), priority=11)
IDENTIFY = Profile("Identify", Look("double_flash", "white", "medium", 5), Sound("chirp", 4), priority=12)
HEALTH_CHECK = Profile("Health check", Look("pulse", "green", "slow"), priority=13)
CALL_LIGHT, PREVIEW = "Call light", "Preview"
CALL_LOOKS = {
    "amber": Look("pulse", "amber", "slow"),
    "amber-flash": Look("flash", "amber"),
    "blue": Look("steady", "blue"),
    "green": Look("steady", "green"),
    "red": Look("steady", "red"),
}


def profile_of(settings: ProfileSettings) -> Profile:
    """The profile that settings describe."""
    light = Look(settings.light, settings.light_colour, settings.light_speed, settings.light_intensity)
    siren = Sound(settings.siren, settings.siren_intensity)
    lasts_s: float | None = None
    if settings.duration == "time":
        lasts_s = settings.time_s
    elif settings.duration == "repetitions":
        lasts_s = settings.repetitions * (light.period_s if settings.light != "off" else siren_cycle_s(siren.pattern))
    return Profile(settings.name, light, siren, lasts_s, settings.priority)
