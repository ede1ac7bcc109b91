"""A holder of the entry list: what he shows, when it is good, and for how often."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from voipnode.calls.errors import FieldsError

MAX_BITS = 512
MAX_USES = 1_000_000
MAX_CONDITIONS = 8
MAX_CODE = 32
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :-]?){1,64}")
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
CODES = ("pin", "duress_pin", "visitor_code")


def normal_uid(text: str) -> str:
    """A card's UID in capital hexadecimal digits; "" stays so. Raises ValueError."""
    if text and not _HEX.fullmatch(text.strip()):
        raise ValueError(f'"{text}" is no card UID; write its bytes in hexadecimal, such as 04A1B2C3')
    return re.sub(r"[ :-]", "", text).upper()


def _utc(text: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no time; write 2026-12-24T18:00:00Z') from None
    if moment.tzinfo is None:
        raise ValueError(f'"{text}" has no time zone; end it with Z for UTC, or +01:00')
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digits(code: SecretStr) -> SecretStr:
    text = code.get_secret_value()
    if text and not re.fullmatch(rf"[0-9]{{1,{MAX_CODE}}}", text):
        raise ValueError("digits are right")
    return code


Text = Annotated[str, Field(max_length=64, pattern=_PRINTABLE)]
Time = Annotated[str, Field(max_length=40), AfterValidator(_utc)]
Code = Annotated[SecretStr, AfterValidator(_digits)]


class HolderFields(BaseModel):
    """What can be set of a holder. Times are ISO 8601 with their zone. Codes are told once and never shown again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text = Field(min_length=1, description="Who he is in the log; no other has it.")
    first_name: Text = Field(default="", description="For people to read.")
    last_name: Text = Field(default="", description="For people to read.")
    card_uid: Annotated[str, Field(max_length=200), AfterValidator(normal_uid)] = Field(
        default="", description="His card's UID in hexadecimal."
    )
    card_bits: int = Field(default=0, ge=0, le=MAX_BITS, description="How many bits it has; 0: all of the UID's.")
    pin: Code = Field(default=SecretStr(""), description="Opens alone, or after the card where he has one.")
    duress_pin: Code = Field(
        default=SecretStr(""), description="Opens as the PIN does, and tells that he is being forced to."
    )
    visitor_code: Code = Field(default=SecretStr(""), description="Opens alone, also for a holder with a card.")
    valid_from_utc: Time = Field(default="", description="Not before; empty: at once.")
    valid_to_utc: Time = Field(default="", description="Not from then on; empty: for ever.")
    uses_left: int | None = Field(default=None, ge=0, le=MAX_USES, description="How often yet; empty: without limit.")
    schedule: Text = Field(default="", description="Only while this schedule is active.")
    suspended: bool = Field(default=False, description="Not now.")
    conditions: tuple[Text, ...] = Field(
        default=(), max_length=MAX_CONDITIONS, description='What his entry is told as; empty: "Access granted".'
    )
    note: str = Field(default="", max_length=500, description="For people to read.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.valid_from_utc and self.valid_to_utc and self.valid_to_utc <= self.valid_from_utc:
            raise ValueError(f"valid_to_utc: {self.valid_to_utc} is not after valid_from_utc, {self.valid_from_utc}")
        if self.card_bits > 4 * len(self.card_uid):
            raise ValueError(f"card_bits: {self.card_bits} are more than card_uid has ({4 * len(self.card_uid)})")
        codes = [code for code in self.codes.values() if code]
        if len(set(codes)) < len(codes):
            raise ValueError("pin, duress_pin and visitor_code must differ")
        if self.duress_pin.get_secret_value() and not self.pin.get_secret_value():
            raise ValueError("duress_pin: there is no pin that it could stand for")
        return self

    @property
    def codes(self) -> dict[str, str]:
        """The codes by their kind, "" where there is none."""
        return {kind: getattr(self, kind).get_secret_value() for kind in CODES}


class Holder(BaseModel):
    """A holder as he is kept: `fields` without codes, of which only is known whether there are any."""

    model_config = ConfigDict(frozen=True)

    id: int
    fields: HolderFields
    kinds: frozenset[str] = frozenset()  # of CODES that he has

    @property
    def name(self) -> str:
        return self.fields.name

    @property
    def wants_pin_with_card(self) -> bool:
        """Who has both shows both: the card, then the PIN."""
        return bool(self.fields.card_uid) and "pin" in self.kinds

    def refusal(self, now: datetime, is_active: Mapping[str, bool]) -> str:
        """Why he may not enter at `now` (aware), in words; "" when he may. `is_active`: the schedules as told.

        A schedule that nobody has told of is not active: who is unsure keeps the door shut.
        """
        fields = self.fields
        if fields.suspended:
            return "suspended"
        if fields.valid_from_utc and now < datetime.fromisoformat(fields.valid_from_utc):
            return f"valid from {fields.valid_from_utc} on"
        if fields.valid_to_utc and now >= datetime.fromisoformat(fields.valid_to_utc):
            return f"was valid to {fields.valid_to_utc}"
        if fields.uses_left == 0:
            return "used up"
        if fields.schedule and not is_active.get(fields.schedule, False):
            return f'outside of the schedule "{fields.schedule}"'
        return ""

    def shown(self) -> dict[str, Any]:
        """JSON-ready, without any code."""
        shown = self.fields.model_dump(mode="json", exclude=set(CODES))
        return {"id": self.id, **shown, **{f"has_{kind}": kind in self.kinds for kind in CODES}}


def checked(values: Mapping[str, Any], pin_length: int, known: HolderFields | None = None) -> HolderFields:
    """A holder of these values, laid over those of `known`; its codes only as given.

    Raises FieldsError with a sentence for each field that is not right.
    """
    base = {} if known is None else known.model_dump(exclude=set(CODES))
    # A field that was set and is taken back (None) has its default again.
    given = {key: value for key, value in values.items() if value is not None}
    dropped = {key for key, value in values.items() if value is None}
    merged = {key: value for key, value in base.items() if key not in dropped} | given
    try:
        fields = HolderFields.model_validate(merged)
    except ValidationError as error:
        raise FieldsError([_problem(each) for each in error.errors()]) from None
    wrong = [
        (kind, None, f"{pin_length} digits are right (entry.pin_length)")
        for kind, code in fields.codes.items()
        if code and len(code) != pin_length
    ]
    if wrong:
        raise FieldsError(wrong)
    return fields


def _problem(error: Any) -> tuple[str, object, str]:
    key = str(error["loc"][0]) if error["loc"] else ""
    words = str(error["msg"]).removeprefix("Value error, ")
    if not key and ": " in words and words.partition(":")[0] in HolderFields.model_fields:
        key, _, words = words.partition(": ")
    if error["type"] == "extra_forbidden":
        words = f"there is no such field; there is {', '.join(HolderFields.model_fields)}"
    secret = key in CODES or not key
    return key[:64], None if secret else error.get("input"), words
