"""Conditions about calls, digits, accounts and telephones."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from voipnode.calls.events import (
    CallChanged,
    CallHeld,
    CallState,
    DoNotDisturbChanged,
    DtmfMatched,
    Event,
    ExtensionChanged,
    MessageWaitingChanged,
    RegistrationChanged,
    RegistrationState,
)
from voipnode.modules.rules.conditions.base import Moment, So, State, joined, quoted
from voipnode.modules.rules.names import Account, Extension, Sequence

Direction = Literal["any", "incoming", "outgoing"]


class InCall(State):
    """A call at the door is in one of these states."""

    heard: ClassVar[tuple[type[Event], ...]] = (CallChanged,)
    kind: Literal["call"] = Field(alias="is")
    states: tuple[Literal["Calling", "Ringing", "Active"], ...] = Field(default=("Active",), min_length=1)
    direction: Direction = "any"
    account: Account = Field(default="", description='Of this account alone; "VMS" is whoever answers by HTTP.')

    def next(self, before: So, event: CallChanged) -> So:
        so = event.state in self.states and self.direction in ("any", event.direction)
        return joined(before, event.call, so=so and self.account in ("", event.account))

    def words(self) -> str:
        kind = "a call" if self.direction == "any" else f"an {self.direction} call"
        by = f' of account "{self.account}"' if self.account else ""
        return f"{kind}{by} is {' or '.join(self.states)}"


class OnHold(State):
    """A call at the door is on hold."""

    heard: ClassVar[tuple[type[Event], ...]] = (CallHeld, CallChanged)
    kind: Literal["on_hold"] = Field(alias="is")

    def next(self, before: So, event: CallHeld | CallChanged) -> So:
        if isinstance(event, CallHeld):
            return joined(before, event.call, so=event.held)
        return before - {event.call} if event.state is CallState.TERMINATED else before

    def words(self) -> str:
        return "a call is on hold"


class CallEnded(Moment):
    """A call at the door has ended."""

    heard: ClassVar[tuple[type[Event], ...]] = (CallChanged,)
    kind: Literal["call_ended"] = Field(alias="is")
    reasons: tuple[Literal["Denied", "NoAnswer", "Busy", "Failed", "Terminated"], ...] = Field(
        default=(), description="For one of these reasons; empty: any."
    )
    direction: Direction = "any"

    def hears(self, event: CallChanged) -> bool:
        if event.state is not CallState.TERMINATED:
            return False
        return self.direction in ("any", event.direction) and (not self.reasons or event.reason in self.reasons)

    def words(self) -> str:
        return "a call has ended" + (f" ({' or '.join(self.reasons)})" if self.reasons else "")


class Digits(Moment):
    """Digits of `[[dtmf]]` came, of somebody whose digits act."""

    heard: ClassVar[tuple[type[Event], ...]] = (DtmfMatched,)
    kind: Literal["dtmf"] = Field(alias="is")
    name: Sequence = Field(description="The name of the [[dtmf]] sequence.")
    anybody: bool = Field(default=False, description="Of others, too. Never for a rule that opens a door.")

    def hears(self, event: DtmfMatched) -> bool:
        return event.label == self.name and (event.authorised or self.anybody)

    def words(self) -> str:
        return f'the digits of "{self.name}" came'


class Registered(State):
    """An account is registered with its server."""

    heard: ClassVar[tuple[type[Event], ...]] = (RegistrationChanged,)
    kind: Literal["registered"] = Field(alias="is")
    account: Account

    def next(self, before: So, event: RegistrationChanged) -> So:
        if self.account not in (event.account, event.id):
            return before
        return joined(before, event.id, so=event.state is RegistrationState.REGISTERED)

    def words(self) -> str:
        return f'account "{self.account}" is registered'


class ExtensionThere(State):
    """A telephone of an extension is registered with the node."""

    heard: ClassVar[tuple[type[Event], ...]] = (ExtensionChanged,)
    kind: Literal["extension"] = Field(alias="is")
    number: Extension = Field(default="", description="Of this extension; empty: of any.")

    def next(self, before: So, event: ExtensionChanged) -> So:
        if self.number not in ("", event.number):
            return before
        return joined(before, event.number, so=bool(event.devices))

    def words(self) -> str:
        return f"a telephone of {quoted('extension', self.number, 'an extension')} is registered"


class Quiet(State):
    """Do not disturb is on, at the door or at an extension."""

    heard: ClassVar[tuple[type[Event], ...]] = (DoNotDisturbChanged,)
    kind: Literal["do_not_disturb"] = Field(alias="is")
    extension: Extension = Field(default="", description="Of this extension; empty: of the door.")

    def next(self, before: So, event: DoNotDisturbChanged) -> So:
        return before if event.extension != self.extension else joined(before, event.extension or "door", so=event.on)

    def words(self) -> str:
        return f"{quoted('extension', self.extension, 'the door')} is not to be disturbed"


class MailWaits(State):
    """Voice messages wait in the mailbox of an account."""

    heard: ClassVar[tuple[type[Event], ...]] = (MessageWaitingChanged,)
    kind: Literal["mailbox"] = Field(alias="is")
    account: Account = Field(default="", description="Of this account; empty: of any.")

    def next(self, before: So, event: MessageWaitingChanged) -> So:
        if self.account not in ("", event.account, event.id):
            return before
        return joined(before, event.id, so=event.waiting)

    def words(self) -> str:
        return f"messages wait in the mailbox of {quoted('account', self.account, 'an account')}"
