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
from datetime import UTC, datetime
from typing import Any

from voipnode.calls.commands import ListRules, PullTrigger, SetVirtualInput, SwitchRule, TryRule
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import (
    Event,
    ManualTriggered,
    MqttChanged,
    MqttReceived,
    NodeStarted,
    Problem,
    RuleFired,
    RulesChanged,
)
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.rules.active import Active, Limits
from voipnode.modules.rules.conditions import Every, Pulse, Triggered
from voipnode.modules.rules.conditions.base import heard_as
from voipnode.modules.rules.doing import Doing
from voipnode.modules.rules.preconfigured import preconfigured
from voipnode.modules.rules.rule import Rule
from voipnode.modules.rules.settings import RuleSettings, RulesSettings, virtual_inputs
from voipnode.modules.rules.standing import Standing
from voipnode.modules.rules.virtual_inputs import VirtualInputs

log = logging.getLogger(__name__)

NAME = "rules"
HISTORY = 200
LIMITS = Limits(burst=20, within_s=10.0, rest_s=60.0)  # a rule that fires more often than so rests for so long


class RulesModule:
    """The rules of `settings`; `utc_now` gives the wall's clock as an aware datetime."""

    def __init__(self, house: House, settings: RulesSettings, utc_now: Callable[[], datetime] | None = None) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._utc_now = utc_now or functools.partial(datetime.now, UTC)
        self._tasks = Tasks(NAME)
        self._standing = Standing()
        self._inputs = VirtualInputs(house.bus)
        self._doing = Doing(house.commands, problem=self._problem, note=self._note)
        self._rules: dict[str, Active] = {}
        self._by_event: dict[type[Event], tuple[Active, ...]] = {}
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._timers: dict[float, asyncio.TimerHandle] = {}
        self._places: list[Subscription] = []
        self._started = False
        self._given: tuple[RuleSettings, ...] = ()
        self._take(settings)

    async def start(self) -> None:
        self._places = [
            self._commands.register(ListRules, lambda command: json.dumps(self._listed()), who=NAME),
            self._commands.register(TryRule, self._try, who=NAME),
            self._commands.register(SwitchRule, self._switch, who=NAME),
            self._commands.register(PullTrigger, self._pull, who=NAME),
            self._commands.register(SetVirtualInput, self._inputs.set, who=NAME),
            self._bus.subscribe(Event, self._hear, who=NAME),
        ]

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        self._stop_pulses()
        self._inputs.stop()
        await self._tasks.close()

    def use(self, settings: RulesSettings) -> None:
        """Have these rules from now on. One that has not changed goes on with what it does; any other begins anew, and
        knows how things stand."""
        if settings.rules == self._given:
            return
        self._take(settings)
        if self._started:
            self._stop_pulses()
            self._start_pulses()

    def _take(self, settings: RulesSettings) -> None:
        before, self._rules = self._rules, {}
        self._given = settings.rules
        for each in (*settings.rules, *preconfigured(settings.rules)):
            known = before.get(each.name)
            if known is not None and known.rule.settings == each:
                self._rules[each.name] = before.pop(each.name)
            else:
                self._rules[each.name] = self._new(each)
        for gone in before.values():
            self._end(gone)
        by_event: dict[type[Event], list[Active]] = {}
        for active in self._rules.values():
            for kind in active.rule.heard:
                by_event.setdefault(kind, []).append(active)
        self._by_event = {kind: tuple(rules) for kind, rules in by_event.items()}
        self._inputs.names = virtual_inputs([each.rule.settings for each in self._rules.values()])

    def _new(self, settings: RuleSettings) -> Active:
        rule = Rule(settings)
        for event in self._standing.events():
            rule.hear(event, may_fire=False)
        return Active(rule, settings.enabled)

    # -- events

    def _hear(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            self._started = True
            self._start_pulses()
        if isinstance(event, Problem) and event.where.startswith(f"{NAME}."):
            return  # what rules tell themselves makes none fire
        self._standing.hear(event)
        for active in self._by_event.get(heard_as(event), ()):
            because = active.rule.hear(event, may_fire=self._started and active.on and not _is_late(active, event))
            if active.lasting and not active.rule.lasts():
                self._tasks.start(self._doing.undo(active))
            if because is not None:
                self._fire(active, because, getattr(event, "call", "") or active.rule.call)

    def _fire(self, active: Active, because: str, call: str) -> None:
        now, name = self._bus.clock(), active.name
        if active.waits_s(now) > 0:
            return
        if active.fires_too_often(now, LIMITS):
            words = (
                f"fired {LIMITS.burst} times in {LIMITS.within_s:g} s, and rests for {LIMITS.rest_s:g} s:"
                " do rules fire each other?"
            )
            self._problem(name, words)
            return
        if active.is_running:
            if active.rule.settings.again == "skip":
                self._note(name, because, "skipped: its actions were still being done")
                return
            active.cancel()
        active.count += 1
        self._bus.publish(RuleFired(at=now, rule=name, because=because, call=call))
        active.running = self._tasks.start(self._doing.do(active, because, call))

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

    def _stop_pulses(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers = {}

    def _arm(self, every_s: float, at: float) -> None:
        self._timers[every_s] = asyncio.get_running_loop().call_at(at, self._pulse, every_s, at)

    def _pulse(self, every_s: float, at: float) -> None:
        now = asyncio.get_running_loop().time()
        self._arm(every_s, max(at + every_s, now))  # those that a halt has swallowed are not made up for
        self._hear(Pulse(at=self._bus.clock(), every_s=every_s))

    # -- commands

    def _triggers(self) -> list[str]:
        return sorted(
            {
                condition.name
                for active in self._rules.values()
                for condition in active.rule.settings.conditions
                if isinstance(condition, Triggered)
            }
        )

    def _pull(self, command: PullTrigger) -> str:
        known = self._triggers()
        if command.trigger not in known:
            there = ", ".join(f'"{name}"' for name in known) or "none"
            raise UnknownNameError(f'trigger "{command.trigger}": no rule has it; there is {there}')
        self._bus.publish(ManualTriggered(at=self._bus.clock(), trigger=command.trigger, source=command.source))
        return ""

    def _known(self, name: str) -> Active:
        active = self._rules.get(name)
        if active is None:
            there = ", ".join(f'"{name}"' for name in self._rules) or "none"
            raise UnknownNameError(f'rule "{name}": there is no such rule; there is {there}')
        return active

    def _switch(self, command: SwitchRule) -> str:
        active = self._known(command.rule)
        if active.on != command.on:
            active.on = command.on
            if not command.on:
                self._end(active)
            words = f'"{command.rule}" was switched {"on" if command.on else "off"}'
            self._bus.publish(RulesChanged(at=self._bus.clock(), detail=words))
        return ""

    def _end(self, active: Active) -> None:
        """What it is doing is left undone, and what was to last for as long as it ends."""
        active.cancel()
        if active.lasting:
            self._tasks.start(self._doing.undo(active))

    def _try(self, command: TryRule) -> str:
        active = self._known(command.rule)
        why_not = active.why_not(self._bus.clock(), is_running=active.is_running)
        trial = {
            "would_fire": not why_not,
            "why": why_not or f"It fires {active.rule.awaited()}.",
            "conditions": active.rule.explain(),
            "actions": [action.words() for action in active.rule.settings.actions],
        }
        return json.dumps(trial)

    def _listed(self) -> dict[str, Any]:
        now = self._bus.clock()
        rules = [
            {
                "name": name,
                "on": active.on,
                "enabled": active.rule.settings.enabled,
                "preconfigured": active.rule.settings not in self._given,
                "active": active.on and active.count > 0 and active.rule.lasts(),
                "fired": active.count,
                "running": active.is_running,
                "conditions": active.rule.explain(),
                "actions": [action.words() for action in active.rule.settings.actions],
                "why_not": active.why_not(now),
            }
            for name, active in self._rules.items()
        ]
        return {
            "rules": rules,
            "triggers": self._triggers(),
            "virtual_inputs": self._inputs.listed(),
            "history": list(self._history)[::-1],
        }


def _is_late(active: Active, event: Event) -> bool:
    """Whether an event is of a time that may be over, to a rule that may open: no door opens because we connect."""
    is_kept = isinstance(event, MqttReceived | MqttChanged) and event.kept
    return is_kept and active.rule.settings.may_open


def build(house: House, settings: RulesSettings) -> RulesModule:
    return RulesModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, RulesSettings, build)
