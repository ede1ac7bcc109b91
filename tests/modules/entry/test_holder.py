"""What a holder may be, when he is let in, and what is said of what he cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from voipnode.calls.errors import FieldsError
from voipnode.modules.entry.holder import Holder, checked, normal_uid

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def holder(**values: Any) -> Holder:
    fields = checked({"name": "Anna", **values}, 4)
    return Holder(id=1, fields=fields, kinds=frozenset(kind for kind, code in fields.codes.items() if code))


@pytest.mark.parametrize("text", ["04a1b2c3", "04:A1:B2:C3", "04 a1 b2 c3", "04-A1-B2-C3", " 04A1B2C3 "])
def test_a_uid_is_the_same_however_it_is_written(text: str) -> None:
    assert normal_uid(text) == "04A1B2C3"


@pytest.mark.parametrize("text", ["4", "card", "04:A1:B", "04" * 65])
def test_what_is_no_uid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        normal_uid(text)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, ""),
        ({"suspended": True}, "suspended"),
        ({"valid_from_utc": "2026-06-01T12:00:01Z"}, "valid from 2026-06-01T12:00:01Z on"),
        ({"valid_from_utc": "2026-06-01T14:00:00+02:00"}, ""),
        ({"valid_to_utc": "2026-06-01T12:00:00Z"}, "was valid to 2026-06-01T12:00:00Z"),
        ({"valid_to_utc": "2026-06-01T12:00:01Z"}, ""),
        ({"uses_left": 0}, "used up"),
        ({"uses_left": 1}, ""),
        ({"schedule": "day"}, ""),
        ({"schedule": "night"}, 'outside of the schedule "night"'),
        ({"schedule": "never told of"}, 'outside of the schedule "never told of"'),
    ],
)
def test_when_he_may_enter(values: dict[str, Any], why: str) -> None:
    assert holder(**values).refusal(NOON, {"day": True, "night": False}) == why


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"name": ""}, "name", "at least 1"),
        ({"name": "An\nna"}, "name", "pattern"),
        ({"pin": "123"}, "pin", "4 digits are right (entry.pin_length)"),
        ({"pin": "12a4"}, "pin", "digits are right"),
        ({"pin": "1234", "duress_pin": "1234"}, "", "must differ"),
        ({"duress_pin": "4321"}, "duress_pin", "no pin that it could stand for"),
        ({"valid_to_utc": "tomorrow"}, "valid_to_utc", '"tomorrow" is no time; write 2026-12-24T18:00:00Z'),
        ({"valid_to_utc": "2026-12-24T18:00:00"}, "valid_to_utc", "has no time zone"),
        (
            {"valid_from_utc": "2026-12-24T18:00:00Z", "valid_to_utc": "2026-12-24T18:00:00Z"},
            "valid_to_utc",
            "is not after valid_from_utc",
        ),
        ({"card_uid": "xyz"}, "card_uid", "hexadecimal"),
        ({"card_uid": "04A1", "card_bits": 26}, "card_bits", "more than card_uid has (16)"),
        ({"uses_left": -1}, "uses_left", "greater than or equal to 0"),
        ({"colour": "blue"}, "colour", "there is no such field; there is name,"),
    ],
)
def test_what_cannot_be_is_told_by_field(values: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(FieldsError) as told:
        holder(**values)
    assert [field[0] for field in told.value.fields] == [key]
    assert words in told.value.fields[0][2]


def test_a_code_is_shown_nowhere() -> None:
    anna = holder(pin="7391", duress_pin="7392", visitor_code="5555")
    for text in (repr(anna), str(anna.shown()), anna.fields.model_dump_json()):
        assert not any(code in text for code in ("7391", "7392", "5555"))
    with pytest.raises(FieldsError) as told:
        holder(pin="73910")
    assert "73910" not in str(told.value.fields)


def test_a_change_keeps_what_it_does_not_name_and_none_gives_the_default() -> None:
    known = holder(card_uid="04A1B2C3", note="flat 3", uses_left=5).fields
    changed = checked({"note": None, "suspended": True}, 4, known)
    assert (changed.card_uid, changed.note, changed.uses_left, changed.suspended) == ("04A1B2C3", "", 5, True)
