"""What may be asked of the node, as plain serialisable values: the command line, the web and modules all send these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base of all commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall(Command):
    """Call `to` from `account` ("" = the default one): a SIP URI, a host, a number; or a contact or group by name, who
    have accounts of their own. Returns the call's id.

    `authorised`: digits of the answering party may act. The node sets it for its own recipients; no remote caller can.
    """

    to: str
    account: str = ""
    authorised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RingRecipients(Command):
    """Somebody pressed a call button: digits of who answers act. Returns the call's id.

    Rung are `recipients`, 1 to 6 addresses at the same time; without them `plan`, a contact or group; without that the
    first of `rings`, each a contact or group and the name of a schedule, whose schedule is active. `fallback`, a
    contact or group, is rung when nobody has answered.
    """

    recipients: tuple[str, ...] = ()
    account: str = ""
    button: str = ""
    plan: str = ""
    rings: tuple[tuple[str, str], ...] = ()
    fallback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCall(Command):
    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(Command):
    """End the call: cancels while it rings out, rejects (486) while it rings in, BYE when active."""

    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCall(Command):
    """Put an active call on hold: the far side neither hears the door nor is heard there."""

    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeCall(Command):
    """Take a call off hold."""

    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCall(Command):
    """Send the far side of a call elsewhere: to the address `to`, or to the far side of the call `with_call`.

    Exactly one of the two is given. How it goes is told by `CallTransfer`; the call ends when it has succeeded.
    """

    call: str
    to: str = ""
    with_call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDtmf(Command):
    """Send digits (0-9 A-D # *) into an active call, by the roads its account has on."""

    call: str
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAccount(Command):
    """Register an account now, whatever its timers say; `RegistrationChanged` tells what is new by it."""

    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAccount(Command):
    """Add an account to the settings file: `settings` has the keys of `[[accounts]]`. Returns its id.

    Raises FieldsError for what is not right in them. `LineSettingsChanged` tells when it is in use.
    """

    settings: Mapping[str, Any] = field(repr=False)  # a password may be among them


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount(Command):
    """Change keys of an account in the settings file; None takes one out. Returns its id. Raises as `AddAccount`."""

    account: str
    changes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAccount(Command):
    """Take an account out of the settings file. Raises NotNowError for the default one while there are others."""

    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PressInput(Command):
    """Press and release an input by software; `recipients` replaces the button's own for this press when not empty.

    `source` says who pressed: "api", "cli", "panel".
    """

    input: str
    recipients: tuple[str, ...] = ()
    source: str = "api"


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
class ChangeRoom(Command):
    """Make the simulated room another one from now on: fields of `[audio.room]` and what they shall be."""

    values: Mapping[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSound(Command):
    """Treat the door's sound otherwise from now on; None: as it is."""

    input_muted: bool | None = None
    input_gain_db: float | None = None
    output_muted: bool | None = None
    output_gain_db: float | None = None
    echo_cancellation: bool | None = None
    noise_cancellation: bool | None = None
    noise_reduction_db: float | None = None
    automatic_gain_control: bool | None = None
    target_dbfs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSound(Command):
    """How the door's sound stands now: its levels and what its blocks have found out, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSoundLevel(Command):
    """How loud it is at the door now. Returns JSON: above, level, threshold, level_dbfs, as in `SoundLevelPassed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateSpeaker(Command):
    """Learn how the door's loudspeaker sounds now, as what is well. How it goes is told by `SpeakerTestChanged`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpeaker(Command):
    """Compare how the door's loudspeaker sounds with its calibration; `SpeakerTestFinished` has the result.

    `trigger` says who wants it: "api", "schedule", a rule's name.
    """

    __test__ = False  # of pytest's: it is a command, not a test

    trigger: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSpeakerTest(Command):
    """Draw the calibration with the last test against it. Returns a picture, as SVG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContacts(Command):
    """The contacts. Returns JSON: for each its settings, and `available`, whether its schedule is active now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddContact(Command):
    """Add a contact to the settings file: `settings` has the keys of `[[contacts]]`. Returns its name.

    Raises FieldsError for what is not right in them. The next call finds it.
    """

    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeContact(Command):
    """Change keys of a contact in the settings file; None takes one out. Returns its name. Raises as `AddContact`.

    Contacts that fall back on it, and groups that ring it, do so by its new name.
    """

    contact: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContact(Command):
    """Take a contact out of the settings file. Raises FieldsError where another entry names it."""

    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContacts(Command):
    """Take contacts from what `ExportContacts` gives, read as JSON: all or, with FieldsError, none. Returns words.

    `mode`: "merge" changes contacts of the same name and adds the others; "replace" removes those that are not named.
    """

    document: Mapping[str, Any]
    mode: str = "merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportContacts(Command):
    """All contacts as a JSON document, to be taken to another node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedDial(Command):
    """Somebody at the device dialled the digits of a contact: ring it. Returns the call's id.

    Raises UnknownNameError where no contact has them, NotNowError where it and all it falls back on are unavailable.
    """

    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCall(Command):
    """Call a contact, or the address `to`, and end the call when it is answered; digits open nothing in it.

    Exactly one of the two is given; `account` is for `to`. Returns, when it is over, JSON: `ok`, what came of it in
    `words`, `rang_after_s` and `answered_after_s` (null: not), `codec`, `encryption`, `cipher`, `status`. Raises
    CallError where it cannot be tried.
    """

    __test__ = False  # of pytest's: it is a command, not a test

    contact: str = ""
    to: str = ""
    account: str = ""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayClip(Command):
    """Play a clip: to the visitor ("door"), to the far side of the call that is on ("call"), or to "both".

    `volume` is a percentage of the amplitude, `repeat` how many times more than once. One that plays gives way.
    Raises UnknownNameError, NotNowError without a call to play to, CallError for a file that cannot be read.
    """

    clip: str
    to: str = "door"
    volume: float = 100.0
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopClip(Command):
    """Fade out what `PlayClip` plays; with a `clip`, only where it is that one. Nothing to stop is no error."""

    clip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClip(Command):
    """Add an audio file as a clip, to the folder and the settings. Returns its name.

    Raises CallError for a file that is no clip, FieldsError for a name that is taken or cannot be.
    """

    clip: str
    content: bytes = field(repr=False)
    gain_db: float = 0.0
    normalise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameClip(Command):
    """Give a clip another name; settings that play it do so by the new one. Raises UnknownNameError, FieldsError."""

    clip: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveClip(Command):
    """Take a clip out of the settings and its file out of the folder. Raises FieldsError where a setting plays it."""

    clip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListClips(Command):
    """All clips and what is playing, as JSON: "clips" (name, file, bytes, gain_db, normalise) and "playing", "to"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadClip(Command):
    """The file of a clip: JSON with its name as "file" and its bytes in base64 as "content"."""

    clip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCard(Command):
    """A reader has read a card, or a code of another kind that is its own proof. `uid` is hexadecimal, of `bits` bits.

    Returns what came of it: "granted", "denied", "pin" (its PIN has to follow).
    """

    reader: str
    uid: str = field(repr=False)
    bits: int = 0  # 0: all of the UID's


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKeys(Command):
    """Keys were pressed at a reader: 0-9, "*" (begin anew), "#" (that was all). Returns as `ReadCard`, or "key"."""

    reader: str
    keys: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddHolder(Command):
    """Add a holder to the entry list. Returns its id. Raises FieldsError for what is not right."""

    values: Mapping[str, Any] = field(repr=False)  # codes are among them


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHolder(Command):
    """Change fields of a holder; None gives one its default, and takes a code away. Raises as `AddHolder`."""

    holder: int
    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveHolder(Command):
    """Forget a holder."""

    holder: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListHolders(Command):
    """All holders as JSON, by name, without their codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowHolder(Command):
    """One holder as JSON, without its codes. Raises UnknownNameError."""

    holder: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawCode(Command):
    """A new code that nobody has, as JSON: {"code": ...}. It is good for nothing until a holder has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCredential(Command):
    """The card that was read last, as JSON: reader, uid, bits, at_utc, holder ("" for nobody's); {} for none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHistory(Command):
    """Calls of the past, newest first. Returns JSON: `calls`, and `next`, the `before` of the next page ("" = none).

    `wanted` says which, by any of "from_utc", "to_utc" (of their beginning, ISO 8601), "direction", "outcome", "kind",
    "account" and "text", a part of who took part. Raises NotNowError while the disk fails.
    """

    wanted: Mapping[str, str] = field(default_factory=dict)
    limit: int = 50
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportHistory(Command):
    """All calls of the past that are `wanted`, as `ReadHistory` has it, as text: `format` is "csv" or "json"."""

    format: str = "csv"
    wanted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullTrigger(Command):
    """Pull a manual trigger that a rule has as its condition. `source`: "api", "panel"."""

    trigger: str
    source: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRule(Command):
    """Switch a rule on or off until the next start; off ends what it is doing."""

    rule: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRules(Command):
    """The rules as they stand, and what fired lately, as JSON: rules (name, on, fired, running, conditions with what
    holds, actions, why_not), history (at_utc, rule, because, outcome; newest first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishMqtt(Command):
    """Tell the MQTT broker something, now or once there is one. `use_prefix`: the node's comes before `topic`."""

    topic: str
    payload: str
    retain: bool = False
    use_prefix: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDoNotDisturb(Command):
    """Have an extension, or the door (""), not be rung from now on, or be rung again. Raises UnknownNameError."""

    on: bool
    extension: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExtensions(Command):
    """The extensions and their telephones, as JSON: a list of number, name, do_not_disturb, devices (as in
    `ExtensionChanged`) and calls (state, direction, remote)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTo(Command):
    """Tell a recipient of `[[recipients]]`, now or once it is there. Carried out when the message is on the disk.

    In `subject` and `text`, {name} stands for what `values` has under that name.
    """

    recipient: str
    subject: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRecipient(Command):
    """Try to tell a recipient something, once and now. Returns what it said; NotNowError tells what went wrong."""

    __test__ = False  # of pytest's: it is a command, not a test

    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRecipients(Command):
    """The recipients as JSON: name, kind, how many messages wait, and what is the trouble ("" for none)."""
