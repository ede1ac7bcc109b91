"""Settings of inputs and call buttons: `[[inputs]]` and `[[buttons]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_INPUTS = 32
MAX_RECIPIENTS = 6
MAX_RINGS = 16
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Party = Annotated[str, Field(max_length=64)]
SipUri = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]


class InputSettings(BaseModel):
    """One digital input. Nothing connected reads as an open contact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="Its name in rules, commands and events: letters, digits, _ and -, 1 to 32 of them.")
    direction: Literal["input"] = Field(default="input", description="Outputs are set in [[ports]].")
    normal_state: Literal["open", "closed"] = Field(default="open", description="The contact at rest.")
    driver: Literal["simulated"] = Field(default="simulated", description="Moved by software.")
    debounce_ms: int = Field(
        default=30, ge=0, le=1000, description="A contact that changes again within this time has not changed."
    )


class ScheduledRing(BaseModel):
    """Who rings while a schedule is active."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ring: Party = Field(min_length=1, description="A contact or group.")
    schedule: Party = Field(default="", description="Name of a schedule; empty: always.")


class ButtonSettings(BaseModel):
    """One call button: who rings when its input becomes active. One of `recipients`, `ring` and `rings` says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="Its name in events and logs.")
    input: Name = Field(description="The input it is wired to.")
    enabled: bool = Field(default=True, description="False: a press rings nobody; it is told all the same.")
    ring: Party = Field(default="", description="The contact or group that rings.")
    rings: tuple[ScheduledRing, ...] = Field(
        default=(), max_length=MAX_RINGS, description="Several, by schedule: the first one whose schedule is active."
    )
    fallback: Party = Field(
        default="", description="Contact or group that rings when nobody has answered, nor their own fallbacks."
    )
    recipients: tuple[SipUri, ...] = Field(
        default=(), max_length=MAX_RECIPIENTS, description="Who rings, all at the same time: up to 6 SIP URIs."
    )
    account: str = Field(
        default="", max_length=64, description='The account to call recipients from; "" is the default one.'
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = [name for name in ("recipients", "ring", "rings") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f'button "{self.name}": {" and ".join(given)} are given; one of them says who rings')
        return self

    @property
    def rings_somebody(self) -> bool:
        """Whether a press, at whatever time, would ring anybody."""
        return bool(self.recipients or self.ring or self.rings or self.fallback)


class ButtonsSettings(BaseModel):
    """The inputs of the node and its call buttons."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: tuple[InputSettings, ...] = Field(default=(), max_length=MAX_INPUTS)
    buttons: tuple[ButtonSettings, ...] = Field(default=(), max_length=MAX_INPUTS)

    @model_validator(mode="after")
    def _wired(self) -> Self:
        inputs = [item.name for item in self.inputs]
        _refuse_twice("input name", inputs)
        _refuse_twice("button name", [button.name for button in self.buttons])
        _refuse_twice("input of a button", [button.input for button in self.buttons])
        for button in self.buttons:
            if button.input not in inputs:
                known = ", ".join(inputs) or "none"
                raise ValueError(
                    f'button "{button.name}": there is no input "{button.input}" ([[inputs]] has: {known})'
                )
        return self


def _refuse_twice(what: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f'the {what} "{twice[0]}" is used twice')
