"""Settings of inputs and call buttons: `[[inputs]]` and `[[buttons]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voipnode.modules.button.supervision import Supervision

MAX_INPUTS = 32
MAX_RECIPIENTS = 6
MAX_RINGS = 16
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Party = Annotated[str, Field(max_length=64)]
SipUri = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$")]


class SupervisionSettings(BaseModel):
    """The end-of-line resistors of a supervised input: two equal ones, in series with and across the contact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resistor_ohm: float = Field(default=4700.0, ge=100, le=1_000_000, description="Each of the two, 1 %.")
    pull_up_ohm: float = Field(default=4700.0, ge=100, le=1_000_000, description="What the input feeds the loop by.")
    supply_v: float = Field(default=3.3, ge=1, le=30, description="From which it does.")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        self.to_supervision()
        return self

    def to_supervision(self) -> Supervision:
        """The same for whoever reads voltages."""
        return Supervision(self.resistor_ohm, self.pull_up_ohm, self.supply_v)


class InputSettings(BaseModel):
    """One digital input. Nothing connected reads as an open contact, or of a supervised input as a cut wire."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="Its name in rules, commands and events: letters, digits, _ and -, 1 to 32 of them.")
    usage: str = Field(default="", max_length=64, description="What it senses, for people.")
    direction: Literal["input"] = Field(default="input", description="Outputs are set in [[ports]].")
    normal_state: Literal["open", "closed"] = Field(default="open", description="The contact at rest.")
    supervised: SupervisionSettings | None = Field(
        default=None, description="With end-of-line resistors: a cut or bridged wire is told, and is never active."
    )
    driver: Literal["simulated", "gpiod", "adc"] = Field(
        default="simulated", description="Moved by software, a GPIO line, or a channel of a converter (IIO)."
    )
    debounce_ms: int = Field(
        default=30, ge=0, le=1000, description="A contact that changes again within this time has not changed."
    )
    chip: str = Field(default="", max_length=128, description='GPIO chip of "gpiod", for example /dev/gpiochip0.')
    line: int | None = Field(default=None, ge=0, le=65535, description='Offset of the line on its chip, for "gpiod".')
    closed_level: Literal["low", "high"] = Field(
        default="low", description='The level of a closed contact; "low": it pulls the line to ground ("gpiod").'
    )
    bias: Literal["pull_up", "pull_down", "disabled", "as_is"] = Field(
        default="pull_up", description="What holds the line while nothing does: a resistor in the chip, or none."
    )
    device: str = Field(
        default="", max_length=128, description='Converter of "adc", such as /sys/bus/iio/devices/iio:device0.'
    )
    channel: int = Field(default=0, ge=0, le=255, description='Of the converter ("adc").')
    divider: float = Field(
        default=1.0, ge=1, le=100, description="The terminal's voltage over the converter's (\"adc\")."
    )
    sample_ms: int = Field(default=50, ge=10, le=1000, description='The converter is asked this often ("adc").')

    @model_validator(mode="after")
    def _driver(self) -> Self:
        wanted, example = _NEEDED[self.driver]
        if missing := [field for field in wanted if getattr(self, field) in ("", None)]:
            words = f'driver "{self.driver}" needs {" and ".join(missing)}, such as {example}'
            raise ValueError(f'input "{self.name}": {words}')
        for driver, fields in _OF_DRIVER.items():
            if driver != self.driver and (strange := fields & self.model_fields_set):
                raise ValueError(f'input "{self.name}": {sorted(strange)[0]} is for driver = "{driver}"')
        if self.supervised is not None and self.driver == "gpiod":
            raise ValueError(
                f'input "{self.name}": a GPIO line knows high and low alone; a supervised input needs driver = "adc"'
            )
        return self


_NEEDED = {
    "simulated": ((), ""),
    "gpiod": (("chip", "line"), 'chip = "/dev/gpiochip0", line = 17'),
    "adc": (("device",), 'device = "/sys/bus/iio/devices/iio:device0"'),
}
_OF_DRIVER = {
    "gpiod": {"chip", "line", "closed_level", "bias"},
    "adc": {"device", "channel", "divider", "sample_ms"},
}  # fields that mean nothing to other drivers


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
        lines = [f"line {item.line} of {item.chip}" for item in self.inputs if item.driver == "gpiod"]
        lines += [f"channel {item.channel} of {item.device}" for item in self.inputs if item.driver == "adc"]
        if shared := sorted({line for line in lines if lines.count(line) > 1}):
            raise ValueError(f"two inputs read {shared[0]}; it has one input")
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
