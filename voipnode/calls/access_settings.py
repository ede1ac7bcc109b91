"""Settings of `[sip.access]`: who is spoken with, who has to prove who he is, and how much of it there may be."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

_CALLER = re.compile(r"^[^@\s]+(@[^@\s]+)?$")


def _entry(text: str) -> str:
    """An address, a network, or a caller ID with * for any text."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        if not _CALLER.match(text):
            raise ValueError(
                f'"{text}" is neither an address (192.168.1.20), a network (192.168.1.0/24) nor a caller ID'
                " (anna, anna@example.com, +43*)"
            ) from None
    return text


AccessEntry = Annotated[str, AfterValidator(_entry)]


class CallerSettings(BaseModel):
    """Somebody who proves who he is with a password before he is let in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="User name, as the phone has it for authentication.")
    password: SecretStr = Field(min_length=8, description="At least 8 characters: the internet guesses shorter ones.")
    opens: bool = Field(default=False, description="This caller's digits act: he may open the door.")


class AccessSettings(BaseModel):
    """Who gets in; rates are requests outside calls, per second, 0 = no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["off", "allow", "block"] = Field(
        default="off", description='"allow": only those in the list may call; "block": those in the list may not.'
    )
    entries: tuple[AccessEntry, ...] = Field(
        default=(),
        max_length=1000,
        alias="list",
        description='Caller IDs ("anna", "anna@example.com", "+43*") and addresses or networks of phones and servers.',
    )
    strangers: Literal["ignore", "refuse"] = Field(
        default="ignore",
        description='Sources outside sip.incoming_networks get no answer at all, or one "403 Forbidden".',
    )
    authenticate: Literal["never", "unknown", "always"] = Field(
        default="never",
        description="Whose requests need a name and password of `callers`: nobody's, those of all but"
        " sip.trusted_callers, or everybody's. An account's own server is never asked.",
    )
    callers: tuple[CallerSettings, ...] = Field(default=(), max_length=1000)
    algorithms: tuple[Literal["SHA-256", "MD5"], ...] = Field(
        default=("MD5",),
        min_length=1,
        max_length=2,
        description="Digest algorithms offered, the preferred one first. RFC 8760 wants phones to skip what they do not"
        " know, yet many give up when they see SHA-256 at all (baresip 1.0 does): add it where every phone takes it.",
    )
    realm: str = Field(default="voipnode", pattern=r"^[A-Za-z0-9 ._-]{1,64}$", description="What phones show.")
    source_per_s: float = Field(default=20.0, ge=0, le=100_000, description="From one address in the long run.")
    source_burst: int = Field(default=100, ge=1, le=100_000, description="From one address at once.")
    total_per_s: float = Field(default=200.0, ge=0, le=100_000, description="From everybody in the long run.")
    total_burst: int = Field(default=1000, ge=1, le=100_000, description="From everybody at once.")
    wrong_passwords: int = Field(default=5, ge=1, le=100, description="From one address, before it is ignored.")
    ignore_s: int = Field(default=600, ge=1, le=86_400, description="How long such an address is ignored.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.authenticate != "never" and not self.callers:
            raise ValueError(
                f'authenticate = "{self.authenticate}" needs somebody who can: add [[sip.access.callers]] with name and'
                " password"
            )
        if self.policy == "allow" and not self.entries:
            raise ValueError('policy = "allow" with an empty list lets nobody in; name somebody in list')
        names = [caller.name for caller in self.callers]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"callers: {doubled[0]!r} is there twice; each name may be there once")
        return self
