"""An Axis door controller over HTTP: what it is asked, and what of its answers is believed.

The answers are those that its makers publish; the server here is ours, so this proves the form and no interoperation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modules.controller.place import Place
from tests.modules.controller.vapix_controller import CONTROLLERS, POINTS, Controller
from tests.support.aio import run_test
from voipnode.calls.commands import ShowController
from voipnode.calls.errors import NotNowError
from voipnode.credentials.wiegand import WIEGAND26
from voipnode.modules.controller import vapix_link
from voipnode.modules.controller.vapix import (
    Entrance,
    VapixError,
    access_request,
    chosen,
    entrances,
    granted,
    is_final,
)

ENTRY = Entrance(
    "Entry 1",
    "Axis-00408c184bdb:1351589192.102223000",
    "idpoint_token",
    "Door0",
    "Axis-00408c184bdb AccessController",
)


def test_the_entrances_are_those_that_lead_in_and_have_a_reader() -> None:
    found = entrances(POINTS, CONTROLLERS)
    assert found == [ENTRY, Entrance("Entry 2", "t2", "idpoint_2", "Door1", "Axis-00408c184bdb AccessController")]
    assert chosen(found, "Entry 1") == chosen(found, ENTRY.token) == chosen([ENTRY], "") == ENTRY
    with pytest.raises(VapixError, match='access_point is needed: there are "Entry 1", "Entry 2"'):
        chosen(found, "")
    with pytest.raises(VapixError, match='"Garage" is not there; there are "Entry 1", "Entry 2"'):
        chosen(found, "Garage")
    with pytest.raises(VapixError, match="is the name of several; write its token"):
        chosen([ENTRY, ENTRY], "Entry 1")
    with pytest.raises(VapixError, match="there are none"):
        chosen([], "")


def test_the_published_request() -> None:
    assert access_request(ENTRY, bits=f"{0x12345678:032b}") == {
        "pacsaxis:RequestAccess": {
            "Action": "Access",
            "IdData": [{"Name": "Card", "Value": "12345678"}],
            "SourceToken": "idpoint_token",
            "TargetToken": "Door0",
            "Token": "Axis-00408c184bdb AccessController",
        }
    }
    both = access_request(ENTRY, bits=WIEGAND26.encode(1603, 118), pin="0012", card_as="CardNr")
    assert both["pacsaxis:RequestAccess"]["IdData"] == [
        {"Name": "CardNr", "Value": "1603"},
        {"Name": "PIN", "Value": "0012"},
    ]
    assert granted({"AccessGranted": True, "Reason": "Granted"})
    assert not granted({"AccessGranted": False, "Reason": "InvalidCredential"})
    assert is_final({"AccessGranted": False, "Reason": "InvalidCredential"})
    assert not is_final({"AccessGranted": False, "Reason": "Other"})


NAMES = ["AccessPoint", "AccessController", "IdPointDevice", "IdPoint", "Attribute", "Name", "Value", "token"]
ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*NAMES, "AccessGranted", "Reason"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.fuzz
@given(ANSWERS, ANSWERS)
def test_no_answer_raises_anything_else(points: Any, controllers: Any) -> None:
    with suppress(VapixError):
        chosen(entrances(points, controllers), "")
    with suppress(VapixError):
        granted(points)
    is_final(points)


Story = Callable[[Place, Controller], Awaitable[None]]


def tell(folder: Path, story: Story, **http: object) -> None:
    async def main() -> None:
        controller = Controller()
        await controller.start()
        login = {"username": "door", "password": "s3cret", "access_point": "Entry 1", "timeout_s": 30}
        address = f"127.0.0.1:{controller.port}"
        place = Place(folder, protocol="http", http={"scheme": "http", "address": address, **login, **http})
        try:
            await place.start()
            await story(place, controller)
        finally:
            await place.module.stop()
            await place.module.stop()
            await controller.kill()

    run_test(main())


def denied(reason: str) -> bytes:
    return json.dumps({"AccessGranted": False, "Reason": reason}).encode()


def test_a_card_a_pin_and_both(tmp_path: Path) -> None:
    async def story(place: Place, controller: Controller) -> None:
        assert await place.until("connected") == "reader of Entry 1"
        shown = json.loads(await place.commands.execute(ShowController()))
        assert (shown["protocol"], shown["state"]) == ("http", "connected")
        assert [each["name"] for each in shown["entrances"]] == ["Entry 1", "Entry 2"]
        assert await place.card("C0DE1234") == "forwarded"
        await place.keys("0042#")
        controller.answer = denied("InvalidCredential")
        await place.card("C0DE0000")
        await place.keys("1111")
        controller.answer = denied("Other")  # more is wanted, as far as anybody can tell
        await place.card("C0DE0001")
        controller.answer = denied("InvalidPIN")
        await place.keys("2222", reader="back")
        await place.keys("3333")
        await place.keys("4444")
        assert controller.requests == [
            [{"Name": "Card", "Value": "C0DE1234"}],
            [{"Name": "PIN", "Value": "0042"}],
            [{"Name": "Card", "Value": "C0DE0000"}],
            [{"Name": "PIN", "Value": "1111"}],
            [{"Name": "Card", "Value": "C0DE0001"}],
            [{"Name": "PIN", "Value": "2222"}],
            [{"Name": "Card", "Value": "C0DE0001"}, {"Name": "PIN", "Value": "3333"}],
            [{"Name": "PIN", "Value": "4444"}],
        ]
        lights = [led for _, led, _, _ in place.shown]
        assert lights == ["green", "green", "red", "red", "amber", "red", "red", "red"]
        assert not re.search("0042|1111|2222|3333|4444|s3cret", str(place.events))

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        ("200 OK", b"<html>", "it answers 200 without JSON"),
        ("200 OK", b"[" * 100_000, "it answers 200 without JSON"),
        ("400 Bad Request", b'{"FaultMsg": "PIN 1234 is wrong"}', r"it answers with a fault \(400\)"),
        ("200 OK", b'{"FaultMsg": "x"}', "with a fault"),
        ("200 OK", b"[]", "does not say whether access is granted"),
        ("200 OK", b'{"AccessGranted": "yes"}', "does not say whether access is granted"),
        ("200 OK", b" " * 1_000_001, "its answer is too long"),
    ],
)
def test_an_answer_that_cannot_be_used_lets_nobody_in(tmp_path: Path, status: str, answer: bytes, words: str) -> None:
    async def story(place: Place, controller: Controller) -> None:
        await place.until("connected")
        controller.status, controller.answer = status, answer
        with pytest.raises(NotNowError, match=words) as refused:
            await place.keys("1234")
        assert "1234" not in str(refused.value)
        assert place.shown == []
        assert place.said[-1].state == "connecting"

    tell(tmp_path, story)


def test_a_controller_that_was_killed_is_found_again_and_gets_nothing_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vapix_link, "RETRY_S", (0.02,))

    async def story(place: Place, controller: Controller) -> None:
        await place.until("connected")
        await controller.kill()
        with pytest.raises(NotNowError, match="the door controller is not reached"):
            await place.card("C0DE1234")
        with pytest.raises(NotNowError, match="the door controller is not reached"):
            await place.card("C0DE1234")
        await controller.start()
        await place.until("connected")
        await place.card("C0DE5678")
        assert controller.requests == [[{"Name": "Card", "Value": "C0DE5678"}]]

    tell(tmp_path, story)


def test_a_wrong_password_and_a_choice_that_is_missing_are_told(tmp_path: Path) -> None:
    async def wrong(place: Place, controller: Controller) -> None:
        assert await place.until("connecting") == "it does not accept username and password"

    async def missing(place: Place, controller: Controller) -> None:
        assert "Entry 2" in await place.until("connecting")

    tell(tmp_path, wrong, password="other")
    tell(tmp_path, missing, access_point="")
