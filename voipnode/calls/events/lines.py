"""Events of telephone lines: accounts, mailboxes, extensions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from voipnode.calls.events.base import Event


class RegistrationState(StrEnum):
    """How an account stands with its server; a peer-to-peer account stands with none and is "unregistered"."""

    REGISTERED = "registered"
    REGISTERING = "registering"
    UNREGISTERED = "unregistered"
    PROBLEM = "problem"  # nobody takes the registration; `reason` says why, and it is tried again by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettingsChanged(Event):
    """Accounts or other settings of SIP were changed while the node runs; `detail` says in words what came of it."""

    name: ClassVar[str] = "line_settings.changed"
    detail: str


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
