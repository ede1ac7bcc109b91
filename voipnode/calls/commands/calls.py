"""Commands for calls."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.calls.commands.base import Command


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
class SetDoNotDisturb(Command):
    """Have an extension, or the door (""), not be rung from now on, or be rung again. Raises UnknownNameError."""

    on: bool
    extension: str = ""
