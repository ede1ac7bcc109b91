"""The recipients module: accepts messages, and delivers them in their order, once whoever is to have them is there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence

from voipnode.calls.commands import ListRecipients, SendTo, TestRecipient
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import Problem
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.recipients.attachments import read_attachment
from voipnode.modules.recipients.calling import Caller
from voipnode.modules.recipients.delivery import Courier
from voipnode.modules.recipients.desk import FIRST_PAUSE_S, NAME, Desk, utc_text
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.message import Message, filled
from voipnode.modules.recipients.outbox import Outbox
from voipnode.modules.recipients.settings import Recipient, RecipientsSettings, where


class RecipientsModule:
    """The recipients of `settings`; `utc_s` gives seconds since 1970, `pause_s` goes by before a second try."""

    def __init__(
        self,
        house: House,
        settings: RecipientsSettings,
        utc_s: Callable[[], float] = time.time,
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._pause_s = pause_s
        self._bus = house.bus
        self._commands = house.commands
        self._state_dir = house.state_dir
        self._settings = settings
        self._desks: dict[str, Desk] = {}
        self._outbox = Outbox(house.state_dir)
        self._utc_s = utc_s
        self._tasks = Tasks(NAME)
        self._places: list[Subscription] = []
        self._opened = False
        self._changing = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what waits since before."""
        self._places = [
            self._commands.register(SendTo, self._send, who=NAME),
            self._commands.register(TestRecipient, self._test, who=NAME),
            self._commands.register(ListRecipients, self._list, who=NAME),
        ]
        self._desks = {each.name: self._desk_of(each) for each in self._settings.recipients}
        if not self._desks and not self._outbox.path.exists():
            return  # a node that tells nobody needs no file
        await self._open()

    async def _open(self) -> None:
        self._opened = True
        try:
            await self._outbox.open()
            await self._give_up_orphans()
        except NotNowError as error:
            self._problem(f"{error}; nobody is told of anything")
            return
        for desk in self._desks.values():
            desk.task = self._tasks.start(desk.work())

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        await self._tasks.close()
        if self._opened:
            self._opened = False
            await self._outbox.close()

    def use(self, settings: RecipientsSettings) -> None:
        """Have these recipients from now on; what waits for one that has only another name now, goes with it.

        What waits for one that is gone is kept until the next start, should it come back.
        """
        before, self._settings = self._settings, settings
        if before.recipients != settings.recipients:
            self._following = self._tasks.start(self._follow(before, settings))

    async def _settled(self) -> None:
        """What is asked next is asked of the recipients as they were set last."""
        if self._following is not None:
            await asyncio.wait({self._following})

    async def _follow(self, before: RecipientsSettings, settings: RecipientsSettings) -> None:
        async with self._changing:
            for old, now in _renamed(before.recipients, settings.recipients):
                if self._opened:
                    await self._outbox.rename(old, now)
                self._desks[now] = self._desks.pop(old)
            wanted = {each.name: each for each in settings.recipients}
            for name in self._desks.keys() - wanted.keys():
                await self._end(self._desks.pop(name))
            for name, desk in self._desks.items():
                desk.use(wanted[name])
            new = {name: self._desk_of(each) for name, each in wanted.items() if name not in self._desks}
            desks = self._desks | new
            self._desks = {name: desks[name] for name in wanted}
            if not self._opened:
                await self._open()
                return
            for each in new.values():
                each.task = self._tasks.start(each.work())

    def _desk_of(self, settings: Recipient) -> Desk:
        courier = Courier(Caller(self._bus, self._commands))
        return Desk(settings, self._bus, self._outbox, courier, self._utc_s, self._pause_s)

    async def _end(self, desk: Desk) -> None:
        if desk.task is not None:
            desk.task.cancel()
            await asyncio.wait({desk.task})
        if waiting := (await self._outbox.waiting()).get(desk.settings.name):
            words = f'{waiting[0]} messages wait for "{desk.settings.name}", who is no recipient any more:'
            self._problem(f"{words} they are given up at the next start")

    async def _give_up_orphans(self) -> None:
        """Give up what waits for those who are no recipients any more."""
        for name, (count, _) in (await self._outbox.waiting()).items():
            if name not in self._desks:
                await self._outbox.drop(name)
                self._problem(f'{count} messages are given up: "{name}" is no recipient any more')

    async def _desk(self, name: str) -> Desk:
        await self._settled()
        desk = self._desks.get(name)
        if desk is None:
            there = ", ".join(f'"{each}"' for each in sorted(self._desks)) or "none: add one under [[recipients]]"
            raise UnknownNameError(f'recipient "{name}": there is no such recipient; there is {there}')
        return desk

    async def _message(self, command: SendTo) -> Message:
        values = {**command.values, "recipient": command.recipient}
        attachment = None
        if command.attachment:
            attachment = await asyncio.to_thread(read_attachment, self._state_dir, command.attachment)
        return Message(
            filled(command.subject, values),
            filled(command.text, values),
            values,
            utc_text(self._utc_s()),
            attachment=attachment,
        )

    # -- commands

    async def _send(self, command: SendTo) -> str:
        desk = await self._desk(command.recipient)
        message = await self._message(command)
        await self._settled()
        await self._outbox.keep(desk.settings.name, message, self._utc_s())  # which may be another name by now
        desk.wake()
        return ""

    async def _test(self, command: TestRecipient) -> str:
        """Try once, past the queue."""
        desk = await self._desk(command.recipient)
        words = "This is a test of the door: it can reach you."
        message = await self._message(SendTo(recipient=command.recipient, subject="Test of the door", text=words))
        try:
            return await desk.try_once(message)
        except DeliveryError as error:
            raise NotNowError(f'recipient "{command.recipient}": {error}') from None

    async def _list(self, command: ListRecipients) -> str:
        await self._settled()
        waiting = await self._outbox.waiting() if self._opened else {}
        return json.dumps([self._listed(desk, *waiting.get(name, (0, 0.0))) for name, desk in self._desks.items()])

    def _listed(self, desk: Desk, waiting: int, since_s: float) -> dict[str, object]:
        settings = desk.settings
        return {
            "name": settings.name,
            "kind": settings.kind,
            "to": where(settings),
            "waiting": waiting,
            "since_utc": utc_text(since_s) if waiting else "",
            "trouble": desk.trouble,
            "delivered": desk.delivered,
            "last_utc": desk.last_utc,
        }

    def _problem(self, words: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=words))


def _renamed(before: Sequence[Recipient], after: Sequence[Recipient]) -> Iterator[tuple[str, str]]:
    """Those that stand where they stood, and only have another name: old and new."""
    old_names, new_names = {each.name for each in before}, {each.name for each in after}
    if len(before) != len(after):
        return
    for old, new in zip(before, after, strict=True):
        if old.kind == new.kind and old.name not in new_names and new.name not in old_names:
            yield old.name, new.name


def build(house: House, settings: RecipientsSettings) -> RecipientsModule:
    return RecipientsModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, RecipientsSettings, build)
