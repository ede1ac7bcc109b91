"""The call light: one colour for what matters most to the visitor.

green: a door is open; blue: a call is active; amber flashing: a call comes in; amber: a call goes out; red: nobody has
answered, a moment ago; off: nothing. The first that holds is shown.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from voipnode.calls.events import CallChanged, CallReason, CallState, LightChanged, PortChanged
from voipnode.calls.hooks import Bus, Subscription
from voipnode.modules.light.settings import LightSettings

PRIORITY = ("green", "blue", "amber-flash", "amber")
NOT_REACHED = (CallReason.NO_ANSWER, CallReason.BUSY, CallReason.DENIED, CallReason.FAILED)


class CallLight:
    """Publishes `LightChanged` and calls `changed` when the colour changes; `colour` is the present one."""

    def __init__(self, bus: Bus, settings: LightSettings, changed: Callable[[str], None]) -> None:
        self._bus = bus
        self._settings = settings
        self._changed = changed
        self._calls: dict[str, str] = {}  # the colour that each call asks for
        self._count: Counter[str] = Counter()  # how many ask for each
        self._open: set[str] = set()
        self._ringing_out: set[str] = set()  # calls that nobody has answered yet
        self._red: asyncio.TimerHandle | None = None
        self._places: list[Subscription] = []
        self.colour = "off"

    def start(self) -> None:
        """Follow calls and doors, unless settings say not to."""
        if not self._settings.enabled:
            return
        self._places = [
            self._bus.subscribe(CallChanged, self._call_changed, who="light"),
            self._bus.subscribe(PortChanged, self._port_changed, who="light"),
        ]
        self._bus.publish(LightChanged(at=self._bus.clock(), colour=self.colour))

    def stop(self) -> None:
        """Follow them no more."""
        for place in self._places:
            place.cancel()
        self._places = []
        self._end_red()

    def _call_changed(self, event: CallChanged) -> None:
        self._follow(event)
        before, colour = self._calls.pop(event.call, ""), call_colour(event)
        if colour:
            self._calls[event.call] = colour
        if colour != before:
            self._count.subtract([before])
            self._count.update([colour])
            self._show()

    def _follow(self, event: CallChanged) -> None:
        """Whether a call of the visitor's has come to nothing."""
        if event.state in (CallState.CALLING, CallState.RINGING):
            self._end_red()
            if event.direction == "outgoing":
                self._ringing_out.add(event.call)
        elif event.call in self._ringing_out:
            self._ringing_out.discard(event.call)
            if event.reason in NOT_REACHED and self._settings.not_reached_s:
                self._end_red()
                self._red = asyncio.get_running_loop().call_later(self._settings.not_reached_s, self._red_is_over)

    def _red_is_over(self) -> None:
        self._red = None
        self._show()

    def _end_red(self) -> None:
        if self._red is not None:
            self._red.cancel()
            self._red = None

    def _port_changed(self, event: PortChanged) -> None:
        if self._settings.door_ports and event.port not in self._settings.door_ports:
            return
        if event.active:
            self._open.add(event.port)
        else:
            self._open.discard(event.port)
        self._show()

    def _show(self) -> None:
        colour = "green" if self._open else next((colour for colour in PRIORITY if self._count[colour]), "")
        colour = colour or ("off" if self._red is None else "red")
        if colour != self.colour:
            self.colour = colour
            self._bus.publish(LightChanged(at=self._bus.clock(), colour=colour))
            self._changed(colour)


def call_colour(event: CallChanged) -> str:
    """What a call in this state asks the light to show; "" when it is over."""
    match event.state, event.direction:
        case CallState.ACTIVE, _:
            return "blue"
        case CallState.RINGING, "incoming":
            return "amber-flash"
        case ((CallState.CALLING | CallState.RINGING), _):
            return "amber"
        case _:
            return ""
