"""Settings of the door controller behind the node: `[controller]` of voipnode.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from voipnode.credentials.bits import CredentialError
from voipnode.credentials.card_output import CardOutput
from voipnode.credentials.frames import Timing
from voipnode.credentials.keypress import KeypressFormat, format_of
from voipnode.credentials.wiegand import FORMATS, Format, Parity
from voipnode.hardware.key_file import KEY_BYTES

MAX_ADDRESS = 126  # 127 is everybody's (IEC 60839-11-5)
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400)
Baud = Literal[9600, 19200, 38400, 57600, 115200, 230400]
Device = Annotated[str, Field(max_length=255, pattern=r"^(/\S.*)?$")]
Facility = Annotated[int, Field(ge=0, le=2**64 - 1)]


def _key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if text and not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", text):
        raise ValueError(f"a key has {2 * KEY_BYTES} hexadecimal digits")
    return key


class OsdpSettings(BaseModel):
    """The node as an OSDP reader (peripheral device) on the controller's serial line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Device = Field(default="", description="The serial line (RS-485), such as /dev/ttyS1 or /dev/ttyUSB0.")
    baud: Baud = Field(default=9600, description="Its speed, as the controller has it.")
    address: int = Field(default=0, ge=0, le=MAX_ADDRESS, description="Our address; 0 where there is one reader.")
    secure_channel: bool = Field(
        default=True, description="Tell cards and keys by an encrypted channel only. False: the line hears them all."
    )
    key: Annotated[SecretStr, AfterValidator(_key)] = Field(
        default=SecretStr(""),
        description="The channel's key (SCBK), 32 hexadecimal digits; empty: the one that the controller has set.",
    )
    install: bool = Field(
        default=False,
        description="While we have no key: let the controller set one by the key that everybody knows (SCBK-D).",
    )


class CustomFormatSettings(BaseModel):
    """A Wiegand format of one's own: [start parity] facility code, card number [stop parity]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    facility_code_size: int = Field(default=8, description="Bits; 0: none.")
    card_number_size: int = Field(default=16, description="Bits.")
    start_parity: Parity = "none"
    start_parity_bits: int = Field(default=0, description="Data bits that it covers, from the first one on.")
    stop_parity: Parity = "none"
    stop_parity_bits: int = Field(default=0, description="Data bits that it covers, up to the last one.")

    @property
    def form(self) -> Format:
        """Raises CredentialError where it cannot be."""
        return Format(
            "Custom",
            self.facility_code_size,
            self.card_number_size,
            self.start_parity,
            self.start_parity_bits,
            self.stop_parity,
            self.stop_parity_bits,
        )


class WiegandSettings(BaseModel):
    """The node as a Wiegand reader."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Device = Field(
        default="", description="What makes the pulses: a pipe, serial line or file that takes frames as lines of text."
    )
    baud: Baud = Field(default=115200, description="Where it is a serial line.")
    pulse_width_us: int = Field(default=40, description="20 to 100.")
    pulse_interval_us: int = Field(default=2000, description="200 to 20000.")
    frame_interval_us: int = Field(default=25_000, description="Between frames: 20000 to 1000000.")
    keypress_format: KeypressFormat = Field(default="FourBit", description="How keys are sent.")
    keypress_facility_code: Facility = Field(default=0, description="Of a PIN in a card's format.")
    card_format: Literal["Raw", "Wiegand26", "Wiegand34", "Wiegand37", "Wiegand37FacilityCode", "Custom"] = "Raw"
    facility_code_override: Literal["auto", "optional", "override"] = Field(
        default="auto", description="The card's own; facility_code where it has none; or always facility_code."
    )
    facility_code: Facility = 0
    custom: CustomFormatSettings = CustomFormatSettings()

    @property
    def timing(self) -> Timing:
        return Timing(self.pulse_width_us, self.pulse_interval_us, self.frame_interval_us)

    @property
    def output(self) -> CardOutput:
        form = self.custom.form if self.card_format == "Custom" else FORMATS.get(self.card_format)
        return CardOutput(form, self.facility_code_override, self.facility_code)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            _ = self.timing, self.output, self.custom.form
        except CredentialError as error:
            raise ValueError(str(error)) from error
        whole = format_of(self.keypress_format)
        if whole is not None and self.keypress_facility_code > whole.max_facility:
            raise ValueError(
                f"keypress_facility_code: {self.keypress_facility_code}; {whole.name} has at most {whole.max_facility}"
            )
        return self


class VapixSettings(BaseModel):
    """The node as a reader of an Axis door controller, over the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: Literal["https", "http"] = "https"
    address: str = Field(default="", max_length=255, pattern=r"^[^\s/@]*$", description="Host, or host:port.")
    username: str = Field(default="", max_length=255)
    password: SecretStr = SecretStr("")
    verify: bool = Field(default=True, description="Prove the controller's certificate.")
    ca: str = Field(default="", max_length=1024, description="Authority's certificates (PEM); empty: the system's.")
    access_point: str = Field(
        default="",
        max_length=128,
        description="The entrance: name or token of an access point; empty: the only one that leads in.",
    )
    card_as: Literal["Card", "CardNr"] = Field(
        default="Card", description="What the controller knows cards by: all bits in hexadecimal, or the card number."
    )
    timeout_s: float = Field(default=5.0, ge=1, le=30, description="For an answer.")


class ControllerSettings(BaseModel):
    """The door controller whose reader the node is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["none", "osdp", "wiegand", "http"] = "none"
    osdp: OsdpSettings = OsdpSettings()
    wiegand: WiegandSettings = WiegandSettings()
    http: VapixSettings = VapixSettings()

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.protocol == "osdp":
            if not self.osdp.device:
                raise ValueError('osdp.device = "": the serial line is needed, such as /dev/ttyS1')
            if not self.osdp.secure_channel and (self.osdp.key.get_secret_value() or self.osdp.install):
                raise ValueError("osdp.key, osdp.install: without the secure channel they protect nothing")
        if self.protocol == "wiegand" and not self.wiegand.device:
            raise ValueError('wiegand.device = "": the pipe, serial line or file that takes the frames is needed')
        if self.protocol == "http" and not self.http.address:
            raise ValueError('http.address = "": the door controller\'s name or address is needed')
        return self
