"""Digital inputs: what a contact can be, the driver's interface, the simulated driver, and the debouncing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from voipnode.modules.button.supervision import Supervision

OPEN_ABOVE_V = 1.0  # an input reads open when unconnected or above this voltage, closed when pulled to ground


class Contact(StrEnum):
    """What is at the end of an input's wires; the last two of supervised inputs alone."""

    OPEN = "open"
    CLOSED = "closed"
    CUT = "cut"  # a wire is cut, or the contact was taken off
    SHORT = "short"  # the wires are bridged before they reach the contact

    @property
    def tampered(self) -> bool:
        return self in (Contact.CUT, Contact.SHORT)


ContactListener = Callable[[Contact], None]
Trouble = Callable[[str], None]


class InputDriver(Protocol):
    """Reports a contact in the event loop, every bounce included unless `debounces`. `stop` may be called twice."""

    debounces: bool

    def start(self, listener: ContactListener, trouble: Trouble) -> Contact:
        """Report every change from now on to `listener`, and what keeps it from reading, in words, to `trouble`.

        Returns what the contact is now. Raises `CallError` where there is no such input.
        """
        ...

    def stop(self) -> None: ...


class Terminal:
    """Reads the voltage of an input's terminal (None: nothing is connected), with the supervision that it has."""

    def __init__(self, supervision: Supervision | None = None) -> None:
        self._supervision = supervision

    def contact(self, voltage_v: float | None) -> Contact:
        if self._supervision is not None:
            return Contact(self._supervision.reading(voltage_v))
        return Contact.CLOSED if voltage_v is not None and voltage_v <= OPEN_ABOVE_V else Contact.OPEN


class SimulatedInput:
    """An input moved by software."""

    debounces = False

    def __init__(self, *, closed: bool = False, supervision: Supervision | None = None) -> None:
        self.contact = Contact.CLOSED if closed else Contact.OPEN
        self.supervised = supervision is not None
        self._terminal = Terminal(supervision)
        self._listener: ContactListener | None = None

    def start(self, listener: ContactListener, trouble: Trouble) -> Contact:
        self._listener = listener
        return self.contact

    def stop(self) -> None:
        self._listener = None

    def apply(self, voltage_v: float | None) -> None:
        """Put a voltage on the terminal; None disconnects it."""
        self.put(self._terminal.contact(voltage_v))

    def set(self, *, closed: bool) -> None:
        """Open or close the contact."""
        self.put(Contact.CLOSED if closed else Contact.OPEN)

    def put(self, contact: Contact) -> None:
        """Have the wires end in this."""
        if contact != self.contact:
            self.contact = contact
            if self._listener is not None:
                self._listener(contact)


class Debouncer:
    """Passes a contact on once it has held for `hold_s`; what returns earlier never happened.

    `initial` is taken as known and is not told. `hold_s` of 0 passes every change on at once.
    """

    def __init__(self, hold_s: float, listener: ContactListener, *, initial: Contact) -> None:
        self._hold_s = hold_s
        self._listener = listener
        self._settled = initial
        self._coming = initial
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, contact: Contact) -> None:
        if contact == self._coming:
            return  # it holds on
        self.cancel()
        self._coming = contact
        if contact == self._settled:
            return
        if self._hold_s == 0:
            self._settle(contact)
        else:
            self._timer = asyncio.get_running_loop().call_later(self._hold_s, self._settle, contact)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self, contact: Contact) -> None:
        self._timer = None
        self._settled = contact
        self._listener(contact)
