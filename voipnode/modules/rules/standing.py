"""How things stand, as far as rules ask: so that a rule that is made while the node runs knows it, too."""

from __future__ import annotations

from collections.abc import Iterator

from voipnode.calls.events import (
    CallChanged,
    CallHeld,
    CallState,
    ClipChanged,
    ControllerChanged,
    DetectorChanged,
    DisplayChanged,
    DoNotDisturbChanged,
    Event,
    ExtensionChanged,
    InputChanged,
    InputTampered,
    LocateChanged,
    MessageWaitingChanged,
    MqttChanged,
    MulticastChanged,
    NetworkChanged,
    PortChanged,
    ReaderChanged,
    RecordingChanged,
    RegistrationChanged,
    ScheduleChanged,
    SignalChanged,
    SoundChanged,
    SoundLevelPassed,
    VirtualInputChanged,
)

MAXLASTING = 2000  # far more than any house has: a bound for names that come from outside
# Of what each type of event tells: the field that says of which; "" where there is but one.
LASTING: dict[type[Event], str] = {
    CallChanged: "call",
    CallHeld: "call",
    ClipChanged: "clip",
    ControllerChanged: "",
    DetectorChanged: "detector",
    DisplayChanged: "",
    DoNotDisturbChanged: "extension",
    ExtensionChanged: "number",
    InputChanged: "input",
    InputTampered: "input",
    LocateChanged: "",
    MessageWaitingChanged: "id",
    MqttChanged: "subscription",
    MulticastChanged: "source",
    NetworkChanged: "",
    PortChanged: "port",
    ReaderChanged: "reader",
    RecordingChanged: "",
    RegistrationChanged: "id",
    ScheduleChanged: "schedule",
    SignalChanged: "",
    SoundChanged: "",
    SoundLevelPassed: "",
    VirtualInputChanged: "input",
}


class Standing:
    """Keeps the newest event of each thing that lasts; calls that are over are forgotten."""

    def __init__(self) -> None:
        self._newest: dict[tuple[type[Event], str], Event] = {}

    def hear(self, event: Event) -> None:
        """Take in one event; those of moments are passed over."""
        kind = type(event)
        field = LASTING.get(kind)
        if field is None:
            return
        key = (kind, getattr(event, field) if field else "")
        if isinstance(event, CallChanged) and event.state is CallState.TERMINATED:
            self._newest.pop(key, None)
            self._newest.pop((CallHeld, event.call), None)
            return
        if key not in self._newest and len(self._newest) >= MAXLASTING:
            del self._newest[next(iter(self._newest))]
        self._newest[key] = event

    def events(self) -> Iterator[Event]:
        """What was told, so that who hears it knows how all stands."""
        return iter(self._newest.values())
