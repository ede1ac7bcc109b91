"""Settings of readers: `[[readers]]` of voipnode.toml."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from voipnode.credentials.bits import MAX_BITS
from voipnode.credentials.data_sets import CHIPS, MAX_DATA_SETS, DataSet, Source
from voipnode.credentials.keypress import KeypressFormat
from voipnode.hardware.key_file import KEY_BYTES

MAX_READERS = 32
# Addresses of OSDP; 127 reaches every reader of a line and is nobody's own (IEC 60839-11-5).
MAX_ADDRESS = 126
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400)


def _chip(name: str) -> str:
    if name not in CHIPS:
        raise ValueError(f'"{name}" is no kind of card; there are {", ".join(CHIPS)}')
    return name


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
InputName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,32}$")]
Colour = Literal["off", "red", "green", "amber", "blue", "magenta", "cyan", "white"]
Broken = tuple[tuple[str | int, ...], object, str]


def _key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if text and not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}", text):
        raise ValueError(f"a key has {2 * KEY_BYTES} hexadecimal digits")
    return key


class DataSetSettings(BaseModel):
    """Protected data to take from cards of one kind, instead of the serial number that anybody can copy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="For people to read.")
    chip: Annotated[str, AfterValidator(_chip)] = Field(description="The kind of card that it is for.")
    source: Source = Field(
        default="Data", description="The serial number, the chip's own protected number, or the place at address."
    )
    address: str = Field(
        default="",
        max_length=64,
        description='The place: "AID/file" of a DESFire card, "sector/block" of a Classic one.',
    )
    key: SecretStr = Field(default=SecretStr(""), description="The secret key that opens the place, in hexadecimal.")
    offset_bits: int = Field(default=0, ge=0, le=65535, description="Where in it the wanted bits begin.")
    length_bits: int = Field(default=0, ge=0, le=MAX_BITS, description="How many they are; 0: all that follow.")
    enabled: bool = True
    required: bool = Field(default=False, description="Ignore cards without it, and without a sound.")
    use_as_uid: bool = Field(default=False, description="Tell it as the card's UID.")

    @property
    def model(self) -> DataSet:
        """The data set itself."""
        return DataSet(
            self.name,
            self.chip,
            self.source,
            self.address,
            bytes.fromhex(self.key.get_secret_value()),
            self.offset_bits,
            self.length_bits,
            self.enabled,
            self.required,
            self.use_as_uid,
        )

    @model_validator(mode="after")
    def _key_is_one(self) -> Self:
        if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){0,64}", self.key.get_secret_value()):
            raise ValueError("key: its bytes in hexadecimal, at most 64, are right")
        return self


class FaceSettings(BaseModel):
    """Colours of a reader's light. `idle` where no input decides; `low` and `high` by one input; with two, `idle`,
    `led1`, `led2` and `both` by which of them are active."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle: Colour = Field(default="blue", description="Nobody is there.")
    low: Colour = Field(default="red", description="The one LED input is not active.")
    high: Colour = Field(default="green", description="The one LED input is active.")
    led1: Colour = Field(default="green", description="Only the first of two LED inputs is active.")
    led2: Colour = Field(default="red", description="Only the second is.")
    both: Colour = Field(default="amber", description="Both are.")
    granted: Colour = Field(default="green", description="Somebody is let in.")
    denied: Colour = Field(default="red", description="Somebody is not; blinking: no codes are taken for a while.")
    wait: Colour = Field(default="amber", description="Blinking: a PIN, or more of its digits, are awaited.")


class ReaderSettings(BaseModel):
    """One reader."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="Its name in the log, the API and rules: letters, digits, _ and -, 1 to 32 of them.")
    enabled: bool = Field(default=True, description="False: it is not listened to.")
    driver: Literal["simulated", "osdp", "wiegand"] = Field(
        default="simulated", description="Cards and keys by software, or a reader that speaks OSDP or Wiegand."
    )
    device: str = Field(
        default="",
        max_length=255,
        description="OSDP: a serial line, such as /dev/ttyS1. Wiegand: a GPIO chip, such as /dev/gpiochip0, or a pipe "
        "or serial line that gives frames as lines of 0 and 1.",
    )
    baud: int = Field(default=9600, description="Speed of a serial line.")
    address: int = Field(default=0, ge=0, le=MAX_ADDRESS, description="OSDP address; several readers share a line.")
    secure_channel: bool = Field(
        default=True,
        description="Take nothing but what the reader's key protects. False: whoever reaches the line is in.",
    )
    key: Annotated[SecretStr, AfterValidator(_key)] = Field(
        default=SecretStr(""),
        description="The secure channel's key, 32 hexadecimal digits; empty: the one that pairing has made.",
    )
    chip_types: tuple[Annotated[str, AfterValidator(_chip)], ...] = Field(
        default=(), max_length=len(CHIPS), description="Kinds of cards that are read, others are ignored; empty: all."
    )
    data_sets: tuple[DataSetSettings, ...] = Field(
        default=(), max_length=MAX_DATA_SETS, description="Protected data that count instead of serial numbers."
    )
    reverse_uid: bool = Field(default=False, description="Take the bytes of a card's UID in the other order.")
    uid_in_events: Literal["masked", "whole", "none"] = Field(
        default="masked", description='Of a card\'s UID in events and logs; "masked": its last four digits.'
    )
    lines: tuple[Annotated[int, Field(ge=0, le=4095)], ...] = Field(
        default=(), max_length=2, description="Wiegand on a GPIO chip: the lines of D0 and D1."
    )
    frame_gap_us: int = Field(
        default=25_000, ge=20_001, le=1_000_000, description="Wiegand: so long a silence ends a frame."
    )
    card_format: Literal["Any", "Wiegand26", "Wiegand34", "Wiegand37", "Wiegand37FacilityCode"] = Field(
        default="Any", description="Wiegand: the format that all cards have; others are refused."
    )
    keypress_format: KeypressFormat = Field(default="FourBit", description="Wiegand: how keys are sent.")
    keypress_facility_code: int = Field(
        default=0, ge=0, le=65535, description="Wiegand: that of keys which come as a card's number."
    )
    keypress_digits: int = Field(
        default=4, ge=0, le=16, description="Wiegand: digits of a PIN that comes as a card's number."
    )
    beeper: bool = Field(default=True, description="Let it beep.")
    beeper_input: InputName = Field(default="", description="An input of [[inputs]] that has it beep while active.")
    led_inputs: tuple[Name, ...] = Field(
        default=(),
        max_length=2,
        description="Inputs of [[inputs]] by which a door controller decides the colour: up to 2.",
    )
    colours: FaceSettings = FaceSettings()


class ReadersSettings(BaseModel):
    """The readers of the node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    readers: tuple[ReaderSettings, ...] = Field(default=(), max_length=MAX_READERS)


def broken_readers(readers: tuple[ReaderSettings, ...], inputs: Collection[str]) -> Iterator[Broken]:
    """What is wrong within readers, between them, and with the inputs: where, the value, and what would be right."""
    names, addresses = Counter[str](), Counter[tuple[str, int]]()
    bauds: dict[str, int] = {}
    there = ", ".join(f'"{name}"' for name in inputs) or "none"
    for index, reader in enumerate(readers):
        for field, value, words in _misfits(reader):
            yield ("readers", index, field), value, words
        names[reader.name] += 1
        if names[reader.name] > 1:
            yield ("readers", index, "name"), reader.name, f'another reader is called "{reader.name}"'
        for field, used in (("beeper_input", (reader.beeper_input,)), ("led_inputs", reader.led_inputs)):
            for name in used:
                if name and name not in inputs:
                    yield ("readers", index, field), name, f'there is no input "{name}"; [[inputs]] has {there}'
        if reader.driver != "osdp" or not reader.device:
            continue
        addresses[reader.device, reader.address] += 1
        if addresses[reader.device, reader.address] > 1:
            words = f"another reader on {reader.device} has address {reader.address}; each of a line has its own"
            yield ("readers", index, "address"), reader.address, words
        if bauds.setdefault(reader.device, reader.baud) != reader.baud:
            words = f"another reader on {reader.device} has {bauds[reader.device]} baud; a line has one speed"
            yield ("readers", index, "baud"), reader.baud, words


def _misfits(reader: ReaderSettings) -> Iterator[tuple[str, object, str]]:
    has_key = bool(reader.key.get_secret_value())
    if reader.baud not in BAUDS:
        yield "baud", reader.baud, f"a serial line has {', '.join(map(str, BAUDS))} baud"
    if reader.driver == "simulated" and reader.device:
        yield "device", reader.device, 'only readers with driver = "osdp" or "wiegand" have a device'
    if reader.driver != "simulated":
        if not reader.device.startswith("/"):
            examples = "/dev/ttyS1" if reader.driver == "osdp" else "/dev/gpiochip0"
            yield "device", reader.device, f"this reader needs a device, such as {examples}"
        for field in ("chip_types", "data_sets"):
            if getattr(reader, field):
                yield field, None, "such a reader tells no more of a card than its number; set this at the reader"
    if has_key and (reader.driver != "osdp" or not reader.secure_channel):
        words = "a key protects nothing where secure_channel = false"
        yield "key", None, words if reader.driver == "osdp" else 'only readers with driver = "osdp" have a key'
    wants_lines = reader.driver == "wiegand" and reader.device.startswith("/dev/gpiochip")
    if wants_lines != (len(set(reader.lines)) == 2) or (reader.lines and not wants_lines):
        words = "a Wiegand reader on a GPIO chip has two lines, D0 and D1; no other has any"
        yield "lines", list(reader.lines), words
