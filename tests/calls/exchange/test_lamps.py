"""Busy lamps: who watches an extension sees it ring, talk, and hang up."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.support.extensions import Telephone, extension
from tests.support.sip_agents import field
from tests.support.switchboard import DOOR, Switchboard, answers, rings, sdp
from voipnode.calls.exchange.service_settings import ConferenceSettings
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import OutsideRequest
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.uri import SipUri

NS = "{urn:ietf:params:xml:ns:dialog-info}"


def house() -> Switchboard:
    return Switchboard(extensions=tuple(extension(number) for number in ("101", "102", "103")))


def telephone(board: Switchboard, number: str, host: str, plan=None) -> Telephone:  # type: ignore[no-untyped-def]
    phone = Telephone(board, number, host, plan=plan)
    phone.register()
    return phone


def watch(phone: Telephone, number: str, *, caller: str = "", password: bool = True) -> None:
    """Have a telephone watch an extension, as a key with a lamp does."""
    request = OutsideRequest(
        "SUBSCRIBE",
        SipUri("sip", user=number, host=DOOR.host),
        NameAddr(None, SipUri("sip", user=caller or phone.number, host=DOOR.host)),
        hop=phone.node,
        credentials=phone.credentials if password else (),
        headers=(("Contact", phone.contact()),),
    )
    phone.endpoint.subscribe(request, "dialog", phone.wire.now, accept="application/dialog-info+xml", expires_s=600)
    phone.wire.flush()
    phone.wire.run(phone.wire.now + 1.0)


def seen(phone: Telephone) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Of each document whether it is whole, and the state, direction and other side of each dialog."""
    found = []
    for event in phone.of(sip.NotifyReceived):
        root = ElementTree.fromstring(event.body)
        dialogs = [
            (
                each.findtext(f"{NS}state") or "",
                each.attrib["direction"],
                each.findtext(f"{NS}remote/{NS}identity") or "",
            )
            for each in root
        ]
        found.append((root.attrib["state"], dialogs))
    return found


def test_a_call_from_the_door_lights_the_lamp() -> None:
    board = house()
    anna = telephone(board, "101", "192.168.1.20", rings)
    ben = telephone(board, "102", "192.168.1.21")
    watch(ben, "101")
    board.switch.ring(board.switch.registrar.reach("101"), board.wire.now, authorised=True)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    anna.endpoint.accept(anna.session, sdp(anna.address.host), board.wire.now)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    door = "sip:door@192.168.1.10"
    assert seen(ben) == [
        ("full", []),
        ("partial", [("early", "recipient", door)]),
        ("partial", [("confirmed", "recipient", door)]),
        ("partial", [("terminated", "recipient", door)]),
    ]


def test_a_call_between_extensions_lights_both_lamps() -> None:
    board = house()
    anna = telephone(board, "101", "192.168.1.20")
    telephone(board, "102", "192.168.1.21", answers)
    carol = telephone(board, "103", "192.168.1.22")
    watch(carol, "101")
    watch(carol, "102")
    anna.call_as("102")
    board.wire.run(board.wire.now + 1.0)
    told = [dialogs[0] for _, dialogs in seen(carol) if dialogs]
    assert ("confirmed", "initiator", "sip:102@192.168.1.10") in told
    assert ("confirmed", "recipient", "sip:101@192.168.1.10") in told


@pytest.mark.parametrize(
    ("number", "caller", "password", "statuses"),
    [
        ("999", "", True, [401, 404]),
        ("door", "", True, [401, 404]),
        ("101", "guest", False, [403]),
        ("101", "", False, [401]),
        ("101", "103", True, [401, 403]),
    ],
)
def test_who_may_not_watch(number: str, caller: str, password: bool, statuses: list[int]) -> None:
    board = house()
    ben = telephone(board, "102", "192.168.1.21")
    before = len(board.wire.ladder)
    watch(ben, number, caller=caller, password=password)
    answers_given = [rung for rung in board.wire.ladder[before:] if rung.sender == "door"]
    assert [int(rung.what[:3]) for rung in answers_given] == statuses


def test_a_lamp_goes_on_being_told_after_a_refresh_with_a_password() -> None:
    board = house()
    anna = telephone(board, "101", "192.168.1.20", rings)
    ben = telephone(board, "102", "192.168.1.21")
    watch(ben, "101")
    board.wire.run(595.0)
    assert [state for state, _ in seen(ben)] == ["full", "full"]
    ben.register()
    anna.register()
    board.switch.ring(board.switch.registrar.reach("101"), board.wire.now, authorised=True)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    assert [state for state, _ in seen(ben)] == ["full", "full", "partial"]
    last = [rung for rung in board.wire.ladder if rung.what == "NOTIFY"][-1]
    assert field(last.data, "Subscription-State").startswith("active;expires=")


def test_who_comes_late_sees_the_call_that_is_on_once() -> None:
    board = house()
    telephone(board, "101", "192.168.1.20", answers)
    ben, carol = telephone(board, "102", "192.168.1.21"), telephone(board, "103", "192.168.1.22")
    board.switch.ring(board.switch.registrar.reach("101"), board.wire.now, authorised=True)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    watch(ben, "101")
    watch(carol, "101")
    board.wire.run(board.wire.now + 5.0)
    assert seen(ben) == seen(carol) == [("full", [("confirmed", "recipient", "sip:door@192.168.1.10")])]


def test_of_a_call_that_is_on_nobody_is_told_what_it_could_be_taken_by() -> None:
    board = house()
    telephone(board, "101", "192.168.1.20", answers)
    ben = telephone(board, "102", "192.168.1.21")
    board.switch.ring(board.switch.registrar.reach("101"), board.wire.now, authorised=True)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    watch(ben, "101")
    (dialog,) = ElementTree.fromstring(ben.of(sip.NotifyReceived)[-1].body)
    assert set(dialog.attrib) == {"id", "direction"}


def test_who_is_in_a_conference_talks_and_does_not_ring() -> None:
    house_meets = SwitchSettings(
        dial_plan=("600 -> conference house",), conferences=(ConferenceSettings(name="house"),)
    )
    board = Switchboard(extensions=(extension("101"), extension("102")), switching=house_meets)
    anna = telephone(board, "101", "192.168.1.20")
    ben = telephone(board, "102", "192.168.1.21")
    watch(ben, "101")
    anna.call_as("600")
    board.wire.run(board.wire.now + 1.0)
    assert seen(ben)[-1] == ("partial", [("confirmed", "initiator", "sip:house@192.168.1.10")])
    assert not any("call-id" in each.attrib for each in ElementTree.fromstring(ben.of(sip.NotifyReceived)[-1].body))
