"""Commands about people: contacts, extensions, holders of the entry list, and calls of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


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
class ReadCard(Command):
    """A reader has read a card, or a code of another kind that is its own proof. `uid` is hexadecimal, of `bits` bits,
    which stand at its right end: 26 bits are 02EC0C86.

    Returns what came of it: "granted", "denied", "pin" (its PIN has to follow), "forwarded" to a door controller.
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
class IssuePass(Command):
    """Give a holder a fresh code that a QR reader reads; the one before is void. Returns JSON: name, code, svg (its QR
    code), valid_from_utc, valid_to_utc, uses_left, schedule, suspended. The code is shown this once.

    `shown_as`: "code" is a visitor code, for readers that type what they read, and good at a keypad, too; "card" takes
    the place of the holder's card, for readers that give what they read as a card: 64 bits, as hexadecimal digits.
    """

    holder: int
    shown_as: str = "code"


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
class ReadExtensions(Command):
    """The extensions and their telephones, as JSON: a list of number, name, do_not_disturb, devices (as in
    `ExtensionChanged`) and calls (state, direction, remote)."""
