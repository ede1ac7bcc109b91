"""The contacts as they are now: found by name or by speed dial, available or not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.schedules.schedules import Schedules


class ContactBook:
    """All contacts of the node. `replace` changes them while it runs: whoever looks next finds the new ones."""

    def __init__(self, contacts: Sequence[ContactSettings] = (), schedules: Schedules | None = None) -> None:
        self.replace(contacts, schedules or Schedules())

    def replace(self, contacts: Sequence[ContactSettings], schedules: Schedules) -> None:
        """Have these contacts and schedules from now on; they belong to checked settings."""
        self._contacts = tuple(contacts)
        self._by_name = {contact.name: contact for contact in contacts}
        self._by_speed_dial = {contact.speed_dial: contact for contact in contacts if contact.speed_dial}
        self._schedules = schedules

    @property
    def contacts(self) -> tuple[ContactSettings, ...]:
        """In the order of the settings."""
        return self._contacts

    @property
    def schedules(self) -> Schedules:
        """Those by which contacts are available."""
        return self._schedules

    def find(self, name: str) -> ContactSettings | None:
        """The contact of that name."""
        return self._by_name.get(name)

    def by_speed_dial(self, digits: str) -> ContactSettings | None:
        """The contact that these digits call."""
        return self._by_speed_dial.get(digits)

    def is_available(self, contact: ContactSettings, now: datetime) -> bool:
        """Whether it may be rung at `now`, an aware datetime."""
        return self._schedules.is_active(contact.schedule, now)
