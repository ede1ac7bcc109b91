"""Conditions about the door: inputs, outputs, readers, detectors, who was let in, what is shown."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from voipnode.calls.events import (
    AccessDenied,
    AccessGranted,
    ButtonPressed,
    ControlButtonPressed,
    ControllerChanged,
    DetectorChanged,
    DisplayChanged,
    DoorOpened,
    DoorRefused,
    Event,
    InputChanged,
    InputTampered,
    LocateChanged,
    PortChanged,
    ReaderChanged,
    SignalChanged,
    VirtualInputChanged,
)
from voipnode.modules.rules.conditions.base import Moment, So, State, joined, quoted
from voipnode.modules.rules.names import SUGGEST, Button, Detector, Free, Input, Name, Page, Port, Reader


class InputActive(State):
    """An input is active: a button pressed, a door contact open."""

    heard: ClassVar[tuple[type[Event], ...]] = (InputChanged,)
    kind: Literal["input"] = Field(alias="is")
    name: Input

    def next(self, before: So, event: InputChanged) -> So:
        return before if event.input != self.name else joined(before, self.name, so=event.active)

    def words(self) -> str:
        return f'input "{self.name}" is active'


class VirtualInputActive(State):
    """A virtual input is active: set by software or over HTTP, and off after a start. Naming it here makes it."""

    heard: ClassVar[tuple[type[Event], ...]] = (VirtualInputChanged,)
    kind: Literal["virtual_input"] = Field(alias="is")
    name: Free

    def next(self, before: So, event: VirtualInputChanged) -> So:
        return before if event.input != self.name else joined(before, self.name, so=event.active)

    def words(self) -> str:
        return f'virtual input "{self.name}" is active'


class Tampered(State):
    """The wires of a supervised input, or a reader, are tampered with."""

    heard: ClassVar[tuple[type[Event], ...]] = (InputTampered, ReaderChanged)
    kind: Literal["tampered"] = Field(alias="is")
    name: Name = Field(default="", description="This input or reader; empty: any.")

    def next(self, before: So, event: InputTampered | ReaderChanged) -> So:
        name = event.input if isinstance(event, InputTampered) else event.reader
        return before if self.name not in ("", name) else joined(before, name, so=event.tampered)

    def words(self) -> str:
        return f'"{self.name}" is tampered with' if self.name else "an input or a reader is tampered with"


class Detected(State):
    """A detector notices something."""

    heard: ClassVar[tuple[type[Event], ...]] = (DetectorChanged,)
    kind: Literal["detector"] = Field(alias="is")
    name: Detector = Field(default="", description="This one; empty: any.")
    notices: Literal["any", "shock", "pir", "tampering", "motion"] = Field(default="any", description="Of this kind.")

    def next(self, before: So, event: DetectorChanged) -> So:
        if self.name not in ("", event.detector) or self.notices not in ("any", event.kind):
            return before
        return joined(before, event.detector, so=event.active)

    def words(self) -> str:
        what = "something" if self.notices == "any" else self.notices
        return f"{quoted('detector', self.name, 'a detector')} notices {what}"


class PortActive(State):
    """An output is active."""

    heard: ClassVar[tuple[type[Event], ...]] = (PortChanged,)
    kind: Literal["port"] = Field(alias="is")
    name: Port

    def next(self, before: So, event: PortChanged) -> So:
        return before if event.port != self.name else joined(before, self.name, so=event.active)

    def words(self) -> str:
        return f'port "{self.name}" is active'


class ReaderConnected(State):
    """A reader is connected."""

    heard: ClassVar[tuple[type[Event], ...]] = (ReaderChanged,)
    kind: Literal["reader"] = Field(alias="is")
    name: Reader

    def next(self, before: So, event: ReaderChanged) -> So:
        return before if event.reader != self.name else joined(before, self.name, so=event.state == "connected")

    def words(self) -> str:
        return f'reader "{self.name}" is connected'


class ControllerThere(State):
    """The door controller behind the readers is connected."""

    heard: ClassVar[tuple[type[Event], ...]] = (ControllerChanged,)
    kind: Literal["controller"] = Field(alias="is")

    def next(self, before: So, event: ControllerChanged) -> So:
        return joined(before, "controller", so=event.state == "connected")

    def words(self) -> str:
        return "the door controller is connected"


class PageShown(State):
    """A page of the display is shown."""

    heard: ClassVar[tuple[type[Event], ...]] = (DisplayChanged,)
    kind: Literal["page"] = Field(alias="is")
    name: Page

    def next(self, before: So, event: DisplayChanged) -> So:
        return joined(before, self.name, so=event.page == self.name)

    def words(self) -> str:
        return f'page "{self.name}" is shown'


class SignalShown(State):
    """Light and siren show a profile."""

    heard: ClassVar[tuple[type[Event], ...]] = (SignalChanged,)
    kind: Literal["signal"] = Field(alias="is")
    profile: Name = Field(default="", description="This one; empty: any.", json_schema_extra={SUGGEST: "light profile"})

    def next(self, before: So, event: SignalChanged) -> So:
        return joined(frozenset(), event.profile, so=bool(event.profile) and self.profile in ("", event.profile))

    def words(self) -> str:
        return f"light and siren show {quoted('profile', self.profile, 'something')}"


class Located(State):
    """The device makes itself found."""

    heard: ClassVar[tuple[type[Event], ...]] = (LocateChanged,)
    kind: Literal["located"] = Field(alias="is")

    def next(self, before: So, event: LocateChanged) -> So:
        return joined(before, "device", so=event.on)

    def words(self) -> str:
        return "the device makes itself found"


class Pressed(Moment):
    """A visitor pressed a call button; a call need not come of it."""

    heard: ClassVar[tuple[type[Event], ...]] = (ButtonPressed,)
    kind: Literal["button"] = Field(alias="is")
    name: Button = Field(default="", description="This one; empty: any.")

    def hears(self, event: ButtonPressed) -> bool:
        return self.name in ("", event.button)

    def words(self) -> str:
        return f"{quoted('button', self.name, 'a call button')} was pressed"


class ControlPressed(Moment):
    """The control button was held, and let go."""

    heard: ClassVar[tuple[type[Event], ...]] = (ControlButtonPressed,)
    kind: Literal["control_button"] = Field(alias="is")
    held_s: float = Field(default=0.0, ge=0, le=60, description="For so long at least.")

    def hears(self, event: ControlButtonPressed) -> bool:
        return event.held_s >= self.held_s

    def words(self) -> str:
        return "the control button was pressed" + (f" for {self.held_s:g} s" if self.held_s else "")


class Opened(Moment):
    """Somebody opened the door, in whatever way."""

    heard: ClassVar[tuple[type[Event], ...]] = (DoorOpened,)
    kind: Literal["door_opened"] = Field(alias="is")
    port: Port = Field(default="", description="This one; empty: any.")

    def hears(self, event: DoorOpened) -> bool:
        return self.port in ("", event.port)

    def words(self) -> str:
        return f"{quoted('port', self.port, 'a door')} was opened"


class Refused(Moment):
    """Somebody who may not wanted to open the door, in whatever way."""

    heard: ClassVar[tuple[type[Event], ...]] = (DoorRefused,)
    kind: Literal["door_refused"] = Field(alias="is")
    port: Port = Field(default="", description="This one; empty: any.")

    def hears(self, event: DoorRefused) -> bool:
        return self.port in ("", event.port)

    def words(self) -> str:
        return f"{quoted('port', self.port, 'a door')} was refused to somebody"


class Granted(Moment):
    """A holder of the entry list was let in."""

    heard: ClassVar[tuple[type[Event], ...]] = (AccessGranted,)
    kind: Literal["access_granted"] = Field(alias="is")
    condition: Name = Field(default="", description='One of the holder\'s conditions; "Access granted" is the default.')
    reader: Name = Field(default="", description="At this one; empty: any.", json_schema_extra={SUGGEST: "reader"})
    duress: bool = Field(default=False, description="By a duress PIN alone.")

    def hears(self, event: AccessGranted) -> bool:
        if self.duress and not event.duress:
            return False
        return self.reader in ("", event.reader) and (not self.condition or self.condition in event.conditions)

    def words(self) -> str:
        return "somebody was let in" + (f' ("{self.condition}")' if self.condition else "")


class Denied(Moment):
    """Somebody was not let in."""

    heard: ClassVar[tuple[type[Event], ...]] = (AccessDenied,)
    kind: Literal["access_denied"] = Field(alias="is")
    reader: Name = Field(default="", description="At this one; empty: any.", json_schema_extra={SUGGEST: "reader"})

    def hears(self, event: AccessDenied) -> bool:
        return self.reader in ("", event.reader)

    def words(self) -> str:
        return "somebody was not let in"
