"""One input of the node: what its contact is, whether that is active, and whether somebody has tampered with it."""

from __future__ import annotations

from typing import Protocol

from voipnode.modules.button.inputs import Contact, Debouncer, InputDriver
from voipnode.modules.button.settings import InputSettings


class Listener(Protocol):
    """Who is told, in the event loop."""

    def input_changed(self, name: str, *, active: bool, pressed: bool) -> None:
        """It became active or inactive; `pressed`: somebody did it just now."""
        ...

    def input_tampered(self, name: str, why: str) -> None:
        """Its wires were "cut" or are a "short"; "": they are whole again."""
        ...

    def input_troubled(self, name: str, detail: str) -> None:
        """It cannot be read; it counts as it was."""
        ...


class Input:
    """`active`: the contact differs from its normal state. What is tampered with is not active."""

    def __init__(self, settings: InputSettings, driver: InputDriver, listener: Listener) -> None:
        self.settings = settings
        self.driver = driver
        self.active = False
        self.contact = Contact.OPEN
        self._listener = listener
        self._debouncer: Debouncer | None = None

    @property
    def name(self) -> str:
        return self.settings.name

    def start(self) -> None:
        """Listen to the contact. What it is already is told, but is no press: nobody came since the start.

        Raises `CallError` where there is no such input.
        """
        early: list[Contact] = []  # reported before there is a debouncer

        def report(contact: Contact) -> None:
            if self._debouncer is None:
                early.append(contact)
            else:
                self._debouncer.feed(contact)

        self.contact = self.driver.start(report, self._troubled)
        hold_s = 0.0 if self.driver.debounces else self.settings.debounce_ms / 1000
        self._debouncer = Debouncer(hold_s, self._settled, initial=self.contact)
        self.active = self._is_active(self.contact)
        if self.contact.tampered:
            self._listener.input_tampered(self.name, self.contact.value)
        if self.active:
            self._listener.input_changed(self.name, active=True, pressed=False)
        for contact in early:
            self._debouncer.feed(contact)

    def stop(self) -> None:
        self.driver.stop()
        if self._debouncer is not None:
            self._debouncer.cancel()

    def _is_active(self, contact: Contact) -> bool:
        return not contact.tampered and contact.value != self.settings.normal_state

    def _settled(self, contact: Contact) -> None:
        before, self.contact = self.contact, contact
        if contact.tampered:
            self._listener.input_tampered(self.name, contact.value)
        elif before.tampered:
            self._listener.input_tampered(self.name, "")
        if (active := self._is_active(contact)) != self.active:
            self.active = active
            # Whoever repairs a wire, or ends his attack on it, has pressed no button.
            self._listener.input_changed(self.name, active=active, pressed=active and not before.tampered)

    def _troubled(self, detail: str) -> None:
        self._listener.input_troubled(self.name, detail)
