"""Events of what the node senses, and of what it shows: detectors, light and siren, display, network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from voipnode.calls.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTampered(Event):
    """A supervised input's wires were "cut" or are a "short", or (`tampered` False) are whole again."""

    name: ClassVar[str] = "input.tampered"
    input: str
    tampered: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorChanged(Event):
    """A detector ("shock", "pir", "tampering", "motion") notices something, or no longer. `source` as of an input."""

    name: ClassVar[str] = "detector.changed"
    detector: str
    kind: str
    active: bool
    source: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalChanged(Event):
    """What light and siren show now: the profile of the activity with the highest priority; "" for nothing."""

    name: ClassVar[str] = "signal.changed"
    profile: str
    activity: str = ""
    priority: int = 0
    light: Mapping[str, Any] = field(default_factory=dict)
    siren: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorChanged(Event):
    """An indicator LED: "off", "red", "green", "amber" or "blue", steady or blinking."""

    name: ClassVar[str] = "indicator.changed"
    indicator: str
    colour: str
    blink: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayChanged(Event):
    """The display shows another page; `for_s`: until the home page returns, 0 = until told otherwise."""

    name: ClassVar[str] = "display.changed"
    page: str
    for_s: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocateChanged(Event):
    """The device makes itself seen and heard, so that it is found; or no longer."""

    name: ClassVar[str] = "locate.changed"
    on: bool
    for_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChanged(Event):
    """The addresses of this host are others than before."""

    name: ClassVar[str] = "network.changed"
    addresses: tuple[str, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlButtonPressed(Event):
    """The control button was held for so long, and let go."""

    name: ClassVar[str] = "control_button.pressed"
    held_s: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePulse(Event):
    """A schedule that has moments instead of a duration has one now."""

    name: ClassVar[str] = "schedule.pulse"
    schedule: str
