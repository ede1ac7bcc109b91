"""Settings of contacts: `[[contacts]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from voipnode.calls.account_settings import Line
from voipnode.calls.errors import CallError
from voipnode.calls.ways import parse_target
from voipnode.sipstack.uri import SipUri

MAX_CONTACTS = 1000
SOME_DOMAIN = SipUri("sip", user="someone", host="example.invalid")  # a bare number is a user's of whichever account


def _callable(text: str) -> str:
    try:
        parse_target(text, SOME_DOMAIN)
    except CallError:
        words = "write a SIP address such as sip:anna@192.168.1.20, or a number such as 101"
        raise ValueError(f'"{text}" cannot be called; {words}') from None
    return text


def _no_address(text: str) -> str:
    """Where a contact is meant, an address may be meant, too: no name is one."""
    if text != text.strip():
        raise ValueError("begins or ends with a blank")
    if "@" in text or ":" in text or text.lstrip("+").isdigit():
        raise ValueError(f'"{text}" reads like an address; write a name, such as "Anna" or "Flat 12"')
    return text


ContactName = Annotated[Line, AfterValidator(_no_address)]
Address = Annotated[str, Field(max_length=255), AfterValidator(_callable)]


class ContactSettings(BaseModel):
    """Somebody who can be called by name.

    While `schedule` is not active the contact is unavailable: `fallback` is called in its place, or nobody is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ContactName = Field(
        min_length=1, max_length=64, description="By which buttons, groups and people call it; no other has it."
    )
    first_name: Line = Field(default="", max_length=64, description="For people to read.")
    last_name: Line = Field(default="", max_length=64, description="For people to read.")
    address: Address = Field(
        min_length=1, description='A SIP address ("sip:anna@192.168.1.20"), a number, or an extension of this node.'
    )
    account: Line = Field(default="", max_length=64, description='The account to call from; "" is the default one.')
    speed_dial: str = Field(
        default="", pattern=r"^[0-9*#]{0,16}$", description="Digits that call it from the device; no other has them."
    )
    schedule: Line = Field(default="", max_length=64, description="When it is available; empty: always.")
    fallback: Line = Field(
        default="", max_length=64, description="Contact or group that is called when it is unavailable or silent."
    )
    note: Line = Field(default="", max_length=256, description="For people to read.")
