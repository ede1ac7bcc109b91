"""What a controller's OSDP commands for light and beeper come to (IEC 60839-11-5, LED and BUZ)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voipnode.modules.controller.link import AS_IT_IS

# OSDP has eight colours, readers here five: the nearest.
COLOURS = ("off", "red", "green", "amber", "blue", "red", "blue", "amber")
CANCEL, SET = 1, 2  # of the temporary state
LASTING_SET = 1
TENTH_S = 0.1
NO_TONE = (0, 1)
MAX_BEEPS = 10  # a tone without end is so many


@dataclass(frozen=True, slots=True)
class Feedback:
    """Light for so long (0: until told otherwise), and beeps."""

    led: str
    for_s: float = 0.0
    beeps: int = 0


class OsdpFeedback:
    """The reader's first light and its beeper; what is meant for others is nothing here."""

    def __init__(self) -> None:
        self._lasting = ""

    def light(self, command: Mapping[str, object]) -> Feedback | None:
        """A command LED; None where nothing is to be shown by it. Blinking is shown as the colour that it blinks in."""
        if _number(command, "reader") or _number(command, "led_number"):
            return None
        key = "on_color" if _number(command, "on_count") else "off_color"
        colour = COLOURS[_number(command, key) % len(COLOURS)]
        code = _number(command, "control_code")
        if not command.get("temporary"):
            if code != LASTING_SET:
                return None
            self._lasting = colour
            return Feedback(colour)
        if code == CANCEL:
            return Feedback(self._lasting) if self._lasting else None
        tenths = _number(command, "timer_count")
        return Feedback(colour, tenths * TENTH_S) if code == SET and tenths else None

    def tone(self, command: Mapping[str, object]) -> Feedback | None:
        """A command BUZ."""
        if _number(command, "reader") or _number(command, "control_code") in NO_TONE:
            return None
        times = _number(command, "rep_count")
        return Feedback(AS_IT_IS, beeps=min(times or MAX_BEEPS, MAX_BEEPS))


def _number(command: Mapping[str, object], key: str) -> int:
    value = command.get(key, 0)
    return value if isinstance(value, int) else 0
