"""Settings of the outputs: `[[ports]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from voipnode.modules.relay.lines import LineSpec

MAX_PORTS = 32
Url = Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s\x00-\x1f]+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]  # it is a file name of the simulated driver too


class HttpBoardSettings(BaseModel):
    """A relay board that is driven by asking for URLs; see `board` for what can be promised of one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on_url: Url = Field(description="Closes the contact.")
    off_url: Url = Field(description="Opens it.")
    pulse_url: Annotated[str, Field(max_length=500, pattern=r"^(https?://[^\s\x00-\x1f]+)?$")] = Field(
        default="",
        description="Closes it for {seconds}, {tenths} or {ms}, and opens it by itself: better than on_url, as the"
        " board then needs nobody to open it. For a contact that is normally open.",
    )
    method: Literal["GET", "POST", "PUT"] = "GET"
    username: str = Field(default="", max_length=64)
    password: SecretStr = SecretStr("")
    login: Literal["basic", "digest"] = "basic"
    verify_tls: bool = Field(default=True, description="https: the board's certificate must be good.")
    ca: str = Field(default="", max_length=256, description="PEM file of the authorities to trust.")

    @model_validator(mode="after")
    def _pulse(self) -> Self:
        if self.pulse_url and not any(f"{{{name}}}" in self.pulse_url for name in ("seconds", "tenths", "ms")):
            raise ValueError(f"pulse_url = {self.pulse_url}: it has no {{seconds}}, {{tenths}} or {{ms}} for the time")
        return self

    def to_dict(self) -> dict[str, Any]:
        """For the guardian alone: the password is in it."""
        return {**self.model_dump(exclude={"password"}), "password": self.password.get_secret_value()}


class PortSettings(BaseModel):
    """One output line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="Its name in rules, commands and events: letters, digits, _ and -, 1 to 32 of them.")
    usage: str = Field(default="Door", max_length=64, description="What it moves, for people.")
    direction: Literal["output"] = Field(default="output", description="Inputs are set in [[inputs]].")
    normal_state: Literal["open", "closed"] = Field(
        default="open",
        description="The contact at rest: open for a fail-secure lock (power unlocks), closed for a fail-safe one.",
    )
    driver: Literal["simulated", "gpiod", "http"] = Field(
        default="simulated", description="A file to look at, a GPIO line, or a relay board that is driven by HTTP."
    )
    http: HttpBoardSettings | None = Field(default=None, description='The board of driver "http".')
    chip: str = Field(
        default="", max_length=128, description='GPIO chip of driver "gpiod", for example /dev/gpiochip0.'
    )
    line: int | None = Field(default=None, ge=0, le=65535, description='Offset of the line on its chip, for "gpiod".')
    active_low: bool = Field(default=False, description='The relay board closes at a low level (driver "gpiod").')
    max_pulse_s: float = Field(default=60.0, ge=0.1, le=3600, description="The longest activation accepted, seconds.")

    @model_validator(mode="after")
    def _driver(self) -> Self:
        if self.driver == "gpiod" and (not self.chip or self.line is None):
            raise ValueError(
                f'port "{self.name}": driver "gpiod" needs chip and line, such as chip = "/dev/gpiochip0", line = 17'
            )
        if self.driver != "gpiod" and (self.chip or self.line is not None or self.active_low):
            raise ValueError(f'port "{self.name}": chip, line and active_low are for driver = "gpiod"')
        if (self.driver == "http") != (self.http is not None):
            raise ValueError(f'port "{self.name}": driver = "http" and a table http belong together')
        if self.http is not None and self.http.pulse_url and self.normal_state == "closed":
            raise ValueError(f'port "{self.name}": http.pulse_url is for a contact that is normally open')
        return self

    def to_spec(self) -> LineSpec:
        """The same as the guardian is told."""
        return LineSpec(
            self.name,
            self.normal_state == "closed",
            self.driver,
            self.chip,
            self.line or 0,
            self.active_low,
            self.http.to_dict() if self.http is not None else None,
        )


class RelaySettings(BaseModel):
    """The outputs of the node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ports: tuple[PortSettings, ...] = Field(default=(), max_length=MAX_PORTS)

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        names = [port.name for port in self.ports]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the port name {sorted(twice)[0]!r} is used twice; names must differ")
        lines = [(port.chip, port.line) for port in self.ports if port.driver == "gpiod"]
        if shared := {line for line in lines if lines.count(line) > 1}:
            raise ValueError(f"two ports use line {sorted(shared)[0]}; a line has one port")
        return self
