"""Legs of one call on different accounts: each is called as its own account, and the winner's counts from then on."""

from __future__ import annotations

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, rings, sdp
from voipnode.calls.events import CallChanged, DtmfReceived
from voipnode.calls.settings import AccountSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri

INFO = ("application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n")
HOUSE = AccountSettings(name="house", user_id="door", dtmf_info=False, caller_id="House")
GUARD = AccountSettings(name="guard", user_id="gate", audio_codecs=("PCMA",), echo_cancellation="on", default=False)


def two_accounts() -> tuple[Switchboard, Phone, Phone]:
    """A board with two accounts, whose phones ring in one call: anna by "house", gert by "guard"."""
    board = Switchboard(account=HOUSE, more_accounts=(GUARD,))
    anna = board.phone("anna", "192.168.1.20", plan=rings)
    gert = board.phone("gert", "192.168.1.21", plan=rings)
    ways = [board.way(anna, anna.hop), board.way(gert, gert.hop, account="guard")]
    board.switch.ring(ways, board.wire.now, authorised=True)
    board.wire.run(1.0)
    return board, anna, gert


def accept(phone: Phone, formats: str = "0 101") -> None:
    phone.endpoint.accept(phone.session, sdp(phone.address.host, formats=formats), phone.wire.now)
    phone.wire.flush()


def test_each_leg_calls_as_its_own_account_with_the_codecs_of_it() -> None:
    _, anna, gert = two_accounts()
    invites = [phone.of(sip.IncomingCall)[0] for phone in (anna, gert)]
    assert [str(invite.request.from_.uri) for invite in invites] == [f"sip:{u}@{DOOR.host}" for u in ("door", "gate")]
    assert [b"PCMU" in invite.offer for invite in invites] == [True, False]


@pytest.mark.parametrize(("winner", "account", "digits"), [(0, "house", []), (1, "guard", ["1"])])
def test_digits_and_events_are_those_of_the_account_that_won(winner: int, account: str, digits: list[str]) -> None:
    board, *phones = two_accounts()
    accept(phones[winner], formats="8 101" if winner else "0 101")
    board.wire.run(2.0)
    phones[winner].endpoint.info(phones[winner].session, *INFO, board.wire.now)
    board.wire.run(3.0)
    told = [event.account for event in board.events if isinstance(event, CallChanged)]
    assert told == ["house", "house", account], "until somebody answers it is the first one's"
    assert [event.digit for event in board.digits] == digits
    assert {event.account for event in board.events if isinstance(event, DtmfReceived)} <= {account}
    board.switch.hang_up_all(board.wire.now)
    board.wire.run(100.0)
    assert board.last.account == account
    board.assert_quiet()


def test_who_is_sent_elsewhere_is_called_there_by_the_same_account() -> None:
    board = Switchboard(account=HOUSE, more_accounts=(GUARD,))

    def moved(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            contact = (("Contact", "<sip:mobile@192.168.1.30>"),)
            phone.endpoint.reject(event.session, 302, phone.wire.now, headers=contact)

    gert = board.phone("gert", "192.168.1.21", plan=moved)
    mobile = board.phone("mobile", "192.168.1.30", plan=rings)
    anna = board.phone("anna", "192.168.1.20", plan=rings)
    ways = [board.way(anna, anna.hop), board.way(gert, gert.hop, account="guard")]
    board.switch.ring(ways, board.wire.now, authorised=True)
    board.wire.run(1.0)
    (invite,) = mobile.of(sip.IncomingCall)
    assert (invite.request.from_.uri.user, b"PCMU" in invite.offer) == ("gate", False)


def test_who_is_transferred_to_is_called_by_the_account_that_asked() -> None:
    board, _, gert = two_accounts()
    mobile = board.phone("mobile", "192.168.1.30", plan=answers)
    accept(gert, formats="8 101")
    board.wire.run(2.0)
    gert.endpoint.refer(gert.session, SipUri(user="mobile", host="192.168.1.30"), board.wire.now)
    board.wire.run(4.0)
    (invite,) = mobile.of(sip.IncomingCall)
    assert invite.request.from_.uri.user == "gate"
