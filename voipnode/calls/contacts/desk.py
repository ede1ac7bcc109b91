"""Carries out the commands that use contacts: they are read, dialled and tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from voipnode.calls.commands import ExportContacts, ReadContacts, RingRecipients, SpeedDial, TestCall
from voipnode.calls.contacts.address_book import written_contacts
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.contacts.trial import Trial
from voipnode.calls.errors import CallError, UnknownNameError
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.references import listed

LONGEST_TRIAL_S = 120.0


class ContactDesk:
    """Takes the commands; `utc_now` is the time of day, aware, by which contacts are available."""

    def __init__(self, book: ContactBook, bus: Bus, commands: Commands, utc_now: Callable[[], datetime]) -> None:
        self._book = book
        self._bus = bus
        self._commands = commands
        self._utc_now = utc_now

    def register(self) -> None:
        """Take the commands."""
        self._commands.register(ReadContacts, self._read, who="contacts")
        self._commands.register(ExportContacts, self._export, who="contacts")
        self._commands.register(SpeedDial, self._dial, who="contacts")
        self._commands.register(TestCall, self._try, who="contacts")

    def _read(self, command: ReadContacts) -> str:
        now = self._utc_now()
        available = self._book.is_available
        return json.dumps([{**each.model_dump(), "available": available(each, now)} for each in self._book.contacts])

    def _export(self, command: ExportContacts) -> str:
        return written_contacts(self._book.contacts)

    async def _dial(self, command: SpeedDial) -> str:
        contact = self._book.by_speed_dial(command.digits)
        if contact is None:
            known = listed([each.speed_dial for each in self._book.contacts if each.speed_dial])
            raise UnknownNameError(f'digits "{command.digits}": no contact has them; there is {known}')
        return await self._commands.execute(RingRecipients(plan=contact.name))

    async def _try(self, command: TestCall) -> str:
        if bool(command.contact) == bool(command.to):
            raise CallError("test call: either a contact or an address is needed, and not both")
        if not 1 <= command.timeout_s <= LONGEST_TRIAL_S:
            raise CallError(f"timeout_s = {command.timeout_s:g}: 1 to {LONGEST_TRIAL_S:g} is right")
        to, account = command.to, command.account
        if command.contact:
            contact = self._contact(command.contact)
            to, account = contact.address, contact.account
        result = await Trial(self._bus, self._commands).run(to, account, command.timeout_s)
        return json.dumps(result)

    def _contact(self, name: str) -> ContactSettings:
        contact = self._book.find(name)
        if contact is None:
            known = listed([each.name for each in self._book.contacts])
            raise UnknownNameError(f'contact "{name}": there is no such contact; there is {known}')
        return contact
