"""What every reader can do, whatever it is: the interface that the drivers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voipnode.credentials.data_sets import ChipCard

CONNECTED, CONNECTING, NOT_CONNECTED = "connected", "connecting", "not connected"
MAX_KEYS = 64
UNTIL_STOPPED = -1  # as a number of beeps


@dataclass(frozen=True, slots=True)
class Link:
    """How a reader is reached: one of the three states, whether by an encrypted channel, and whether it is open."""

    state: str
    secure: bool = False
    tampered: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Light:
    """What a reader's light shows: for `for_s`, or (0) from now on, instead of all before."""

    colour: str
    blink: bool = False
    for_s: float = 0.0


class Ear(Protocol):
    """Who is told what a reader reads: a card's `uid` in hexadecimal, and the `chip`, None where no reader says it."""

    def card(self, uid: str, bits: int, chip: ChipCard | None = None) -> None: ...

    def keys(self, keys: str) -> None: ...

    def refused(self, why: str) -> None:
        """What the reader sent is neither."""
        ...

    def link(self, link: Link) -> None: ...


class ReaderDriver(Protocol):
    """A reader, in the event loop. `stop` may be called twice; what is to be shown while it is away is forgotten."""

    def start(self, ear: Ear) -> None: ...

    def stop(self) -> None: ...

    def light(self, light: Light) -> None: ...

    def beep(self, times: int) -> None:
        """So many short beeps; UNTIL_STOPPED, and 0 to stop."""
        ...


class SimulatedReader:
    """A reader of software: always there; what it shows is kept for whoever looks."""

    def __init__(self) -> None:
        self.lights: list[Light] = []
        self.beeps: list[int] = []
        self._ear: Ear | None = None

    def start(self, ear: Ear) -> None:
        self._ear = ear
        ear.link(Link(CONNECTED, detail="simulated"))

    def stop(self) -> None:
        self._ear = None

    def light(self, light: Light) -> None:
        self.lights = [*self.lights[-15:], light]

    def beep(self, times: int) -> None:
        self.beeps = [*self.beeps[-15:], times]

    def card(self, uid: str, bits: int = 0, chip: ChipCard | None = None) -> None:
        """Somebody shows a card."""
        if self._ear is not None:
            self._ear.card(uid, bits, chip)

    def keys(self, keys: str) -> None:
        """Somebody presses keys."""
        if self._ear is not None:
            self._ear.keys(keys)
