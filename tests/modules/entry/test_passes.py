"""A visitor's pass: drawn once, read by a QR reader, good as long and as often as its holder is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.modules.entry.test_entry import Place, tell
from tests.support.qr_reader import read_qr
from voipnode.calls.commands import IssuePass, ListHolders
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.modules.entry.passes import qr_code


async def issue(place: Place, holder: int, shown_as: str = "code") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await place.do(IssuePass(holder=holder, shown_as=shown_as)))
    return found


@pytest.mark.parametrize("text", ["7391", "0", "000000001234", "04A1B2C3D4E5F607"])
def test_what_is_drawn_is_read_back(text: str) -> None:
    assert read_qr(qr_code(text)) == text


def test_a_visitor_shows_his_code_to_a_reader_that_types_what_it_reads(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        until = "2026-06-01T18:00:00Z"
        holder = await place.add("Plumber", pin="1111", uses_left=3, valid_to_utc=until)
        first = await issue(place, holder)
        assert (first["name"], first["uses_left"], first["valid_to_utc"]) == ("Plumber", 3, until)
        assert read_qr(first["svg"]) == first["code"]
        assert await place.keys(read_qr(first["svg"]), reader="qr") == "granted"
        assert (place.granted[-1].by, place.granted[-1].uses_left) == ("visitor_code", 2)
        second = await issue(place, holder)
        assert await place.keys(first["code"], reader="qr") == "denied"
        for _ in range(2):
            assert await place.keys(second["code"] + "#", reader="qr") == "granted"
        assert (await place.keys(second["code"], reader="qr"), place.why) == ("denied", "used up")

    tell(tmp_path, story)


def test_after_its_time_it_opens_nothing(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        holder = await place.add("Guest", pin="1111", valid_to_utc="2026-06-01T11:59:00Z")
        made = await issue(place, holder)
        assert await place.keys(made["code"], reader="qr") == "denied"
        assert place.why == "was valid to 2026-06-01T11:59:00Z"

    tell(tmp_path, story)


def test_a_reader_that_gives_a_number_has_a_pass_of_64_bits(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        holder = await place.add("Courier", card_uid="04A1B2C3", card_bits=32, uses_left=1)
        before = (await issue(place, holder, "card"))["code"]
        made = await issue(place, holder, "card")
        assert made["code"] != before
        uid = read_qr(made["svg"])
        assert len(uid) == 16
        assert await place.card("04A1B2C3", reader="qr") == "denied", "its place was taken"
        assert await place.card(uid, bits=64, reader="qr") == "granted"
        assert await place.card(uid, bits=64, reader="qr") == "denied"

    tell(tmp_path, story)


def test_nobody_has_the_code_of_another_and_none_is_kept_or_told(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        codes = set()
        for number in range(10):
            holder = await place.add(f"Guest {number}", card_uid=f"0{number}")
            codes.add((await issue(place, holder))["code"])
        assert len(codes) == 10
        listed = await place.do(ListHolders())
        assert not any(f'"{code}"' in listed for code in codes)
        with pytest.raises(UnknownNameError):
            await issue(place, 99)

    tell(tmp_path, story)


def test_without_pins_there_are_cards_alone(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        holder = await place.add("Guest", card_uid="01")
        with pytest.raises(NotNowError, match="there are no codes here"):
            await issue(place, holder)
        assert len((await issue(place, holder, "card"))["code"]) == 16

    tell(tmp_path, story, pin_length=0)
