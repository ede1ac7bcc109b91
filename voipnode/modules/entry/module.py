"""The entry module: takes what readers read, keeps the holders, and opens the door for those who may enter."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from voipnode.calls.commands import (
    AddHolder,
    ChangeHolder,
    DrawCode,
    ForwardCredential,
    IssuePass,
    LastCredential,
    ListHolders,
    ReadCard,
    ReadKeys,
    RemoveHolder,
    ShowHolder,
)
from voipnode.calls.errors import CallError, FieldsError, NotNowError
from voipnode.calls.events import Problem, ReaderFeedback, ScheduleChanged
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription
from voipnode.modules.entry.codes import COST, generated
from voipnode.modules.entry.desk import DENIED, EntryDesk, Reader
from voipnode.modules.entry.holder import checked, normal_uid
from voipnode.modules.entry.holder_list import HolderList
from voipnode.modules.entry.passes import fresh_uid, qr_code, visitor_pass
from voipnode.modules.entry.settings import EntrySettings

NAME = "entry"
MAX_READERS = 64
MAX_KEYS = 64
MAX_WAITING = 8  # cards and keys of one reader that wait for those before them


class EntryModule:
    """The entry list of `settings`. `utc_now`: the wall's clock as an aware datetime; `cost`: of a code's hash."""

    def __init__(
        self,
        house: House,
        settings: EntrySettings,
        utc_now: Callable[[], datetime] | None = None,
        cost: int = COST,
    ) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._settings = settings
        self._utc_now = utc_now or functools.partial(datetime.now, UTC)
        self._holders = HolderList(house.state_dir, settings.max_holders, cost)
        self._schedules: dict[str, bool] = {}
        self._desk = EntryDesk(
            settings,
            self._holders,
            bus=house.bus,
            commands=house.commands,
            utc_now=self._utc_now,
            schedules=self._schedules,
            written=house.written,
        )
        self._readers: dict[str, Reader] = {}
        self._last: dict[str, Any] = {}
        self._opened = False
        self._places: list[Subscription] = []

    async def start(self) -> None:
        """Open the list. One that cannot be read is told, and lets nobody in; the node runs."""
        self._opened = True
        try:
            await self._holders.open()
        except CallError as error:
            self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=f"{error}; no card and no code opens"))
        commands = self._commands
        self._places = [
            self._bus.subscribe(ScheduleChanged, self._schedule_changed, who=NAME),
            self._bus.subscribe(ReaderFeedback, self._controller_shows, who=NAME),
            commands.register(ReadCard, self._card, who=NAME),
            commands.register(ReadKeys, self._keys, who=NAME),
            commands.register(AddHolder, self._add, who=NAME),
            commands.register(ChangeHolder, self._change, who=NAME),
            commands.register(RemoveHolder, self._remove, who=NAME),
            commands.register(ListHolders, self._list, who=NAME),
            commands.register(ShowHolder, self._one, who=NAME),
            commands.register(DrawCode, self._draw, who=NAME),
            commands.register(IssuePass, self._issue, who=NAME),
            commands.register(LastCredential, self._last_credential, who=NAME),
        ]

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        for reader in self._readers.values():
            if reader.timer is not None:
                reader.timer.cancel()
        if self._opened:
            self._opened = False
            await self._holders.close()

    def _schedule_changed(self, event: ScheduleChanged) -> None:
        self._schedules[event.schedule] = event.active

    def _controller_shows(self, event: ReaderFeedback) -> None:
        if reader := self._readers.get(event.reader):
            self._desk.controller_shows(reader, event.led)

    # -- what readers read

    def _reader(self, name: str) -> Reader:
        found = self._readers.get(name)
        if found is None:
            if len(self._readers) >= MAX_READERS:
                raise CallError(f"reader {name!r}: there are {MAX_READERS} already")
            found = self._readers[name] = Reader(name, self._settings)
        return found

    async def _card(self, command: ReadCard) -> str:
        reader = self._reader(command.reader)
        try:
            uid = normal_uid(command.uid)
        except ValueError as error:
            raise CallError(f"uid: {error}") from None
        if not uid:
            raise CallError("uid: a card has one")
        self._last = {
            "reader": command.reader,
            "uid": uid,
            "bits": command.bits or 4 * len(uid),
            "at_utc": self._utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        desk = self._desk.card if self._settings.enabled else self._desk.pass_card
        return await self._in_turn(reader, desk(reader, uid, command.bits))

    async def _last_credential(self, command: LastCredential) -> str:
        """Whose the card is now: it may have been given to somebody since."""
        if not self._last:
            return "{}"
        holder = await self._holders.by_card(self._last["uid"])
        return json.dumps({**self._last, "holder": "" if holder is None else holder.name})

    async def _keys(self, command: ReadKeys) -> str:
        if len(command.keys) > MAX_KEYS:
            raise CallError(f"keys: {len(command.keys)} at once; at most {MAX_KEYS}")
        reader = self._reader(command.reader)
        desk = self._desk.keys if self._settings.enabled else self._desk.pass_keys
        return await self._in_turn(reader, desk(reader, command.keys))

    async def _in_turn(self, reader: Reader, work: Coroutine[Any, Any, str]) -> str:
        is_decided = self._settings.enabled or self._commands.taken_by(ForwardCredential)
        if not is_decided or reader.waiting >= MAX_WAITING:
            work.close()
            if is_decided:
                raise NotNowError(f"reader {reader.name!r} reads faster than anybody can be let in")
            return DENIED
        reader.waiting += 1
        try:
            return await work
        finally:
            reader.waiting -= 1

    # -- the list

    async def _add(self, command: AddHolder) -> str:
        fields = checked(command.values, self._settings.pin_length)
        if not fields.card_uid and not any(fields.codes.values()):
            raise FieldsError([("card_uid", None, "a holder needs a card or a code to be let in by")])
        return str(await self._holders.add(fields))

    async def _change(self, command: ChangeHolder) -> str:
        known = await self._holders.one(command.holder)
        fields = checked(command.values, self._settings.pin_length, known.fields)
        codes = {kind: code for kind, code in fields.codes.items() if kind in command.values}
        await self._holders.change(command.holder, fields, codes)
        return str(command.holder)

    async def _remove(self, command: RemoveHolder) -> str:
        await self._holders.remove(command.holder)
        return ""

    async def _list(self, command: ListHolders) -> str:
        holders = await self._holders.all()
        return json.dumps([holder.shown() for holder in holders])

    async def _one(self, command: ShowHolder) -> str:
        return json.dumps((await self._holders.one(command.holder)).shown())

    async def _draw(self, command: DrawCode) -> str:
        return json.dumps({"code": await self._fresh_code()})

    async def _issue(self, command: IssuePass) -> str:
        text = fresh_uid() if command.shown_as == "card" else await self._fresh_code()
        values = {"card_uid": text, "card_bits": None} if command.shown_as == "card" else {"visitor_code": text}
        drawn = await asyncio.to_thread(qr_code, text)  # before the old one is void
        await self._change(ChangeHolder(holder=command.holder, values=values))
        return json.dumps(visitor_pass(await self._holders.one(command.holder), text, drawn))

    async def _fresh_code(self) -> str:
        if not self._settings.pin_length:
            raise NotNowError("there are no codes here (entry.pin_length = 0)")
        for _ in range(20):
            code = generated(self._settings.pin_length)
            if await self._holders.by_code(code) is None:
                return code
        raise NotNowError("nearly all codes of this length are taken; make entry.pin_length greater")


def build(house: House, settings: EntrySettings) -> EntryModule:
    return EntryModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, EntrySettings, build)
