"""The bus as a plug-in sees it: it hears everything, tells what is its own, and its faults stay with it."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from inspect import iscoroutine
from typing import Any

from voipnode.calls.errors import CallError
from voipnode.calls.events import Event, Problem
from voipnode.calls.hooks import Bus, Decider, E, Listener, Question, Subscription, Verdict
from voipnode.plugins.faults import ANYTHING, Faults
from voipnode.plugins.patience import patiently

DECIDE_S = 1.5  # below what the bus itself waits for
BEFORE_OURS = 1000  # added to its priority: a plug-in's denial comes before our own answers
MAX_PRIORITY = 100
MAX_LISTENERS = 64
MAX_EVENT_CHARS = 8_000
MAX_EVENTS_PER_S = 50
SLOW_S = 0.1
EVENT_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+){1,3}")


class FencedBus(Bus):
    """Made in a running loop. `may_open`: what it allows counts, too, not only what it denies. `stopwatch`: seconds, by
    which it is told what takes too long."""

    def __init__(
        self,
        bus: Bus,
        name: str,
        faults: Faults,
        *,
        may_open: bool = False,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(bus.clock)
        self._bus = bus
        self._name = name
        self._faults = faults
        self._may_open = may_open
        self._stopwatch = stopwatch
        self._loop = asyncio.get_running_loop()
        self._places: list[Subscription] = []
        self._closed = False
        self._second_at, self._told = 0.0, 0  # when the second began in which it told so many events

    def close(self) -> None:
        """Have it hear and decide nothing more, and be heard no more."""
        self._closed = True
        for place in self._places:
            place.cancel()
        self._places = []

    # -- to hear

    def subscribe(self, kind: type[E], listener: Listener[E], *, who: str = "") -> Subscription:
        """As `Bus.subscribe`; CallError where it has too many."""
        self._check_room(kind, Event)
        told: Callable[[E], Any] = listener  # a stranger's: it may return anything

        def hear(event: E) -> None:
            if self._faults.silenced or (isinstance(event, Problem) and event.where == self._faults.where):
                return  # its own problems are not for it: it may be about to fail again
            doing, begun = f"its listener on {event.name}", self._stopwatch()
            try:
                answer = told(event)
            except ANYTHING as error:
                self._faults.raised(doing, error)
                return
            if (took_s := self._stopwatch() - begun) >= SLOW_S:
                self._faults.tell(f"{doing} held the whole node up for {took_s:.1f} s: it must not block")
            if iscoroutine(answer):
                answer.close()
                self._faults.tell(f"{doing} is a coroutine function, which nobody waits for: a plain one is right")

        return self._keep(self._bus.subscribe(kind, hear, who=self._faults.where))

    # -- to tell

    def publish(self, event: Event) -> None:
        """Tell an event of its own, or a problem of its own; what else it publishes is told as a problem. From a thread
        of the plug-in's it is told by the node's, a moment later."""
        if not self._is_in_loop():
            self._loop.call_soon_threadsafe(self.publish, event)
            return
        if self._closed:
            return
        try:
            why_not = self._why_not(event)
            if not why_not and event.at == 0.0:
                event = replace(event, at=self.clock())
        except ANYTHING as error:
            self._faults.raised("reading what it published", error)
            return
        if not why_not and self._is_too_much():
            self._faults.tell(f"it published more than {MAX_EVENTS_PER_S} events within a second: the others are lost")
        elif why_not:
            self._faults.tell(f"it published {_kind_of(event)}: {why_not}")
        else:
            self._bus.publish(event)

    def _is_in_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _is_too_much(self) -> bool:
        now = self.clock()
        if now - self._second_at >= 1.0:
            self._second_at, self._told = now, 0
        self._told += 1
        return self._told > MAX_EVENTS_PER_S

    def _why_not(self, event: Any) -> str:
        """Why this is not passed on; "" where it is."""
        if not isinstance(event, Event):
            return "that is no event"
        if type(event) is Problem:
            return "" if event.where.startswith(self._faults.where) else f'where = "{self._faults.where}" is right'
        name = event.name
        if any(kind is not Event and kind.__module__.startswith("voipnode.") for kind in type(event).__mro__):
            return "that is an event of the node's, and for the node to tell"
        if not isinstance(name, str) or not EVENT_NAME.fullmatch(name) or not name.startswith(f"{self._name}."):
            return f'the names of its events are like "{self._name}.something"'
        if not isinstance(event.at, (int, float)) or not math.isfinite(event.at):
            return "`at` is no time"
        data = event.to_dict()
        if len(json.dumps(data, allow_nan=False)) > MAX_EVENT_CHARS:
            return f"more than {MAX_EVENT_CHARS} characters as JSON"
        return "" if data.get("event") == name else "its data is no event's"

    # -- to decide

    def on_decide(self, kind: type[Question], decider: Decider, *, who: str = "", priority: int = 0) -> Subscription:
        """As `Bus.on_decide`. It is asked before ours are; about doors, its word counts for denials alone unless it
        `may_open`. A decider that fails denies: who is unsure keeps the door shut."""
        self._check_room(kind, Question)

        async def decide(question: Any) -> Verdict | None:
            try:
                answer: Any = decider(question)
                if isinstance(answer, Awaitable):
                    answer = await patiently(answer, DECIDE_S)
            except TimeoutError:
                return self._denied(f"its decider gave no answer in {DECIDE_S:g} s")
            except ANYTHING as error:
                self._faults.raised("its decider", error)
                return Verdict(allowed=False, why=f"plug-in {self._name} failed")
            if answer is not None and not (isinstance(answer, Verdict) and isinstance(answer.allowed, bool)):
                return self._denied(f"its decider answered with {_kind_of(answer)}; a Verdict is right")
            is_ours = type(question).__module__.startswith("voipnode.")
            if answer is not None and answer.allowed and is_ours and not self._may_open:
                words = f"it would allow {type(question).__name__}, and {self._faults.where}.may_open is not true"
                self._faults.tell(f"{words}: its word does not count")
                return None
            return None if answer is None else Verdict(answer.allowed, str(answer.why)[:200])

        place = BEFORE_OURS + max(-MAX_PRIORITY, min(MAX_PRIORITY, int(priority)))
        return self._keep(self._bus.on_decide(kind, decide, who=self._faults.where, priority=place))

    async def decide(self, question: Question) -> Verdict:
        """Ask the house."""
        return await self._bus.decide(question)

    def _denied(self, words: str) -> Verdict:
        self._faults.tell(f"{words}: denied")
        return Verdict(allowed=False, why=f"plug-in {self._name} failed")

    def _check_room(self, kind: Any, base: type[Any]) -> None:
        if self._closed:
            raise CallError(f"plug-in {self._name} is stopped")
        if not (isinstance(kind, type) and issubclass(kind, base)):
            raise CallError(f"{kind!r} is no kind of {base.__name__}")
        if len(self._places) >= MAX_LISTENERS:
            raise CallError(f"plug-in {self._name} has {MAX_LISTENERS} listeners already")

    def _keep(self, place: Subscription) -> Subscription:
        self._places.append(place)

        def cancel() -> None:
            place.cancel()
            if place in self._places:
                self._places.remove(place)

        return Subscription(cancel)


def _kind_of(value: Any) -> str:
    return f"a {type(value).__name__}"
