"""Events of the node as a whole: start and end, problems, schedules, rules, and whom it tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from voipnode.calls.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(Event):
    """The node serves. `previous` says in words how the run before ended ("" on the first start)."""

    name: ClassVar[str] = "node.started"
    version: str
    previous: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStopping(Event):
    name: ClassVar[str] = "node.stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Event):
    """Something a maintainer should read; `where` names the module or field, `detail` says what and what to do."""

    name: ClassVar[str] = "problem"
    where: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged(Event):
    """New settings are in force; `section` names the one that changed. Every output returns to its normal state."""

    name: ClassVar[str] = "settings.changed"
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChanged(Event):
    """A schedule began or ended; said once of each at the start. `until_utc`: when it changes next (ISO 8601), "" where
    that is more than 400 days away."""

    name: ClassVar[str] = "schedule.changed"
    schedule: str
    active: bool
    until_utc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsChanged(Event):
    """Contacts were added, changed, removed or imported while the node runs; `detail` says it in words."""

    name: ClassVar[str] = "contacts.changed"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualTriggered(Event):
    """Somebody pulled a manual trigger; `source` says who: "api", "panel"."""

    name: ClassVar[str] = "trigger.pulled"
    trigger: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualInputChanged(Event):
    """A virtual input, which rules have as a condition, became active or inactive; `source` says who did it."""

    name: ClassVar[str] = "virtual_input.changed"
    input: str
    active: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesChanged(Event):
    """Rules were added, changed, switched or removed while the node runs; `detail` says it in words."""

    name: ClassVar[str] = "rules.changed"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFired(Event):
    """All conditions of a rule held, and its actions are being done. `because`: what made it so, in words; `call`: the
    one that it fired for, "" for none."""

    name: ClassVar[str] = "rule.fired"
    rule: str
    because: str
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttReceived(Event):
    """A message came to a subscription whose messages are moments. `payload`: its first 1000 characters.

    `kept`: the broker had kept it, from a time that may be long over (MQTT 3.1.1 §3.3.1.3).
    """

    name: ClassVar[str] = "mqtt.received"
    subscription: str
    topic: str
    payload: str
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttChanged(Event):
    """A subscription that is a state is on, or off, by the last message that came to it.

    `kept`: the broker had kept that message, as of `MqttReceived`.
    """

    name: ClassVar[str] = "mqtt.changed"
    subscription: str
    on: bool
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(Event):
    """A recipient has a message. `late_s`: how long it had waited; `said`: what the recipient's server answered."""

    name: ClassVar[str] = "message.delivered"
    recipient: str
    number: int
    late_s: float
    said: str
