"""The desk of one recipient: works through what waits for it, one message after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from voipnode.calls.errors import CallError
from voipnode.calls.events import MessageDelivered, Problem
from voipnode.calls.hooks import Bus
from voipnode.modules.recipients.delivery import Courier
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.message import Message
from voipnode.modules.recipients.outbox import Outbox
from voipnode.modules.recipients.settings import Recipient

log = logging.getLogger(__name__)

NAME = "recipients"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0


class Desk:
    """Delivers what waits for the recipient of `settings`, which may change meanwhile (`use`).

    A message that cannot be delivered is tried again after `pause_s`, then after twice as long, up to five minutes, and
    holds up the rest, so that their order stays. `trouble`: why the last try failed, "" when it did not. `utc_s` gives
    seconds since 1970.
    """

    def __init__(
        self,
        settings: Recipient,
        bus: Bus,
        outbox: Outbox,
        courier: Courier,
        utc_s: Callable[[], float],
        pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.settings = settings
        self.trouble = ""
        self.delivered = 0
        self.last_utc = ""
        self.task: asyncio.Task[None] | None = None
        self._bus = bus
        self._outbox = outbox
        self._courier = courier
        self._utc_s = utc_s
        self._first_pause_s = pause_s
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()

    def use(self, settings: Recipient) -> None:
        """Be the desk of the recipient as it is now; what waits is tried with it at once."""
        if settings != self.settings:
            self.settings = settings
            self.trouble = ""
            self._changed.set()
            self._wake.set()

    def wake(self) -> None:
        """There is something to deliver."""
        self._wake.set()

    async def try_once(self, message: Message) -> str:
        """Deliver past the queue. Raises DeliveryError."""
        return await self._courier.deliver(self.settings, message, self._utc_s())

    async def work(self) -> None:
        """Deliver; until cancelled."""
        pause_s = self._first_pause_s
        while True:
            self._wake.clear()
            self._changed.clear()
            try:
                found = await self._outbox.first(self.settings.name)
                if found is None:
                    await self._wake.wait()
                    continue
                if await self._try(*found):
                    pause_s = self._first_pause_s
                    continue
            except CallError as error:
                self._in_trouble(str(error))
            except Exception:  # the edge: whatever it is, it must not end the queue
                log.exception("recipient %r", self.settings.name)
                self._in_trouble("it failed: see the log")
            with contextlib.suppress(TimeoutError):  # not woken by more to deliver: the next try has its time
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
                    pause_s = self._first_pause_s
                    continue
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self, message: Message, kept_at: float) -> bool:
        """Whether the next message may follow."""
        settings = self.settings
        try:
            said = await self._courier.deliver(settings, message, self._utc_s())
        except DeliveryError as error:
            waited_s = self._utc_s() - kept_at
            if not error.final and waited_s < settings.give_up_after_s:
                self._in_trouble(str(error))
                return False
            await self._outbox.done(message.number)
            self._problem(f'message {message.number} ("{message.subject}") is given up: {error}')
            self.trouble = str(error)
            return True
        await self._outbox.done(message.number)
        self.trouble = ""
        self.delivered += 1
        self.last_utc = utc_text(self._utc_s())
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

    def _in_trouble(self, words: str) -> None:
        if words != self.trouble:
            self.trouble = words
            self._problem(f"not reached: {words}; it is tried again")

    def _problem(self, words: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=f"{NAME}.{self.settings.name}", detail=words))


def utc_text(utc_s: float) -> str:
    """A moment as messages and pages have it."""
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
