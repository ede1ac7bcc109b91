"""Conditions of rules: states that last, which events change, and moments, which one event is.

Each is a table of `conditions = [{is = "...", ...}]`. A state is not so until an event has told that it is; `invert`
turns it round. A moment cannot be inverted: something that does not happen happens at no time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.events import (
    AccessDenied,
    AccessGranted,
    CallChanged,
    CallState,
    ClipChanged,
    DtmfMatched,
    Event,
    InputChanged,
    ManualTriggered,
    MqttChanged,
    MqttReceived,
    MulticastChanged,
    PortChanged,
    RegistrationChanged,
    RegistrationState,
    ScheduleChanged,
    SoundLevelPassed,
    SpeakerTestFinished,
)

Name = Annotated[str, Field(max_length=64)]


class _Condition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class State(_Condition):
    """Something that lasts. `next(before, event)`: whether it is so after the event; `before` where it says nothing."""

    invert: bool = Field(default=False, description="Holds while it is not so.")

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        """What makes it so now: the calls, ports, ... for which it is; empty = it is not so."""
        raise NotImplementedError

    def words(self) -> str:
        """What is so, in words; "not" is put before it."""
        raise NotImplementedError


class Moment(_Condition):
    """Something that happens and is over."""

    def hears(self, event: Event) -> bool:
        """Whether this event is it."""
        raise NotImplementedError

    def words(self) -> str:
        """What happens, in words."""
        raise NotImplementedError


def _with(before: frozenset[str], what: str, *, so: bool) -> frozenset[str]:
    return before | {what} if so else before - {what}


class InCall(State):
    """A call at the door is in one of these states."""

    kind: Literal["call"] = Field(alias="is")
    states: tuple[Literal["Calling", "Ringing", "Active"], ...] = Field(default=("Active",), min_length=1)
    direction: Literal["any", "incoming", "outgoing"] = "any"
    account: Name = Field(default="", description="Of this account alone.")

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, CallChanged):
            return before
        so = event.state in self.states and self.direction in ("any", event.direction)
        return _with(before, event.call, so=so and self.account in ("", event.account))

    def words(self) -> str:
        kind = "a call" if self.direction == "any" else f"an {self.direction} call"
        return f"{kind} is {' or '.join(self.states)}"


class ScheduleActive(State):
    """A schedule is active."""

    kind: Literal["schedule"] = Field(alias="is")
    name: Name

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, ScheduleChanged) or event.schedule != self.name:
            return before
        return _with(before, self.name, so=event.active)

    def words(self) -> str:
        return f'schedule "{self.name}" is active'


class InputActive(State):
    """An input is active: a button pressed, a door contact open."""

    kind: Literal["input"] = Field(alias="is")
    name: Name

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, InputChanged) or event.input != self.name:
            return before
        return _with(before, self.name, so=event.active)

    def words(self) -> str:
        return f'input "{self.name}" is active'


class PortActive(State):
    """An output is active."""

    kind: Literal["port"] = Field(alias="is")
    name: Name

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, PortChanged) or event.port != self.name:
            return before
        return _with(before, self.name, so=event.active)

    def words(self) -> str:
        return f'port "{self.name}" is active'


class ClipPlaying(State):
    """A clip plays."""

    kind: Literal["clip"] = Field(alias="is")
    name: Name = Field(default="", description="This one; empty: any.")

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, ClipChanged) or self.name not in ("", event.clip):
            return before
        return _with(before, event.clip, so=event.playing)

    def words(self) -> str:
        return f'clip "{self.name}" plays' if self.name else "a clip plays"


class Announcement(State):
    """An announcement by multicast plays."""

    kind: Literal["multicast"] = Field(alias="is")
    source: Name = Field(default="", description="Of this source; empty: any.")

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, MulticastChanged) or self.source not in ("", event.source):
            return before
        return _with(before, event.source, so=event.state == "playing")

    def words(self) -> str:
        return f'announcement "{self.source}" plays' if self.source else "an announcement plays"


class Loud(State):
    """It is loud at the door, as `[sound_level]` has it."""

    kind: Literal["sound_level"] = Field(alias="is")

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        return _with(before, "loud", so=event.above) if isinstance(event, SoundLevelPassed) else before

    def words(self) -> str:
        return "it is loud at the door"


class Registered(State):
    """An account is registered with its server."""

    kind: Literal["registered"] = Field(alias="is")
    account: Name

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, RegistrationChanged) or self.account not in (event.account, event.id):
            return before
        return _with(before, event.id, so=event.state is RegistrationState.REGISTERED)

    def words(self) -> str:
        return f'account "{self.account}" is registered'


class Digits(Moment):
    """Digits of `[[dtmf]]` came, of somebody whose digits act."""

    kind: Literal["dtmf"] = Field(alias="is")
    name: Name = Field(description="The name of the [[dtmf]] sequence.")
    anybody: bool = Field(default=False, description="Of others, too. Never for a rule that opens a door.")

    def hears(self, event: Event) -> bool:
        return isinstance(event, DtmfMatched) and event.label == self.name and (event.authorised or self.anybody)

    def words(self) -> str:
        return f'the digits of "{self.name}" came'


class CallEnded(Moment):
    """A call at the door has ended."""

    kind: Literal["call_ended"] = Field(alias="is")
    reasons: tuple[Literal["Denied", "NoAnswer", "Busy", "Failed", "Terminated"], ...] = Field(
        default=(), description="For one of these reasons; empty: any."
    )
    direction: Literal["any", "incoming", "outgoing"] = "any"

    def hears(self, event: Event) -> bool:
        if not isinstance(event, CallChanged) or event.state is not CallState.TERMINATED:
            return False
        return self.direction in ("any", event.direction) and (not self.reasons or event.reason in self.reasons)

    def words(self) -> str:
        return "a call has ended" + (f" ({' or '.join(self.reasons)})" if self.reasons else "")


class Granted(Moment):
    """A holder of the entry list was let in."""

    kind: Literal["access_granted"] = Field(alias="is")
    condition: Name = Field(default="", description='One of the holder\'s conditions; "Access granted" is the default.')
    reader: Name = ""
    duress: bool = Field(default=False, description="By a duress PIN alone.")

    def hears(self, event: Event) -> bool:
        if not isinstance(event, AccessGranted) or (self.duress and not event.duress):
            return False
        return self.reader in ("", event.reader) and (not self.condition or self.condition in event.conditions)

    def words(self) -> str:
        return "somebody was let in" + (f' ("{self.condition}")' if self.condition else "")


class Denied(Moment):
    """Somebody was not let in."""

    kind: Literal["access_denied"] = Field(alias="is")
    reader: Name = ""

    def hears(self, event: Event) -> bool:
        return isinstance(event, AccessDenied) and self.reader in ("", event.reader)

    def words(self) -> str:
        return "somebody was not let in"


class SpeakerTested(Moment):
    """A test of the loudspeaker has this result."""

    kind: Literal["speaker_test"] = Field(alias="is")
    result: Literal["OK", "Failed"] = "Failed"

    def hears(self, event: Event) -> bool:
        return isinstance(event, SpeakerTestFinished) and event.state == self.result

    def words(self) -> str:
        return f"a speaker test is {self.result}"


class Triggered(Moment):
    """Somebody pulled this manual trigger, on the page or by HTTP."""

    kind: Literal["trigger"] = Field(alias="is")
    name: Name = Field(min_length=1)

    def hears(self, event: Event) -> bool:
        return isinstance(event, ManualTriggered) and event.trigger == self.name

    def words(self) -> str:
        return f'trigger "{self.name}" was pulled'


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse(Event):
    """So many seconds have passed once more. It is not for the bus, nor for the log: one a second would fill both."""

    every_s: float


class Every(Moment):
    """Time and again."""

    kind: Literal["pulse"] = Field(alias="is")
    every_s: float = Field(ge=1, le=86_400, description="Seconds from one to the next.")

    def hears(self, event: Event) -> bool:
        return isinstance(event, Pulse) and event.every_s == self.every_s

    def words(self) -> str:
        return f"{self.every_s:g} s have passed"


class MqttOn(State):
    """A subscription of `[[mqtt.subscriptions]]` that is a state is on."""

    kind: Literal["mqtt"] = Field(alias="is")
    name: Name

    def next(self, before: frozenset[str], event: Event) -> frozenset[str]:
        if not isinstance(event, MqttChanged) or event.subscription != self.name:
            return before
        return _with(before, self.name, so=event.on)

    def words(self) -> str:
        return f'MQTT "{self.name}" is on'


class MqttCame(Moment):
    """A message came to a subscription of `[[mqtt.subscriptions]]` without `on`."""

    kind: Literal["mqtt_message"] = Field(alias="is")
    name: Name
    payload: str = Field(default="", max_length=255, description="This one; empty: any.")

    def hears(self, event: Event) -> bool:
        if not isinstance(event, MqttReceived) or event.subscription != self.name:
            return False
        return self.payload in ("", event.payload)

    def words(self) -> str:
        return f'an MQTT message came to "{self.name}"'


Condition = Annotated[
    InCall
    | ScheduleActive
    | InputActive
    | PortActive
    | ClipPlaying
    | Announcement
    | Loud
    | Registered
    | MqttOn
    | MqttCame
    | Digits
    | CallEnded
    | Granted
    | Denied
    | SpeakerTested
    | Triggered
    | Every,
    Field(discriminator="kind"),
]
