"""A relay at the far end of a network, kept as it is ordered to be: the engine behind driver "http", without I/O.

What can be promised of such a relay, and what cannot:

- It is asked to be at rest the moment its lease ends, by a process of its own that knows the end: an engine that is
  killed or frozen, a guardian that is, a slow board beside it change nothing about that.
- A board that does not answer is asked again, after 0.25 s at first and every 5 s at last, until it has confirmed: also
  when engine and guardian are long gone. This is told at the first failure, and when it is over.
- While it cannot be reached, its relay stays as it is, and no program here can change that. Only the board itself can:
  with `pulse_url` it is told how long to stay active, and returns by itself, at most one step of that time (1 s, 0.1 s
  or 1 ms) after the lease; a cut cable or a machine without power changes nothing about that. Without it the relay may
  stay active for as long as nobody can reach it, and past a power cut of this machine.
- An activation that is not confirmed within 2.5 s, or by the end of its lease, has failed and is taken back. One whose
  answer never came may lie in the board's queue still; so the order to rest is given again 1, 5 and 25 s after it was
  confirmed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CONFIRMED_WITHIN_S = 2.5  # of an activation; who stands at the door is told then
ATTEMPT_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
AGAIN_AFTER_S = (1.0, 5.0, 25.0)


class BoardError(Exception):
    """The board did not do it; the message says why. `reached`: it may have got the order all the same."""

    def __init__(self, why: str, *, reached: bool) -> None:
        super().__init__(why)
        self.reached = reached


@dataclass(frozen=True, slots=True)
class Urls:
    """What to ask for: to be active, to be at rest, and, "" for none, to be active for a time.

    In `pulse` {seconds}, {tenths} or {ms} stands for that time.
    """

    active: str
    rest: str
    pulse: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """Be active until `until` (CLOCK_BOOTTIME), or, with 0, at rest. Newer ones have higher numbers."""

    number: int
    until: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the order of that number; `detail` in words, "" where there is nothing to tell.

    `unsure`: it has not confirmed, and may have been active all the same.
    """

    number: int
    ok: bool
    detail: str
    unsure: bool = False


REST = Order(0, 0.0)
Send = Callable[[str], Awaitable[None]]


class BoardKeeper:
    """Does what it was ordered last. `send` asks the board for a URL and raises `BoardError`; `now` as of `Order`."""

    def __init__(self, urls: Urls, send: Send, tell: Callable[[Outcome], None], now: Callable[[], float]) -> None:
        self._urls = urls
        self._send = send
        self._tell = tell
        self._now = now
        self._order = REST
        self._changed = asyncio.Event()
        self._is_on = False  # the board has confirmed that it is active
        self._unanswered = False  # an activation may lie in its queue
        self._let_go = False

    def order(self, order: Order) -> None:
        """Do this from now on, whatever is being done."""
        if not self._let_go:
            self._order = order
            self._changed.set()

    @property
    def is_let_go(self) -> bool:
        return self._let_go

    def let_go(self) -> None:
        """Nobody gives orders any more: be at rest, and then end."""
        self.order(REST)
        self._let_go = True
        self._changed.set()

    async def run(self) -> None:
        """Keep the board until it is let go and at rest; at rest is also how it begins."""
        while True:
            self._changed.clear()
            work = asyncio.create_task(self._carry_out(self._order))
            change = asyncio.create_task(self._changed.wait())
            await asyncio.wait((work, change), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                if self._let_go and not self._changed.is_set():
                    change.cancel()
                    return
                await change
            else:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _carry_out(self, order: Order) -> None:
        if order.until:
            await self._activate(order)
        await self._rest(order)

    async def _activate(self, order: Order) -> None:
        """Until the order's end, or until it has failed."""
        give_up_at = min(order.until, self._now() + CONFIRMED_WITHIN_S)
        why = "the order came too late"
        while not self._is_on or self._urls.pulse:
            left_s = give_up_at - self._now()
            if left_s <= 0:
                words = f"the board has not confirmed: {why}"
                self._tell(Outcome(order.number, False, words, self._unanswered))
                return
            if (why := await self._ask(self._activating(order), min(left_s, ATTEMPT_S), activates=True)) == "":
                self._is_on = True
                break
            await asyncio.sleep(min(FIRST_PAUSE_S, max(0.0, give_up_at - self._now())))
        self._tell(Outcome(order.number, True, ""))
        await asyncio.sleep(max(0.0, order.until - self._now()))

    async def _rest(self, order: Order) -> None:
        await self._until_at_rest(order)
        while self._unanswered:
            for pause_s in AGAIN_AFTER_S:
                await asyncio.sleep(pause_s)
                await self._until_at_rest(order)
            self._unanswered = False

    async def _until_at_rest(self, order: Order) -> None:
        pause_s, failed_at = FIRST_PAUSE_S, 0.0
        while why := await self._ask(self._urls.rest, ATTEMPT_S, activates=False):
            if not failed_at:
                failed_at = self._now()
                words = f"the board has not confirmed that it is at rest ({why}): it is asked until it does"
                self._tell(Outcome(order.number, False, words))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._is_on = False
        if failed_at:
            words = f"the board is at rest, {self._now() - failed_at:.0f} s after it should have been"
            self._tell(Outcome(order.number, True, words))

    async def _ask(self, url: str, within_s: float, *, activates: bool) -> str:
        """Ask once; returns why not, or "" when the board has confirmed."""
        before, self._unanswered = self._unanswered, self._unanswered or activates
        try:
            async with asyncio.timeout(within_s):
                await self._send(url)
        except TimeoutError:
            return f"no answer in {within_s:.1f} s"
        except BoardError as error:
            if not error.reached:
                self._unanswered = before
            return str(error)
        self._unanswered = before
        return ""

    def _activating(self, order: Order) -> str:
        left_s = max(0.0, order.until - self._now())
        if not self._urls.pulse:
            return self._urls.active
        times = {"seconds": 1, "tenths": 10, "ms": 1000}
        url = self._urls.pulse
        for name, per_s in times.items():
            url = url.replace(f"{{{name}}}", str(max(1, math.ceil(left_s * per_s - 0.001))))
        return url
