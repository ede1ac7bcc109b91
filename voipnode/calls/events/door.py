"""Events of the door: what is pressed, who is let in, what opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from voipnode.calls.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChanged(Event):
    """A digital input became active or inactive. `source` says who did it: "hardware", "api", "cli"."""

    name: ClassVar[str] = "input.changed"
    input: str
    active: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortChanged(Event):
    """An output line changed. `active` = differs from its normal state; `who`, `how`: the opener, "" on release.

    `until_s`: seconds from `at` until the lease ends by itself (0 when inactive).
    """

    name: ClassVar[str] = "port.changed"
    port: str
    active: bool
    why: str  # "pulse", "expired", "released", "engine-lost", "guardian-lost", "restart", ...
    who: str = ""
    how: str = ""
    until_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOpened(Event):
    """A relay was activated by somebody: who (URI, card holder, API user), how (dtmf "1", card, rule), for how long."""

    name: ClassVar[str] = "door.opened"
    port: str
    who: str
    how: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRefused(Event):
    """Somebody tried to open and was not allowed to; `why` in words."""

    name: ClassVar[str] = "door.refused"
    port: str
    who: str
    how: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianChanged(Event):
    """The process that holds the outputs came up or was lost; `up` False means: all outputs are released."""

    name: ClassVar[str] = "guardian.changed"
    up: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LightChanged(Event):
    """The call light: "off", "amber" (outgoing), "amber-flash" (incoming), "blue" (in a call), "green" (door open), or
    "red" (nobody has answered)."""

    name: ClassVar[str] = "light.changed"
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(Event):
    """A holder of the entry list was let in. `by`: "card", "pin", "card and pin", "visitor_code".

    `conditions` are what the holder's entry is told as, for rules; `duress`: by the PIN that says that he was forced.
    """

    name: ClassVar[str] = "access.granted"
    reader: str
    holder: str
    by: str
    conditions: tuple[str, ...]
    uses_left: int | None = None
    duress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied(Event):
    """Somebody was not let in: `why` in words. `holder`: whose card or code it was, "" for nobody's; `by` as above."""

    name: ClassVar[str] = "access.denied"
    reader: str
    by: str
    why: str
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPrompt(Event):
    """What a reader is to show: "pin" (a card was read, its PIN is awaited), "key", "granted", "denied", "locked",
    "idle". `for_s`: for how long, 0 = until told otherwise."""

    name: ClassVar[str] = "reader.prompt"
    reader: str
    prompt: str
    for_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed(Event):
    """A visitor pressed a call button; `source` as of `InputChanged`. A call need not come of it."""

    name: ClassVar[str] = "button.pressed"
    button: str
    source: str
