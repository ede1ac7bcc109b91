"""Everything that happens in the house, as plain serialisable values on one bus.

An event's `name` is its stable public name (API, server-sent events, rules, logs); `to_dict` gives JSON-ready data.
Times are seconds of the engine's monotonic clock where they order things (`at`), durations carry their unit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum, StrEnum
from functools import cache
from typing import Any, ClassVar, cast


class CallState(StrEnum):
    """States of a call as integrators see them."""

    IDLE = "Idle"
    CALLING = "Calling"  # outgoing: INVITE sent; incoming: not used
    RINGING = "Ringing"  # far phone (outgoing) or this device (incoming) rings
    ACTIVE = "Active"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"


class CallReason(StrEnum):
    """Why a call entered its state."""

    INITIATED = "Initiated"
    DENIED = "Denied"
    NO_ANSWER = "NoAnswer"
    BUSY = "Busy"
    FAILED = "Failed"
    ACCEPTED_BY_REMOTE = "AcceptedByRemote"
    ACCEPTED_BY_DEVICE = "AcceptedByDevice"
    TERMINATED = "Terminated"


class RegistrationState(StrEnum):
    """How an account stands with its server; a peer-to-peer account stands with none and is "unregistered"."""

    REGISTERED = "registered"
    REGISTERING = "registering"
    UNREGISTERED = "unregistered"
    PROBLEM = "problem"  # nobody takes the registration; `reason` says why, and it is tried again by itself


class SpeakerState(StrEnum):
    """How the test of the door's loudspeaker stands."""

    UNCALIBRATED = "Uncalibrated"
    PENDING = "Pending"  # a calibration or a test is under way, or waits for a call to end
    CALIBRATED = "Calibrated"  # and not tested since, or it was too noisy to tell
    OK = "OK"
    FAILED = "Failed"
    DISABLED_IN_HARDWARE = "DisabledInHardware"
    INTERNAL_ERROR = "InternalError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; `at` is the engine's monotonic time in seconds."""

    name: ClassVar[str] = ""
    at: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-ready data, its name under "event"."""
        data: dict[str, Any] = {"event": self.name}
        for name in _field_names(cast("Any", type(self))):  # mypy takes a dataclass's type for unhashable
            value = getattr(self, name)
            data[name] = value.value if isinstance(value, Enum) else value
        return data


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


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
class LineSettingsChanged(Event):
    """Accounts or other settings of SIP were changed while the node runs; `detail` says in words what came of it."""

    name: ClassVar[str] = "line_settings.changed"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChanged(Event):
    """A call entered a state. `call` is its id; `remote` the other party's URI; `status` the SIP status, 0 = none.

    `encryption`: "sdes" or "dtls" with the suite in `cipher`, "none" = in the clear, "" = no media agreed on yet;
    `codec` is what the node sends.
    `rejected_packets`: forged, replayed or malformed ones so far, which SRTP kept out.
    """

    name: ClassVar[str] = "call.changed"
    call: str
    state: CallState
    reason: CallReason
    direction: str  # "incoming" | "outgoing"
    remote: str
    account: str
    status: int = 0
    detail: str = ""  # in words, for people
    encryption: str = ""
    cipher: str = ""
    rejected_packets: int = 0
    codec: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRang(Event):
    """A party that rang for a call, or should have, does so no longer. `plan` and `stage` say what it belonged to.

    `outcome`: "answered", "elsewhere" (somebody else answered), "refused", "busy", "silent", "unreachable",
    "unavailable" (by its schedule), "let go" (by the rules, for what became of another, as `detail` says), "given up"
    (by who called). `status` is the SIP status behind it, 0 = none.
    """

    name: ClassVar[str] = "recipient.rang"
    call: str
    recipient: str
    address: str
    plan: str
    stage: int
    outcome: str
    status: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCallChanged(Event):
    """A call through the node, between two telephones, entered a state or is otherwise than before.

    `call` is its id ("x1"). `caller`, `callee`: extension, number or URI; `account`: the line that it goes or came by,
    "" between extensions; `direction`: "outgoing", "incoming" or "internal" by that. `encryption` and
    `codec` are the caller's and the callee's, "" where not agreed on.
    """

    name: ClassVar[str] = "exchange_call.changed"
    call: str
    state: CallState
    reason: CallReason
    caller: str
    callee: str
    direction: str = "internal"
    account: str = ""
    status: int = 0
    detail: str = ""
    encryption: tuple[str, str] = ("", "")
    codec: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotDisturbChanged(Event):
    """The door ("" as `extension`), or an extension of the node, is not to be rung from now on, or is again."""

    name: ClassVar[str] = "do_not_disturb.changed"
    extension: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationChanged(Event):
    """An account stands otherwise than before; repetitions of the same problem are not told.

    `id` tells accounts of the same name apart: "name", "name#2".
    `status` is the SIP status behind it (0: none, "Does not register" of a peer-to-peer account among them), `reason`
    says it in words for an installer, `server` names the server, `expires_s` is the validity that it granted.
    """

    name: ClassVar[str] = "registration.changed"
    account: str
    id: str
    state: RegistrationState
    status: int = 0
    reason: str = ""
    server: str = ""
    expires_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """A call is on hold (`held`), or is not, by us ("here"); `detail` says why a change was not to be ("" = it was)."""

    name: ClassVar[str] = "call.held"
    call: str
    held: bool
    by: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPath(Event):
    """By which way a call's sound goes (ICE): `pair` in words, our candidate first; "" where there is none any more.

    `after_ms` since both descriptions were known; `chosen`: both sides keep to it. `detail` says why a way was lost.
    """

    name: ClassVar[str] = "call.path"
    call: str
    pair: str
    after_ms: int = 0
    chosen: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransfer(Event):
    """How a transfer goes. `to` is the new party, `by` who asked for it: "here" or "far"; `status` is the SIP status.

    `final` with a 2xx: it has happened. With another status nothing came of it, and the call goes on as it was.
    """

    name: ClassVar[str] = "call.transfer"
    call: str
    to: str
    by: str
    status: int
    final: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWaitingChanged(Event):
    """What waits in the mailbox of an account; `new`, `old` and those of them that are urgent count voice messages."""

    name: ClassVar[str] = "mailbox.changed"
    account: str
    id: str
    waiting: bool
    new: int = 0
    old: int = 0
    urgent_new: int = 0
    urgent_old: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionChanged(Event):
    """Telephones of an extension were registered, moved or went. `devices`: all there are now, newest first, each with
    contact, address, transport, user_agent and expires_s."""

    name: ClassVar[str] = "extension.changed"
    number: str
    display_name: str
    devices: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived(Event):
    """A text message (SIP MESSAGE). `call` is "" outside a call; `source` the address that it came from.

    `sender` is what the sender claims to be, which proves nothing.
    """

    name: ClassVar[str] = "text.received"
    call: str
    sender: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfReceived(Event):
    """One digit pressed by the far side, whatever road or roads carried it.

    `authorised`: the call is one whose digits may act (placed by the node to its own recipients, or from a caller that
    the settings name). `road` is the first that brought it: "rtp", "info" or "inband".
    """

    name: ClassVar[str] = "dtmf.received"
    call: str
    digit: str  # one of 0-9 A-D # *
    road: str
    account: str
    remote: str
    authorised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChanged(Event):
    """A digital input became active or inactive. `source` says who did it: "hardware", "api", "cli"."""

    name: ClassVar[str] = "input.changed"
    input: str
    active: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortChanged(Event):
    """An output line changed. `active` = differs from its normal state; `who`, `how`: the opener, "" on release.

    `until_s`: seconds from `at` until the lease ends by itself (0 when inactive).
    """

    name: ClassVar[str] = "port.changed"
    port: str
    active: bool
    why: str  # "pulse", "expired", "released", "engine-lost", "guardian-lost", "restart", ...
    who: str = ""
    how: str = ""
    until_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOpened(Event):
    """A relay was activated by somebody: who (URI, card holder, API user), how (dtmf "1", card, rule), for how long."""

    name: ClassVar[str] = "door.opened"
    port: str
    who: str
    how: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRefused(Event):
    """Somebody tried to open and was not allowed to; `why` in words."""

    name: ClassVar[str] = "door.refused"
    port: str
    who: str
    how: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianChanged(Event):
    """The process that holds the outputs came up or was lost; `up` False means: all outputs are released."""

    name: ClassVar[str] = "guardian.changed"
    up: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LightChanged(Event):
    """The call light: "off", "amber" (outgoing), "amber-flash" (incoming), "blue" (in a call), "green" (door open), or
    "red" (nobody has answered)."""

    name: ClassVar[str] = "light.changed"
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundChanged(Event):
    """How the door's sound is treated from now on, unless an account wants it otherwise; said once at the start."""

    name: ClassVar[str] = "sound.changed"
    input_enabled: bool
    input_muted: bool
    input_gain_db: float
    output_muted: bool
    output_gain_db: float
    echo_cancellation: bool
    noise_cancellation: bool
    noise_reduction_db: float
    automatic_gain_control: bool
    target_dbfs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Event):
    """Something a maintainer should read; `where` names the module or field, `detail` says what and what to do."""

    name: ClassVar[str] = "problem"
    where: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfMatched(Event):
    """A configured sequence was dialled; `label` is its name in the settings."""

    name: ClassVar[str] = "dtmf.matched"
    call: str
    sequence: str
    label: str
    account: str
    remote: str
    authorised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged(Event):
    """New settings are in force; `section` names the one that changed. Every output returns to its normal state."""

    name: ClassVar[str] = "settings.changed"
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLevelPassed(Event):
    """The sound at the door became louder than what is set (`above`), or has been softer for long enough.

    `level` and `threshold` are from 0, very soft, to 100, full scale; `level_dbfs` is the former as AES17 has it.
    """

    name: ClassVar[str] = "sound_level.passed"
    above: bool
    level: int
    threshold: int
    level_dbfs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTestChanged(Event):
    """The speaker test stands otherwise. `words` say it for people; times are ISO 8601 in UTC, "" where there is none.

    `verdict` is of the last test: "ok", "moved", "muffled", "rattling", "weak", "dead loudspeaker", "dead microphone",
    "too noisy to tell", or "". `next_utc` is when the next one is due by the schedule.
    """

    name: ClassVar[str] = "speaker_test.changed"
    state: SpeakerState
    words: str
    verdict: str = ""
    calibrated_utc: str = ""
    tested_utc: str = ""
    next_utc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTestFinished(Event):
    """A test of the loudspeaker has come to its end. Lists have a number for each third octave of `bands_hz`.

    `change_db` is the level against the calibration, at most so much where `counts` is true and the sweep was not
    heard; bands that do not count lay in noise. `offset_db` is of all bands together; `harmonics_db` are orders 2 to 5
    over the fundamental, `distortion_db` all up to the 20th. `noise_dbfs` as AES17 has it.
    """

    name: ClassVar[str] = "speaker_test.finished"
    state: SpeakerState
    verdict: str
    words: str
    trigger: str
    runs: int
    bands_hz: tuple[float, ...] = ()
    level_db: tuple[float, ...] = ()
    change_db: tuple[float, ...] = ()
    tolerance_db: tuple[float, ...] = ()
    snr_db: tuple[float, ...] = ()
    counts: tuple[bool, ...] = ()
    offset_db: float = 0.0
    delay_ms: float = 0.0
    drift_ppm: float = 0.0
    distortion_db: float = 0.0
    harmonics_db: tuple[float, ...] = ()
    noise_dbfs: float = 0.0
    sameness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChanged(Event):
    """A schedule began or ended; said once of each at the start. `until_utc`: when it changes next (ISO 8601), "" where
    that is more than 400 days away."""

    name: ClassVar[str] = "schedule.changed"
    schedule: str
    active: bool
    until_utc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastChanged(Event):
    """An announcement by multicast began to play at the door, was interrupted by something else, or is over.

    `source` is its label, `sender` the IP address that it comes from; `encrypted`: by SRTP.
    """

    name: ClassVar[str] = "multicast.changed"
    source: str
    state: str  # "playing" | "interrupted" | "ended"
    priority: int
    sender: str
    codec: str
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsChanged(Event):
    """Contacts were added, changed, removed or imported while the node runs; `detail` says it in words."""

    name: ClassVar[str] = "contacts.changed"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipChanged(Event):
    """A clip that somebody had played began or ended. `to`: "door", "call" or "both"; `why` it ended: "ended",
    "stopped", "another clip", or "the call is over"."""

    name: ClassVar[str] = "clip.changed"
    clip: str
    playing: bool
    to: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipsChanged(Event):
    """Clips were added, renamed or removed while the node runs; `detail` says it in words."""

    name: ClassVar[str] = "clips.changed"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(Event):
    """A holder of the entry list was let in. `by`: "card", "pin", "card and pin", "visitor_code".

    `conditions` are what the holder's entry is told as, for rules; `duress`: by the PIN that says that he was forced.
    """

    name: ClassVar[str] = "access.granted"
    reader: str
    holder: str
    by: str
    conditions: tuple[str, ...]
    uses_left: int | None = None
    duress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied(Event):
    """Somebody was not let in: `why` in words. `holder`: whose card or code it was, "" for nobody's; `by` as above."""

    name: ClassVar[str] = "access.denied"
    reader: str
    by: str
    why: str
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPrompt(Event):
    """What a reader is to show: "pin" (a card was read, its PIN is awaited), "key", "granted", "denied", "locked",
    "idle". `for_s`: for how long, 0 = until told otherwise."""

    name: ClassVar[str] = "reader.prompt"
    reader: str
    prompt: str
    for_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuality(Event):
    """How a leg of a call sounded, told at its end. `remote` is its party; `answered`: it had the call, not just rang.

    `loss_percent` and `jitter_ms` are of what came from there; `mos` is that by the E-model (ITU-T G.107), with delay:
    1.0 bad to 4.5 best. `remote_mos` is what the far side says of us (RFC 3611). None: not known.
    """

    name: ClassVar[str] = "call.quality"
    call: str
    remote: str
    answered: bool
    codec: str
    packets_sent: int
    packets_received: int
    loss_percent: float
    jitter_ms: float
    round_trip_ms: float | None = None
    mos: float | None = None
    remote_mos: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualTriggered(Event):
    """Somebody pulled a manual trigger; `source` says who: "api", "panel"."""

    name: ClassVar[str] = "trigger.pulled"
    trigger: str
    source: str


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
    """A message came to a subscription whose messages are moments. `payload`: its first 1000 characters."""

    name: ClassVar[str] = "mqtt.received"
    subscription: str
    topic: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttChanged(Event):
    """A subscription that is a state is on, or off, by the last message that came to it."""

    name: ClassVar[str] = "mqtt.changed"
    subscription: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed(Event):
    """A visitor pressed a call button; `source` as of `InputChanged`. A call need not come of it."""

    name: ClassVar[str] = "button.pressed"
    button: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(Event):
    """A recipient has a message. `late_s`: how long it had waited; `said`: what the recipient's server answered."""

    name: ClassVar[str] = "message.delivered"
    recipient: str
    number: int
    late_s: float
    said: str
