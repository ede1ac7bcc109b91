"""Actions on calls."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from voipnode.calls.commands import AnswerCall, Command, HangUp, PlaceCall, RingRecipients, SendDtmf, SetDoNotDisturb
from voipnode.modules.rules.actions.base import Action, Fired, Lasting
from voipnode.modules.rules.names import SUGGEST, Account, Extension, Party


class Answer(Action):
    """Answer the call that the rule fired for."""

    kind: Literal["answer"] = Field(alias="do")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (AnswerCall(call=fired.call),)

    def words(self) -> str:
        return "answer the call"


class End(Action):
    """End the call that the rule fired for."""

    kind: Literal["hang_up"] = Field(alias="do")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (HangUp(call=fired.call),)

    def words(self) -> str:
        return "end the call"


class Dial(Action):
    """Send digits into the call that the rule fired for."""

    kind: Literal["send_digits"] = Field(alias="do")
    digits: str = Field(pattern=r"^[0-9A-D#*]{1,32}$")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (SendDtmf(call=fired.call, digits=self.digits),)

    def words(self) -> str:
        return f"send the digits {self.digits}"


class Call(Action):
    """Call somebody; his digits act."""

    kind: Literal["call"] = Field(alias="do")
    to: str = Field(
        min_length=1,
        max_length=255,
        description="A contact or group by name, a SIP address, or a number of the account's.",
        json_schema_extra={SUGGEST: "contact or group"},
    )
    account: Account = ""

    def commands(self, fired: Fired) -> tuple[Command]:
        return (PlaceCall(to=self.to, account=self.account, authorised=True),)

    def words(self) -> str:
        return f'call "{self.to}"'


class Ring(Action):
    """Ring somebody as a visitor's press does: a contact or group with what follows when nobody answers."""

    kind: Literal["ring"] = Field(alias="do")
    to: Party = Field(default="", description="A contact or group.")
    addresses: tuple[Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")], ...] = Field(
        default=(), max_length=6, description="Instead of it, SIP addresses that ring at the same time."
    )
    account: Account = Field(default="", description="From which to ring addresses.")
    fallback: Party = Field(default="", description="Who rings when nobody has answered.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.to) == bool(self.addresses):
            raise ValueError("either a contact or group (to) or addresses are to ring, and not both")
        return self

    def commands(self, fired: Fired) -> tuple[Command]:
        return (
            RingRecipients(
                recipients=self.addresses, account=self.account, button="", plan=self.to, fallback=self.fallback
            ),
        )

    def words(self) -> str:
        return f'ring "{self.to}"' if self.to else f"ring {', '.join(self.addresses)}"


class Quiet(Lasting):
    """Have nobody ring at the door, or an extension not be rung; or end that."""

    kind: Literal["do_not_disturb"] = Field(alias="do")
    on: bool = True
    extension: Extension = Field(default="", description="This extension; empty: the door.")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (SetDoNotDisturb(on=self.on, extension=self.extension),)

    def undo(self, fired: Fired) -> Command:
        return SetDoNotDisturb(on=not self.on, extension=self.extension)

    def words(self) -> str:
        where = f'extension "{self.extension}"' if self.extension else "the door"
        return f"{'do not disturb' if self.on else 'let ring again'}: {where}{self._until()}"


FOR_A_CALL = (Answer, End, Dial)
