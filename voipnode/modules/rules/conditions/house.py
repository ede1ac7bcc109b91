"""Conditions about the house: schedules, triggers, MQTT, the network, trouble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from voipnode.calls.events import (
    Event,
    ManualTriggered,
    MqttChanged,
    MqttReceived,
    NetworkChanged,
    NodeStarted,
    Problem,
    ScheduleChanged,
    SchedulePulse,
)
from voipnode.modules.rules.conditions.base import Moment, So, State, joined
from voipnode.modules.rules.names import Free, MomentSubscription, PulsingSchedule, Schedule, StateSubscription


class ScheduleActive(State):
    """A schedule is active."""

    heard: ClassVar[tuple[type[Event], ...]] = (ScheduleChanged,)
    kind: Literal["schedule"] = Field(alias="is")
    name: Schedule

    def next(self, before: So, event: ScheduleChanged) -> So:
        return before if event.schedule != self.name else joined(before, self.name, so=event.active)

    def words(self) -> str:
        return f'schedule "{self.name}" is active'


class SchedulePulsed(Moment):
    """A schedule that has moments instead of a duration has one."""

    heard: ClassVar[tuple[type[Event], ...]] = (SchedulePulse,)
    kind: Literal["schedule_pulse"] = Field(alias="is")
    name: PulsingSchedule

    def hears(self, event: SchedulePulse) -> bool:
        return event.schedule == self.name

    def words(self) -> str:
        return f'it is time by schedule "{self.name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse(Event):
    """So many seconds have passed once more. It is not for the bus, nor for the log: one a second would fill both."""

    every_s: float


class Every(Moment):
    """Time and again."""

    heard: ClassVar[tuple[type[Event], ...]] = (Pulse,)
    kind: Literal["pulse"] = Field(alias="is")
    every_s: float = Field(ge=1, le=86_400, description="Seconds from one to the next.")

    def hears(self, event: Pulse) -> bool:
        return event.every_s == self.every_s

    def words(self) -> str:
        return f"{self.every_s:g} s have passed"


class Triggered(Moment):
    """Somebody pulled this manual trigger, on the page or by HTTP. Naming it here makes it."""

    heard: ClassVar[tuple[type[Event], ...]] = (ManualTriggered,)
    kind: Literal["trigger"] = Field(alias="is")
    name: Free

    def hears(self, event: ManualTriggered) -> bool:
        return event.trigger == self.name

    def words(self) -> str:
        return f'trigger "{self.name}" was pulled'


class MqttOn(State):
    """A subscription of `[[mqtt.subscriptions]]` that is a state is on."""

    heard: ClassVar[tuple[type[Event], ...]] = (MqttChanged,)
    kind: Literal["mqtt"] = Field(alias="is")
    name: StateSubscription

    def next(self, before: So, event: MqttChanged) -> So:
        return before if event.subscription != self.name else joined(before, self.name, so=event.on)

    def words(self) -> str:
        return f'MQTT "{self.name}" is on'


class MqttCame(Moment):
    """A message came to a subscription of `[[mqtt.subscriptions]]` without `on`."""

    heard: ClassVar[tuple[type[Event], ...]] = (MqttReceived,)
    kind: Literal["mqtt_message"] = Field(alias="is")
    name: MomentSubscription
    payload: str = Field(default="", max_length=255, description="This one; empty: any.")

    def hears(self, event: MqttReceived) -> bool:
        return event.subscription == self.name and self.payload in ("", event.payload)

    def words(self) -> str:
        return f'an MQTT message came to "{self.name}"'


class Online(State):
    """The node has a network address, beside its own loopback."""

    heard: ClassVar[tuple[type[Event], ...]] = (NetworkChanged,)
    kind: Literal["network"] = Field(alias="is")

    def next(self, before: So, event: NetworkChanged) -> So:
        return frozenset(event.addresses)

    def words(self) -> str:
        return "the node has a network address"


class AddressChanged(Moment):
    """The node's network addresses are others than before."""

    heard: ClassVar[tuple[type[Event], ...]] = (NetworkChanged,)
    kind: Literal["address_changed"] = Field(alias="is")

    def hears(self, event: NetworkChanged) -> bool:
        return True

    def words(self) -> str:
        return "the node's network addresses have changed"


class Trouble(Moment):
    """The node has told of a problem: a disk that fails, a server that is not there."""

    heard: ClassVar[tuple[type[Event], ...]] = (Problem,)
    kind: Literal["problem"] = Field(alias="is")
    where: str = Field(
        default="",
        max_length=64,
        description='Of this part of the node: "state" is its disk, "relay" the outputs; empty: any.',
    )

    def hears(self, event: Problem) -> bool:
        return not self.where or event.where == self.where or event.where.startswith(f"{self.where}.")

    def words(self) -> str:
        return f'a problem of "{self.where}" was told' if self.where else "a problem was told"


class Started(Moment):
    """The node has started. For telling somebody: a start moves no output."""

    heard: ClassVar[tuple[type[Event], ...]] = (NodeStarted,)
    kind: Literal["started"] = Field(alias="is")

    def hears(self, event: NodeStarted) -> bool:
        return True

    def words(self) -> str:
        return "the node has started"
