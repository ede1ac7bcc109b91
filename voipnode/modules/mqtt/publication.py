"""What is told to the broker, and where: states that it keeps, and events as they come.

<prefix>/status                 online | offline        (offline is the last will)
<prefix>/port/<name>            ON | OFF
<prefix>/input/<name>           ON | OFF
<prefix>/call                   Idle | Calling | Ringing | Active
<prefix>/light                  off | green | blue | amber | ...
<prefix>/registration/<account> registered | registering | unregistered | problem
<prefix>/schedule/<name>        ON | OFF
<prefix>/event/<name>           an event as JSON, the dots of its name as slashes
<prefix>/doorbell               {"event_type": "ring"} for each press of a call button
<prefix>/event/tns:...          events in the form of VAPIX, where that is wished: see vapix_events.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from voipnode.calls.events import (
    CallChanged,
    CallState,
    Event,
    InputChanged,
    LightChanged,
    PortChanged,
    RegistrationChanged,
    ScheduleChanged,
)

MAX_PAYLOAD = 16_000
_UNFIT = re.compile(r"[\s/+#\x00]")
# Of several calls the one that matters most is told.
_WEIGHT = {CallState.CALLING: 1, CallState.RINGING: 2, CallState.ACTIVE: 3}


@dataclass(frozen=True, slots=True)
class Publication:
    """One message; `topic` without the prefix, or whole behind "//". `qos`: None is that of the settings."""

    topic: str
    payload: str
    retain: bool = False
    qos: int | None = None


def level(text: str) -> str:
    """A name as one level of a topic."""
    return _UNFIT.sub("_", text) or "_"


class CallSummary:
    """Of several calls, the state of the one that matters most."""

    def __init__(self) -> None:
        self._calls: dict[str, CallState] = {}

    def hear(self, event: CallChanged) -> str:
        """The state now."""
        if event.state in _WEIGHT:
            self._calls[event.call] = event.state
        else:
            self._calls.pop(event.call, None)
        return max(self._calls.values(), key=lambda state: _WEIGHT[state], default=CallState.IDLE).value


class States:
    """The states that the broker keeps, as events have told them. Pure."""

    def __init__(self) -> None:
        self._calls = CallSummary()
        self._known: dict[str, str] = {"call": "Idle"}

    def hear(self, event: Event) -> Publication | None:
        """The state that this event changes; None where it changes none."""
        found = self._state(event)
        if found is None or self._known.get(found[0]) == found[1]:
            return None
        self._known[found[0]] = found[1]
        return Publication(*found, retain=True)

    def all(self) -> list[Publication]:
        """Every state, for a broker that may have forgotten or never heard of them."""
        return [Publication(topic, payload, retain=True) for topic, payload in self._known.items()]

    def _state(self, event: Event) -> tuple[str, str] | None:
        match event:
            case PortChanged():
                return f"port/{level(event.port)}", "ON" if event.active else "OFF"
            case InputChanged():
                return f"input/{level(event.input)}", "ON" if event.active else "OFF"
            case LightChanged():
                return "light", event.colour
            case RegistrationChanged():
                return f"registration/{level(event.id)}", event.state.value
            case ScheduleChanged():
                return f"schedule/{level(event.schedule)}", "ON" if event.active else "OFF"
            case CallChanged():
                return "call", self._calls.hear(event)
        return None


def of_event(event: Event) -> Publication:
    """An event, as JSON."""
    payload = json.dumps(event.to_dict(), default=str)
    if len(payload) > MAX_PAYLOAD:
        payload = json.dumps({"event": event.name, "left_out": f"{len(payload)} characters"})
    return Publication(f"event/{event.name.replace('.', '/')}", payload)
