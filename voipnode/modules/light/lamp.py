"""The lamp behind one interface, and the simulated one. A driver of hardware stands beside it and follows `Look`."""

from __future__ import annotations

from typing import Protocol

from voipnode.modules.light.profile import DARKNESS, Look
from voipnode.modules.light.settings import LightSettings


class Lamp(Protocol):
    """Shows looks. A driver that dims a lamp itself follows `Look.brightness`; one for a lamp with patterns of its own
    takes the look's pattern, colour, speed and intensity. Neither method blocks or raises."""

    def show(self, look: Look) -> None:
        """Show this from now on; darkness at the beginning."""
        ...

    def stop(self) -> None:
        """Be dark, and let the hardware go."""
        ...


class SimulatedLamp:
    """Remembers what it would show."""

    def __init__(self) -> None:
        self.look = DARKNESS

    def show(self, look: Look) -> None:
        self.look = look

    def stop(self) -> None:
        self.look = DARKNESS


def make_lamp(settings: LightSettings) -> Lamp:
    """The driver that settings name."""
    return {"simulated": SimulatedLamp}[settings.driver]()
