"""Who is let in: cards and codes as readers bring them, the holders that there are, and the answer.

The order of an entry: known? allowed now? one use off, on the disk; then the door; then it is told. Whatever fails on
the way leaves the door as it is. Who asked is answered when the log has it on the disk, so that a node that is killed
has forgotten nothing that it has said; the door does not wait for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from voipnode.calls.commands import ForwardCredential, PulsePort
from voipnode.calls.errors import CallError, UnsureError
from voipnode.calls.events import AccessDenied, AccessGranted, Problem, ReaderPrompt
from voipnode.calls.hooks import Bus, Commands
from voipnode.modules.entry.holder import Holder
from voipnode.modules.entry.holder_list import HolderList
from voipnode.modules.entry.keypad import Keypad
from voipnode.modules.entry.lockout import Lockout
from voipnode.modules.entry.settings import EntrySettings

log = logging.getLogger(__name__)

GRANTED, DENIED, PIN, KEY, LOCKED, IDLE = "granted", "denied", "pin", "key", "locked", "idle"
FORWARDED = "forwarded"
SHOWN_S = 2.0  # how long a reader shows an answer
WRITTEN_WITHIN_S = 1.0  # a disk that takes longer is not waited for
ANSWER_S = 5.0  # in which a door controller shows what it makes of a code
DEFAULT_CONDITION = "Access granted"
WHO = "entry"


class Reader:
    """What is going on at one reader; one card or code is looked at after the other."""

    def __init__(self, name: str, settings: EntrySettings) -> None:
        self.name = name
        self.keypad = Keypad(settings.pin_length, settings.pin_timeout_s)
        self.lockout = Lockout(settings.wrong_codes, settings.lock_s)
        self.in_turn = asyncio.Lock()
        self.waiting = 0
        self.timer: asyncio.TimerHandle | None = None
        self.code_forwarded_at: float | None = None


class EntryDesk:
    """Decides. `utc_now` gives the wall's clock as an aware datetime, `schedules` says which ones are active, `written`
    waits until what was told is on the disk."""

    def __init__(
        self,
        settings: EntrySettings,
        holders: HolderList,
        *,
        bus: Bus,
        commands: Commands,
        utc_now: Callable[[], datetime],
        schedules: dict[str, bool],
        written: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._written = written
        self._settings = settings
        self._holders = holders
        self._bus = bus
        self._commands = commands
        self._utc_now = utc_now
        self._schedules = schedules

    async def card(self, reader: Reader, uid: str, bits: int = 0) -> str:
        """A card was shown; `uid` in its normal form, of `bits` bits where the reader says so."""
        async with reader.in_turn:
            reader.keypad.clear()
            try:
                holder = await self._holders.by_card(uid)
            except CallError as error:
                return self._deny(reader, "card", str(error))
            if holder is None or bits not in (0, holder.fields.card_bits or bits):
                if self._settings.use_controller:
                    return await self._forward(reader, ForwardCredential(reader=reader.name, uid=uid, bits=bits))
                return self._deny(reader, "card", "unknown card")
            if why := holder.refusal(self._utc_now(), self._schedules):
                return self._deny(reader, "card", why, holder)
            if holder.wants_pin_with_card:
                reader.keypad.expect_pin(holder, self._bus.clock())
                self._wait(reader)
                return self._show(reader, PIN, self._settings.pin_timeout_s)
            return await self._let_in(reader, holder, "card")

    async def keys(self, reader: Reader, keys: str) -> str:
        """Keys were pressed, one after the other."""
        outcome = IDLE
        async with reader.in_turn:
            for key in keys:
                if reader.lockout.left_s(self._bus.clock()):
                    reader.keypad.clear()
                    return self._show(reader, LOCKED, reader.lockout.left_s(self._bus.clock()))
                code = reader.keypad.key(key, self._bus.clock())
                if code is not None:
                    outcome = await self._code(reader, code, ended=key == "#")
                elif reader.keypad.digits:
                    self._wait(reader)
                    outcome = self._show(reader, KEY, self._settings.pin_timeout_s)
        return outcome

    async def pass_card(self, reader: Reader, uid: str, bits: int = 0) -> str:
        """A card was shown while there is no list: the door controller decides."""
        async with reader.in_turn:
            reader.keypad.clear()
            return await self._forward(reader, ForwardCredential(reader=reader.name, uid=uid, bits=bits))

    async def pass_keys(self, reader: Reader, keys: str) -> str:
        """Keys were pressed while there is no list: whole codes go to the door controller."""
        outcome = IDLE
        async with reader.in_turn:
            for key in keys:
                code = reader.keypad.key(key, self._bus.clock())
                if code is not None:
                    outcome = await self._forward(reader, _keys(reader, code, ended=key == "#"))
                elif reader.keypad.digits:
                    self._wait(reader)
                    outcome = self._show(reader, KEY, self._settings.pin_timeout_s)
        return outcome

    def controller_shows(self, reader: Reader, led: str) -> None:
        """The door controller's answer to a code that it was handed: a green one forgives wrong codes before it."""
        at = reader.code_forwarded_at
        if led == "green" and at is not None and self._bus.clock() - at <= ANSWER_S:
            reader.code_forwarded_at = None
            reader.lockout.right()

    async def _forward(self, reader: Reader, credential: ForwardCredential) -> str:
        """Hand it to the door controller, which shows by itself what it makes of it."""
        by = "pin" if credential.keys else "card"
        reader.code_forwarded_at = self._bus.clock() if credential.keys else None  # a green one may be the card's
        self._show(reader, IDLE, 0.0)  # before the controller's answer, which may come at once
        try:
            await self._commands.execute(credential)
        except CallError as error:
            return self._deny(reader, by, f"unknown to us; {error}" if self._settings.enabled else str(error))
        return FORWARDED

    async def _forward_code(self, reader: Reader, credential: ForwardCredential) -> str:
        """A code that is nobody's here may be an attempt to find one that is somebody's: it counts as wrong until the
        controller shows green."""
        outcome = await self._forward(reader, credential)
        if reader.code_forwarded_at is not None:
            self._count_wrong(reader)
        return outcome

    async def _code(self, reader: Reader, code: str, *, ended: bool) -> str:
        card = reader.keypad.card
        reader.keypad.clear()
        by = "card and pin" if card is not None else "pin"
        try:
            found = await self._holders.by_code(code)
        except CallError as error:
            return self._deny(reader, by, str(error))
        holder, kind = (None, "") if found is None else found
        if found is None and card is None and self._settings.use_controller:
            return await self._forward_code(reader, _keys(reader, code, ended=ended))
        if holder is None or (card is not None and (holder.id != card.id or kind == "visitor_code")):
            return self._wrong(reader, by, card)
        if card is None and kind != "visitor_code" and holder.wants_pin_with_card:
            return self._wrong(reader, by, holder, "his PIN alone is not enough: the card comes first")
        if why := holder.refusal(self._utc_now(), self._schedules):
            return self._deny(reader, by, why, holder)
        reader.lockout.right()
        by = "visitor_code" if kind == "visitor_code" else by
        return await self._let_in(reader, holder, by, duress=kind == "duress_pin")

    async def _let_in(self, reader: Reader, holder: Holder, by: str, *, duress: bool = False) -> str:
        try:
            use = await self._holders.use(holder.id)
            if not use.taken:
                return self._deny(reader, by, "used up", holder)  # by somebody at another reader, this very moment
            if not await self._open(reader, holder, by):
                return DENIED
        except CallError as error:
            return self._deny(reader, by, str(error), holder)
        event = AccessGranted(
            at=self._bus.clock(),
            reader=reader.name,
            holder=holder.name,
            by=by,
            conditions=holder.fields.conditions or (DEFAULT_CONDITION,),
            uses_left=use.left,
            duress=duress,
        )
        self._bus.publish(event)
        outcome = self._show(reader, GRANTED, SHOWN_S)
        await self._until_written()
        return outcome

    async def _until_written(self) -> None:
        if self._written is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                await self._written()

    async def _open(self, reader: Reader, holder: Holder, by: str) -> bool:
        settings = self._settings
        if not settings.port:
            return True
        how = f"{by.replace('_', ' ')} at {reader.name}"
        wish = PulsePort(port=settings.port, duration_s=settings.duration_s, who=holder.name, how=how, authorised=True)
        try:
            await self._commands.execute(wish)
        except CallError as error:
            # Who may have been let in after all has used what he had: no use is ever won by a failure.
            if holder.fields.uses_left is not None and not isinstance(error, UnsureError):
                await self._holders.give_back(holder.id)
            self._deny(reader, by, str(error), holder)
            return False
        return True

    def _wrong(self, reader: Reader, by: str, holder: Holder | None, why: str = "wrong code") -> str:
        outcome = self._deny(reader, by, why, holder)
        self._count_wrong(reader)
        return outcome

    def _count_wrong(self, reader: Reader) -> None:
        lock_s = reader.lockout.wrong(self._bus.clock())
        if lock_s:
            words = f"{self._settings.wrong_codes} wrong codes in a row: no codes are taken for {lock_s:g} s"
            self._bus.publish(Problem(at=self._bus.clock(), where=f"{WHO}.{reader.name}", detail=words))
            self._show(reader, LOCKED, lock_s)

    def _deny(self, reader: Reader, by: str, why: str, holder: Holder | None = None) -> str:
        name = "" if holder is None else holder.name
        self._bus.publish(AccessDenied(at=self._bus.clock(), reader=reader.name, by=by, why=why, holder=name))
        return self._show(reader, DENIED, SHOWN_S)

    def _show(self, reader: Reader, prompt: str, for_s: float) -> str:
        self._bus.publish(ReaderPrompt(at=self._bus.clock(), reader=reader.name, prompt=prompt, for_s=for_s))
        return prompt

    def _wait(self, reader: Reader) -> None:
        """Have what waits forgotten in time."""
        if reader.timer is not None:
            reader.timer.cancel()
        loop, until = asyncio.get_running_loop(), reader.keypad.until
        if until is not None:
            reader.timer = loop.call_later(max(0.0, until - self._bus.clock()), self._too_late, reader)

    def _too_late(self, reader: Reader) -> None:
        reader.timer = None
        if reader.keypad.expire(self._bus.clock() + 0.001):
            self._show(reader, IDLE, 0.0)


def _keys(reader: Reader, code: str, *, ended: bool) -> ForwardCredential:
    """The keys of a code as they were pressed: "#" too, where it said that the code is complete."""
    return ForwardCredential(reader=reader.name, keys=f"{code}#" if ended else code)
