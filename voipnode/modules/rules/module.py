"""The rules module: hears every event, and does what the rules that fire by it say.

While the node starts, events only tell how things stand: a start moves no output. A rule that fires too often is put to
rest for a while and told of: rules may fire each other in a circle.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from voipnode.calls.commands import ListRules, PullTrigger, SwitchRule
from voipnode.calls.errors import CallError, UnknownNameError
from voipnode.calls.events import Event, ManualTriggered, NodeStarted, Problem, RuleFired
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.rules.actions import Fired, Wait
from voipnode.modules.rules.conditions import Every, Pulse, Triggered
from voipnode.modules.rules.rule import Rule
from voipnode.modules.rules.settings import RulesSettings

log = logging.getLogger(__name__)

NAME = "rules"
HISTORY = 200
BURST, WITHIN_S, REST_S = 20, 10.0, 60.0  # a rule that fires more often than so rests for so long


@dataclass(slots=True)
class Active:
    """A rule at work. `on` may be switched while the node runs; the settings say what it is after the next start."""

    rule: Rule
    on: bool
    fired_at: deque[float] = field(default_factory=lambda: deque(maxlen=BURST))
    resting_until: float = 0.0
    running: asyncio.Task[None] | None = None
    count: int = 0


class RulesModule:
    """The rules of `settings`; `utc_now` gives the wall's clock as an aware datetime."""

    def __init__(self, house: House, settings: RulesSettings, utc_now: Callable[[], datetime] | None = None) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._utc_now = utc_now or functools.partial(datetime.now, UTC)
        self._rules = {each.name: Active(Rule(each), each.enabled) for each in settings.rules}
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._tasks = Tasks(NAME)
        self._timers: dict[float, asyncio.TimerHandle] = {}
        self._places: list[Subscription] = []
        self._started = False

    async def start(self) -> None:
        self._places = [
            self._commands.register(ListRules, lambda command: json.dumps(self._listed()), who=NAME),
            self._commands.register(SwitchRule, self._switch, who=NAME),
            self._commands.register(PullTrigger, self._pull, who=NAME),
        ]
        if self._rules:
            self._places.append(self._bus.subscribe(Event, self._hear, who=NAME))

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        for timer in self._timers.values():
            timer.cancel()
        self._timers = {}
        await self._tasks.close()

    # -- events

    def _hear(self, event: Event) -> None:
        if isinstance(event, RuleFired | Problem):
            return  # what rules tell themselves makes none fire
        if isinstance(event, NodeStarted):
            self._started = True
            self._start_pulses()
        for active in self._rules.values():
            because = active.rule.hear(event, may_fire=self._started and active.on)
            if because is not None:
                self._fire(active, because, getattr(event, "call", ""))

    def _fire(self, active: Active, because: str, call: str) -> None:
        now, name = self._bus.clock(), active.rule.settings.name
        if now < active.resting_until:
            return
        if len(active.fired_at) == BURST and now - active.fired_at[0] < WITHIN_S:
            active.resting_until = now + REST_S
            active.fired_at.clear()
            words = f"fired {BURST} times in {WITHIN_S:g} s, and rests for {REST_S:g} s: do rules fire each other?"
            self._problem(name, words)
            return
        active.fired_at.append(now)
        if active.running is not None and not active.running.done():
            if active.rule.settings.again == "skip":
                self._note(name, because, "skipped: its actions were still being done")
                return
            active.running.cancel()
        active.count += 1
        self._bus.publish(RuleFired(at=now, rule=name, because=because, call=call))
        active.running = self._tasks.start(self._do(active, because, call))

    async def _do(self, active: Active, because: str, call: str) -> None:
        settings = active.rule.settings
        failed = []
        for number, action in enumerate(settings.actions, 1):
            if isinstance(action, Wait):
                await asyncio.sleep(action.for_s)
                continue
            command = action.command(Fired(settings.name, because, call))
            try:
                if command is not None:
                    await self._commands.execute(command)
            except CallError as error:
                failed.append(f"action {number} ({action.kind}): {error}")
                self._problem(settings.name, failed[-1])
            except Exception:  # the edge of another module: one action's failure must not keep the next from being done
                log.exception("rule %r, action %d", settings.name, number)
                failed.append(f"action {number} ({action.kind}) failed: see the log")
                self._problem(settings.name, failed[-1])
        self._note(settings.name, because, "; ".join(failed) or "done")

    def _note(self, rule: str, because: str, outcome: str) -> None:
        at = self._utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._history.append({"at_utc": at, "rule": rule, "because": because, "outcome": outcome})

    def _problem(self, rule: str, words: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=f"{NAME}.{rule}", detail=words))

    # -- pulses

    def _start_pulses(self) -> None:
        periods = {
            condition.every_s
            for active in self._rules.values()
            for condition in active.rule.settings.conditions
            if isinstance(condition, Every)
        }
        now = asyncio.get_running_loop().time()
        for every_s in sorted(periods):
            self._arm(every_s, now + every_s)

    def _arm(self, every_s: float, at: float) -> None:
        self._timers[every_s] = asyncio.get_running_loop().call_at(at, self._pulse, every_s, at)

    def _pulse(self, every_s: float, at: float) -> None:
        now = asyncio.get_running_loop().time()
        self._arm(every_s, max(at + every_s, now))  # those that a halt has swallowed are not made up for
        self._hear(Pulse(at=self._bus.clock(), every_s=every_s))

    # -- commands

    def _pull(self, command: PullTrigger) -> str:
        known = {
            condition.name
            for active in self._rules.values()
            for condition in active.rule.settings.conditions
            if isinstance(condition, Triggered)
        }
        if command.trigger not in known:
            there = ", ".join(f'"{name}"' for name in sorted(known)) or "none"
            raise UnknownNameError(f'trigger "{command.trigger}": no rule has it; there is {there}')
        self._bus.publish(ManualTriggered(at=self._bus.clock(), trigger=command.trigger, source=command.source))
        return ""

    def _switch(self, command: SwitchRule) -> str:
        active = self._rules.get(command.rule)
        if active is None:
            there = ", ".join(f'"{name}"' for name in self._rules) or "none"
            raise UnknownNameError(f'rule "{command.rule}": there is no such rule; there is {there}')
        active.on = command.on
        if not command.on and active.running is not None:
            active.running.cancel()
        return ""

    def _listed(self) -> dict[str, Any]:
        now = self._bus.clock()
        rules = []
        for name, active in self._rules.items():
            why_not = "it is switched off" if not active.on else active.rule.why_not()
            if now < active.resting_until:
                why_not = f"it rests for {active.resting_until - now:.0f} s more: it fired too often"
            rules.append(
                {
                    "name": name,
                    "on": active.on,
                    "fired": active.count,
                    "running": active.running is not None and not active.running.done(),
                    "conditions": active.rule.explain(),
                    "actions": [action.kind for action in active.rule.settings.actions],
                    "why_not": why_not,
                }
            )
        return {"rules": rules, "history": list(self._history)[::-1]}


def build(house: House, settings: RulesSettings) -> RulesModule:
    return RulesModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, RulesSettings, build)
