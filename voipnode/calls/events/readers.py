"""Events of readers and of the door controller behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from voipnode.calls.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderChanged(Event):
    """A reader's link: "connected", "connecting" or "not connected"; `secure`: by an encrypted channel; `tampered`:
    the reader says that somebody has opened it."""

    name: ClassVar[str] = "reader.changed"
    reader: str
    state: str
    secure: bool = False
    tampered: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead(Event):
    """A reader read a card, whoever's it is. `uid`: as much of it as the reader's settings let be told; `chip`: the
    card's kind, "" where the reader does not say."""

    name: ClassVar[str] = "card.read"
    reader: str
    uid: str
    bits: int = 0
    chip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFeedback(Event):
    """What the door controller wants to be shown at a reader: `led` "off", "red", "green", "amber" or "blue" for
    `for_s` (0 = until told otherwise), "" as it is; and so many `beeps`."""

    name: ClassVar[str] = "reader.feedback"
    reader: str
    led: str
    for_s: float = 0.0
    beeps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerChanged(Event):
    """The link to the door controller: "connected", "connecting" or "not connected"."""

    name: ClassVar[str] = "controller.changed"
    protocol: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialForwarded(Event):
    """A credential that the entry list does not know was handed to the door controller `to`; `by`: "card", "pin"."""

    name: ClassVar[str] = "credential.forwarded"
    reader: str
    by: str
    to: str
