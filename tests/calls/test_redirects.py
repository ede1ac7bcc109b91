"""Redirects: followed in order, within bounds, and never in a circle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.switchboard import Phone, Switchboard, answers, busy, rings
from voipnode.calls.events import CallReason
from voipnode.calls.settings import SipSettings
from voipnode.sipstack import events as sip


def sends_to(*contacts: str, status: int = 302) -> Callable[[Phone, sip.Event], None]:
    """A plan: redirect there."""

    def plan(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            fields = tuple(("Contact", contact) for contact in contacts)
            phone.endpoint.reject(event.session, status, phone.wire.now, headers=fields)

    return plan


def test_a_recipient_sends_the_visitor_to_its_mobile_and_the_digits_still_act() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=sends_to("<sip:mobile@192.168.1.30>"))
    mobile = board.phone("mobile", "192.168.1.30", plan=answers)
    board.ring(anna)
    board.wire.run(1.0)
    assert board.states == ["Calling", "Active"]
    assert board.last.remote == "sip:mobile@192.168.1.30"
    request = mobile.of(sip.IncomingCall)[0].request
    assert str(request.to.uri) == "sip:anna@192.168.1.20"  # RFC 3261 §8.1.3.4: To stays
    mobile.endpoint.info(mobile.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", 1.0)
    board.wire.run(2.0)
    assert [event.authorised for event in board.digits] == [True]
    mobile.endpoint.hang_up(mobile.session, 2.0)
    board.wire.run(100.0)
    board.assert_quiet()


def test_contacts_are_tried_by_q_until_one_answers() -> None:
    board = Switchboard()
    plan = sends_to("<sip:c@192.168.1.33>;q=0.1", "<sip:b@192.168.1.32>;q=0.5", "<sip:a@192.168.1.31>")
    anna = board.phone("anna", "192.168.1.20", plan=plan)
    a = board.phone("a", "192.168.1.31", plan=busy)
    b = board.phone("b", "192.168.1.32", plan=answers)
    c = board.phone("c", "192.168.1.33", plan=answers)
    board.ring(anna)
    board.wire.run(1.0)
    assert [bool(phone.of(sip.IncomingCall)) for phone in (a, b, c)] == [True, True, False]
    assert board.last.remote == "sip:b@192.168.1.32"


def test_a_circle_ends() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=sends_to("<sip:bert@192.168.1.21>"))
    bert = board.phone("bert", "192.168.1.21", plan=sends_to("<sip:ANNA@192.168.1.20>", "<sip:anna@192.168.1.20>"))
    board.ring(anna)
    board.wire.run(100.0)
    assert len(bert.of(sip.IncomingCall)) == 1
    assert [str(event.request.uri) for event in anna.of(sip.IncomingCall)] == [
        "sip:anna@192.168.1.20",
        "sip:ANNA@192.168.1.20",  # user parts differ by case (§19.1.4)
    ]
    assert board.last.reason is CallReason.FAILED
    board.assert_quiet()


def test_a_chain_without_end_is_left_after_ten() -> None:
    board = Switchboard()
    number = 0

    def onwards(phone: Phone, event: sip.Event) -> None:
        nonlocal number
        if isinstance(event, sip.IncomingCall):
            number += 1
            phone.endpoint.reject(
                event.session, 302, phone.wire.now, headers=(("Contact", f"<sip:n{number}@192.168.1.20>"),)
            )

    anna = board.phone("anna", "192.168.1.20", plan=onwards)
    board.ring(anna)
    board.wire.run(200.0)
    assert number == 11
    board.assert_quiet()


@pytest.mark.parametrize(
    ("status", "contact"),
    [
        (305, "<sip:proxy@192.168.1.30>"),
        (380, "<sip:mobile@192.168.1.30>"),
        (302, "<tel:+49123>"),
        (302, "<mailto:anna@example.com>"),
    ],
)
def test_what_is_not_followed(status: int, contact: str) -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=sends_to(contact, status=status))
    other = board.phone("mobile", "192.168.1.30", plan=answers)
    board.ring(anna)
    board.wire.run(100.0)
    assert other.events == []
    assert (board.states[-1], board.last.status) == ("Terminated", status)
    board.assert_quiet()


def test_following_can_be_switched_off() -> None:
    board = Switchboard(settings=SipSettings(follow_redirects=False))
    anna = board.phone("anna", "192.168.1.20", plan=sends_to("<sip:mobile@192.168.1.30>"))
    other = board.phone("mobile", "192.168.1.30", plan=answers)
    board.ring(anna)
    board.wire.run(100.0)
    assert other.events == []
    board.assert_quiet()


def test_a_decline_of_the_redirect_target_ends_it_and_names_the_reason() -> None:
    board = Switchboard()
    plan = sends_to("<sip:a@192.168.1.31>;q=0.9", "<sip:b@192.168.1.32>;q=0.5")
    anna = board.phone("anna", "192.168.1.20", plan=plan)

    def declines(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.reject(event.session, 603, phone.wire.now)

    board.phone("a", "192.168.1.31", plan=declines)
    b = board.phone("b", "192.168.1.32", plan=answers)
    board.ring(anna)
    board.wire.run(100.0)
    assert b.events == []
    assert board.last.reason is CallReason.DENIED
    board.assert_quiet()


def test_hanging_up_while_the_new_address_is_looked_up_ends_the_call() -> None:
    board = Switchboard()
    later: list[Callable[[], None]] = []
    mobile = board.phone("mobile", "192.168.1.30", plan=answers)
    board.switch.reach_by(
        lambda uri, account, done: later.append(lambda: done([board.way(mobile, mobile.hop)], board.wire.now))
    )
    anna = board.phone("anna", "192.168.1.20", plan=sends_to("<sip:mobile@192.168.1.30>"))
    call = board.ring(anna)
    board.wire.run(1.0)
    assert board.states == ["Calling"]
    board.switch.hang_up(call, 1.0)
    assert board.states[-1] == "Terminated"
    later[0]()
    board.wire.run(100.0)
    assert mobile.events == []
    board.assert_quiet()


def test_an_address_that_is_nowhere_ends_the_call() -> None:
    board = Switchboard()
    board.switch.reach_by(lambda uri, account, done: done((), board.wire.now))
    anna = board.phone("anna", "192.168.1.20", plan=sends_to("<sip:mobile@nowhere.example>"))
    board.ring(anna)
    board.wire.run(100.0)
    assert board.states[-1] == "Terminated"
    assert "nowhere.example" in board.last.detail
    board.assert_quiet()


def test_the_others_that_ring_go_on_ringing() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=sends_to("<sip:mobile@192.168.1.30>"))
    bert = board.phone("bert", "192.168.1.21", plan=rings)
    mobile = board.phone("mobile", "192.168.1.30", plan=answers)
    board.ring(anna, bert)
    board.wire.run(1.0)
    assert board.last.remote == str(mobile.uri)
    assert [str(event.why[0]) for event in bert.of(sip.SessionEnded)] == [
        'SIP;cause=200;text="Call completed elsewhere"'
    ]
