"""The recipients module: accepts messages, and delivers them in their order, once whoever is to have them is there."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from voipnode.calls.commands import ListRecipients, SendTo, TestRecipient
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import MessageDelivered, Problem
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.recipients.delivery import DeliveryError, deliver
from voipnode.modules.recipients.message import Message, filled
from voipnode.modules.recipients.outbox import Outbox
from voipnode.modules.recipients.settings import Recipient, RecipientsSettings

log = logging.getLogger(__name__)

NAME = "recipients"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0


class Desk:
    """One recipient and who works for it. `trouble`: why the last try failed, "" when it did not."""

    def __init__(self, settings: Recipient) -> None:
        self.settings = settings
        self.wake = asyncio.Event()
        self.trouble = ""


class RecipientsModule:
    """The recipients of `settings`; `utc_s` gives seconds since 1970, `pause_s` goes by before a second try."""

    def __init__(
        self,
        house: House,
        settings: RecipientsSettings,
        utc_s: Callable[[], float] = time.time,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._first_pause_s = pause_s
        self._bus = house.bus
        self._commands = house.commands
        self._desks = {each.name: Desk(each) for each in settings.recipients}
        self._outbox = Outbox(house.state_dir)
        self._utc_s = utc_s
        self._tasks = Tasks(NAME)
        self._places: list[Subscription] = []
        self._opened = False

    async def start(self) -> None:
        """Go on with what waits since before."""
        self._places = [
            self._commands.register(SendTo, self._send, who=NAME),
            self._commands.register(TestRecipient, self._test, who=NAME),
            self._commands.register(ListRecipients, self._list, who=NAME),
        ]
        if not self._desks:
            return
        self._opened = True
        try:
            await self._outbox.open()
        except NotNowError as error:
            self._problem("", f"{error}; nobody is told of anything")
            return
        for desk in self._desks.values():
            self._tasks.start(self._work(desk))

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        await self._tasks.close()
        if self._opened:
            self._opened = False
            await self._outbox.close()

    def _desk(self, name: str) -> Desk:
        desk = self._desks.get(name)
        if desk is None:
            there = ", ".join(f'"{each}"' for each in sorted(self._desks)) or "none: add one under [[recipients]]"
            raise UnknownNameError(f'recipient "{name}": there is no such recipient; there is {there}')
        return desk

    def _message(self, command: SendTo) -> Message:
        values = {**command.values, "recipient": command.recipient}
        moment = datetime.fromtimestamp(self._utc_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Message(filled(command.subject, values), filled(command.text, values), values, moment)

    # -- commands

    async def _send(self, command: SendTo) -> str:
        desk = self._desk(command.recipient)
        await self._outbox.keep(command.recipient, self._message(command), self._utc_s())
        desk.wake.set()
        return ""

    async def _test(self, command: TestRecipient) -> str:
        """Try once, past the queue."""
        desk = self._desk(command.recipient)
        words = "This is a test of the door: it can reach you."
        message = self._message(SendTo(recipient=command.recipient, subject="Test of the door", text=words))
        try:
            return await deliver(desk.settings, message, self._utc_s())
        except DeliveryError as error:
            raise NotNowError(f'recipient "{command.recipient}": {error}') from None

    async def _list(self, command: ListRecipients) -> str:
        waiting = await self._outbox.waiting() if self._opened else {}
        return json.dumps(
            [
                {"name": name, "kind": desk.settings.kind, "waiting": waiting.get(name, 0), "trouble": desk.trouble}
                for name, desk in self._desks.items()
            ]
        )

    # -- work

    async def _work(self, desk: Desk) -> None:
        """Deliver one after the other; what cannot be delivered holds up the rest, so that their order stays."""
        pause_s = self._first_pause_s
        while True:
            desk.wake.clear()
            try:
                found = await self._outbox.first(desk.settings.name)
                if found is None:
                    await desk.wake.wait()
                    continue
                if await self._try(desk, *found):
                    pause_s = self._first_pause_s
                    continue
            except CallError as error:
                self._trouble(desk, str(error))
            except Exception:  # the edge of three libraries: one recipient's failure must not end its queue
                log.exception("recipient %r", desk.settings.name)
                self._trouble(desk, "it failed: see the log")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self, desk: Desk, message: Message, kept_at: float) -> bool:
        """Whether the next message may follow."""
        settings = desk.settings
        try:
            said = await deliver(settings, message, self._utc_s())
        except DeliveryError as error:
            waited_s = self._utc_s() - kept_at
            if not error.final and waited_s < settings.give_up_after_s:
                self._trouble(desk, str(error))
                return False
            await self._outbox.done(message.number)
            self._problem(settings.name, f'message {message.number} ("{message.subject}") is given up: {error}')
            desk.trouble = str(error)
            return True
        await self._outbox.done(message.number)
        desk.trouble = ""
        late_s = max(0.0, self._utc_s() - kept_at)
        event = MessageDelivered(
            at=self._bus.clock(),
            recipient=settings.name,
            number=message.number,
            late_s=round(late_s, 1),
            said=said[:200],
        )
        self._bus.publish(event)
        return True

    def _trouble(self, desk: Desk, words: str) -> None:
        if words != desk.trouble:
            desk.trouble = words
            self._problem(desk.settings.name, f"not reached: {words}; it is tried again")

    def _problem(self, recipient: str, words: str) -> None:
        where = f"{NAME}.{recipient}" if recipient else NAME
        self._bus.publish(Problem(at=self._bus.clock(), where=where, detail=words))


def build(house: House, settings: RecipientsSettings) -> RecipientsModule:
    return RecipientsModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, RecipientsSettings, build)
