"""Commands for the door and for rules: inputs, outputs, triggers, and whom to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class PressInput(Command):
    """Press and release an input by software; `recipients` replaces the button's own for this press when not empty.

    `source` says who pressed: "api", "cli", "panel".
    """

    input: str
    recipients: tuple[str, ...] = ()
    source: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateInput(Command):
    """Move a simulated input: put a voltage on its terminal (None: disconnect it), or have its contact be "open",
    "closed" or, where it is supervised, "cut" or "short". Returns what it is then."""

    input: str
    voltage_v: float | None = None
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsePort(Command):
    """Activate an output for `duration_s`, after asking `MayOpen`; it returns to normal by itself.

    `who` and `how` are written down; `authorised` is False when the wish comes from somebody who may not open.
    """

    port: str
    duration_s: float
    who: str
    how: str
    authorised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePort(Command):
    """Return an output to its normal state at once."""

    port: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTrigger(Command):
    """Pull a manual trigger that a rule has as its condition. `source`: "api", "panel"."""

    trigger: str
    source: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVirtualInput(Command):
    """Activate a virtual input that a rule has as its condition, or end it; with `for_s` it ends by itself."""

    input: str
    active: bool
    for_s: float = 0.0
    source: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRule(Command):
    """Switch a rule on or off until the next start; off ends what it is doing."""

    rule: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRule(Command):
    """Say what a rule would do now, without doing it. Returns JSON: `would_fire`, `why` in words, `conditions` with
    what holds, `actions` in words. Raises UnknownNameError."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRules(Command):
    """The rules as they stand, and what fired lately, as JSON: rules (name, on, preconfigured, active, fired, running,
    conditions with what holds, actions in words, why_not), triggers, virtual_inputs (name, active), history (at_utc,
    rule, because, outcome; newest first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeRules(Command):
    """What a rule can be made of, as JSON Schema; under "names", what there is that rules may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRule(Command):
    """The settings of a rule, as JSON. Raises UnknownNameError."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRule(Command):
    """Add a rule to the settings file: `settings` has the keys of `[[rules]]`. Returns its name; raises FieldsError.

    It is in use at once.
    """

    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRule(Command):
    """Change keys of a rule in the settings file; None takes one out. Returns its name. Raises as `AddRule`.

    A rule that is on is off afterwards, unless `enabled` is among the changes.
    """

    rule: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRule(Command):
    """Take a rule out of the settings file; a preconfigured one is as it was then. Raises UnknownNameError."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishMqtt(Command):
    """Tell the MQTT broker something, now or once there is one. `use_prefix`: the node's comes before `topic`."""

    topic: str
    payload: str
    retain: bool = False
    use_prefix: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMqtt(Command):
    """How the node stands to its broker, as JSON: broker, connected, since_utc, waiting and lost messages, trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTo(Command):
    """Tell a recipient of `[[recipients]]`, now or once it is there. Carried out when the message is on the disk.

    In `subject` and `text`, {name} stands for what `values` has under that name. `attachment` is the path of a file to
    go with it, in the node's own folder and of a kind meant for people (a recording, a picture), up to 10 MB; of a
    pattern, such as recordings/*.wav, the newest. What it holds now is what is sent.
    """

    recipient: str
    subject: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)
    attachment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRecipient(Command):
    """Try to tell a recipient something, once and now. Returns what it said; NotNowError tells what went wrong."""

    __test__ = False  # of pytest's: it is a command, not a test

    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRecipients(Command):
    """The recipients as JSON: name, kind, to (where, in words), how many messages wait, since_utc (the oldest of them),
    trouble ("" for none), delivered (how many since the node started) and last_utc (when that was)."""
