"""The control button: a short press calibrates the loudspeaker, a long one makes the device seen and heard.

What a press is told as (`ControlButtonPressed`) goes to rules, whatever the press itself does.
"""

from __future__ import annotations

from voipnode.calls.commands import CalibrateSpeaker, Command, Locate, PressControlButton, TestSpeaker
from voipnode.calls.errors import CallError
from voipnode.calls.events import ControlButtonPressed, Problem
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription
from voipnode.modules.control_button.settings import ControlButtonSettings, Does

NAME = "control_button"
LONGEST_S = 60.0


class ControlButtonModule:
    """Carries out `PressControlButton`."""

    def __init__(self, house: House, settings: ControlButtonSettings) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._settings = settings
        self._place: Subscription | None = None

    async def start(self) -> None:
        self._place = self._commands.register(PressControlButton, self._pressed, who=NAME)

    async def stop(self) -> None:
        if self._place is not None:
            self._place.cancel()
            self._place = None

    async def _pressed(self, command: PressControlButton) -> str:
        held_s = command.held_s
        if not 0 < held_s <= LONGEST_S:
            raise CallError(f"held_s = {held_s}: more than 0 and at most {LONGEST_S:.0f} are right")
        self._bus.publish(ControlButtonPressed(at=self._bus.clock(), held_s=held_s, source=command.source))
        does = self._settings.hold if held_s >= self._settings.hold_s else self._settings.press
        wish = _wish(does, command.source)
        if wish is None:
            return ""
        try:
            await self._commands.execute(wish)
        except CallError as error:  # nobody stands at the button who could read it
            self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=str(error)))
        return does


def _wish(does: Does, source: str) -> Command | None:
    match does:
        case "calibrate":
            return CalibrateSpeaker()
        case "test":
            return TestSpeaker(trigger=NAME)
        case "locate":
            return Locate(who=source)
        case _:
            return None


def build(house: House, settings: ControlButtonSettings) -> ControlButtonModule:
    return ControlButtonModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, ControlButtonSettings, build)
