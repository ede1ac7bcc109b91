"""What a reader shows and when it beeps: by what the entry list answers, by a door controller's word or wires."""

from __future__ import annotations

from voipnode.modules.reader.drivers import UNTIL_STOPPED, Light
from voipnode.modules.reader.settings import ReaderSettings

# prompt: (which of the colours, blinking, beeps)
PROMPTS = {
    "granted": ("granted", False, 1),
    "denied": ("denied", False, 3),
    "locked": ("denied", True, 3),
    "pin": ("wait", True, 1),
    "key": ("wait", True, 0),
}
LEDS = ("off", "red", "green", "amber", "blue")  # that a door controller may ask for
MAX_BEEPS = 10


class Face:
    """Decides for one reader. A door controller's lasting wish holds until its next one, or until its wires change."""

    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._wires = {name: False for name in (*settings.led_inputs, settings.beeper_input) if name}
        self._told = ""  # by a door controller, until told otherwise

    @property
    def lasting(self) -> Light:
        """What the light shows while nothing happens."""
        return Light(self._told or self._by_wires())

    def _by_wires(self) -> str:
        colours, wires = self._settings.colours, [self._wires[name] for name in self._settings.led_inputs]
        if len(wires) == 1:
            return colours.high if wires[0] else colours.low
        if len(wires) == 2:
            return {(False, False): colours.idle, (True, False): colours.led1, (False, True): colours.led2}.get(
                (wires[0], wires[1]), colours.both
            )
        return colours.idle

    def prompt(self, prompt: str, for_s: float) -> tuple[Light, int]:
        """What the entry list answers, as light and beeps."""
        if prompt not in PROMPTS or for_s <= 0:
            return self.lasting, 0
        which, blink, beeps = PROMPTS[prompt]
        return Light(getattr(self._settings.colours, which), blink, for_s), self._beeps(beeps)

    def feedback(self, led: str, for_s: float, beeps: int) -> tuple[Light | None, int]:
        """What a door controller wants to be shown; a colour that there is not changes nothing."""
        light = None
        if led in LEDS and for_s > 0:
            light = Light(led, False, for_s)
        elif led in LEDS:
            self._told = led
            light = self.lasting
        return light, self._beeps(beeps)

    def wire(self, name: str, active: bool) -> tuple[Light | None, int | None]:
        """An input changed; None for what does not follow it."""
        light, beeps = None, None
        if name in self._wires:
            self._wires[name] = active
        if name in self._settings.led_inputs:
            self._told = ""
            light = self.lasting
        if name and name == self._settings.beeper_input and self._settings.beeper:
            beeps = UNTIL_STOPPED if active else 0
        return light, beeps

    def _beeps(self, beeps: int) -> int:
        return max(0, min(beeps, MAX_BEEPS)) if self._settings.beeper else 0
