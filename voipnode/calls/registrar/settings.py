"""Settings of the node's own telephones: `[[extensions]]` and `[sip.registrar]` of voipnode.toml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.account_settings import AccountSettings, MediaEncryption, each_once, known_codecs, plain_secret
from voipnode.calls.references import Broken

MAX_EXTENSIONS = 5000
MayCall = Literal["door", "extensions", "trunks"]


class RegistrarSettings(BaseModel):
    """How long telephones are registered for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_expires_s: int = Field(
        default=60, ge=10, le=3600, description="A telephone that asks for less is told to ask for this much (423)."
    )
    max_expires_s: int = Field(
        default=3600, ge=60, le=86_400, description="A telephone that asks for more, or says nothing, gets this much."
    )
    nat_keep_alive_s: int = Field(
        default=25,
        ge=0,
        le=600,
        description="Telephones that are reached elsewhere than they say, over UDP, are asked something this often, so"
        " that the NAT in between does not forget them; 0: never.",
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min_expires_s > self.max_expires_s:
            raise ValueError(
                f"min_expires_s = {self.min_expires_s} is more than max_expires_s = {self.max_expires_s}; the least"
                " must not be more than the most"
            )
        return self


class ExtensionSettings(BaseModel):
    """One extension of the node: a number, and the telephones that register for it with its password."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$",
        description='What is dialled, and the user name with which its telephones register: "101", or "anna".',
    )
    name: str = Field(default="", max_length=64, description="Who is called there, as telephones show it.")
    password: Annotated[SecretStr, AfterValidator(plain_secret)] = Field(
        min_length=8, max_length=128, description="At least 8 characters. Never shown again."
    )
    max_devices: int = Field(default=6, ge=1, le=32, description="Telephones that may be registered at once.")
    opens: bool = Field(default=True, description="Its digits act: it may open the door.")
    may_call: Annotated[tuple[MayCall, ...], AfterValidator(lambda value: each_once(value, "word"))] = Field(
        default=("door", "extensions"),
        description='What it may reach: "door", "extensions" (groups among them) and "trunks", which are the registered'
        " accounts and cost money where a password is lost.",
    )
    max_calls: int = Field(
        default=6, ge=1, le=100, description="Calls through the node that it may have begun at once; more are refused."
    )
    do_not_disturb: bool = Field(default=False, description="Its telephones do not ring; it may call.")
    media_encryption: MediaEncryption = Field(default="none", description="SRTP, as of an account.")
    media_keying: Annotated[
        tuple[Literal["sdes", "dtls"], ...], AfterValidator(lambda value: each_once(value, "way"))
    ] = Field(default=("sdes", "dtls"), min_length=1, description="As of an account.")
    sdes_in_clear_signalling: bool = Field(default=False, description="As of an account.")
    audio_codecs: Annotated[tuple[str, ...], AfterValidator(known_codecs)] = Field(
        default=("opus", "G722", "PCMU", "PCMA"), min_length=1, description="Codecs in order of preference."
    )
    dtmf_rtp: bool = Field(default=True, description="Digits as RTP telephone events (RFC 4733).")
    dtmf_info: bool = Field(default=True, description="Digits by SIP INFO.")
    dtmf_inband: bool = Field(default=False, description="Digits as tones in the sound.")


_ACCOUNT = "extension "
_MEDIA = (
    *("media_encryption", "media_keying", "sdes_in_clear_signalling", "audio_codecs"),
    *("dtmf_rtp", "dtmf_info", "dtmf_inband"),
)


def extension_account(extension: ExtensionSettings, user_id: str = "door") -> AccountSettings:
    """The extension as an account, for its legs, digits and events: called by address, with its own media.

    `user_id`: whom its telephones see calling, where the door calls them.
    """
    media: dict[str, Any] = {name: getattr(extension, name) for name in _MEDIA}
    return AccountSettings(name=f"{_ACCOUNT}{extension.number}", user_id=user_id, **media)


def extension_of(account: AccountSettings) -> str:
    """The number whose extension an account of `extension_account` stands for; "" for any other account."""
    number = account.name.removeprefix(_ACCOUNT)
    return "" if number == account.name or account.registered else number


def with_new_passwords(before: Sequence[ExtensionSettings], after: Sequence[ExtensionSettings]) -> tuple[str, ...]:
    """The numbers whose password is another one now: who registered with the old one has to prove himself anew."""
    old = {each.number: each.password for each in before}
    return tuple([each.number for each in after if old.get(each.number, each.password) != each.password])


def clashing_extensions(
    extensions: Sequence[ExtensionSettings], accounts: Sequence[AccountSettings], access: AccessSettings
) -> Iterator[Broken]:
    """Numbers that are there twice, or that somebody else is called by already."""
    taken = {caller.name: "a caller of [[sip.access.callers]]" for caller in access.callers}
    taken |= {each.user_id: f'account "{each.name}"' for each in accounts if each.type == "peer_to_peer"}
    seen: dict[str, int] = {}
    for index, extension in enumerate(extensions):
        number = extension.number
        where = ("extensions", index, "number")
        if number in seen:
            yield where, number, f"extension {seen[number] + 1} of the file has this number; each may be there once"
        elif number in taken:
            yield where, number, f"{taken[number]} is called so already; give the extension another number"
        seen.setdefault(number, index)
